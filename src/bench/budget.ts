import { yieldToEvents } from "../train/evaluation.ts";

/** Called between pieces of a long run with how far it is, and how to wait until all of that is computed. Ends the run by throwing. */
export type Tick = (done: number, total: number, settled: () => Promise<unknown>) => Promise<void>;

/** How often events have their turn, and the clock is looked at. */
const TICK_MS = 100;
/** A first run is judged by what it has done after so long. */
const JUDGED_AFTER_MS = 1000;

const brokenOff = Symbol("broken off");

export interface BudgetOptions {
  /** Seconds that all runs together may take. */
  seconds: number;
  /** How many times the first run must fit for the work to be worth its beginning. */
  runs: number;
  signal?: AbortSignal;
  onTick?: (done: number, total: number) => void;
}

/** Bounds the time of runs that may take very long: one that goes beyond is broken off between two pieces, and no other begins. */
export class Budget {
  /** Why no more runs begin. */
  exhausted: string | undefined;
  #spentMs = 0;
  #runs = 0;
  readonly #options: BudgetOptions;

  constructor(options: BudgetOptions) {
    this.#options = options;
    if (options.seconds <= 0) this.exhausted = "not asked for";
  }

  /** Seconds spent. */
  get spent(): number {
    return this.#spentMs / 1000;
  }

  /** Resolves to false if the run was broken off, or did not begin. */
  async spend(run: (tick: Tick) => Promise<void>): Promise<boolean> {
    if (this.exhausted !== undefined) return false;
    const start = performance.now();
    let last = start;
    try {
      await run(async (done, total, settled) => {
        if (done === total || performance.now() - last < TICK_MS) return;
        await settled();
        await yieldToEvents();
        last = performance.now();
        this.#options.onTick?.(done, total);
        this.exhausted = this.#judge(last - start, done / total);
        if (this.exhausted !== undefined) throw brokenOff;
      });
      this.#runs++;
      return true;
    } catch (error) {
      if (error !== brokenOff) throw error;
      return false;
    } finally {
      this.#spentMs += performance.now() - start;
    }
  }

  #judge(elapsedMs: number, share: number): string | undefined {
    const { seconds, runs, signal } = this.#options;
    if (signal?.aborted) return "stopped";
    if ((this.#spentMs + elapsedMs) / 1000 > seconds) return `its ${seconds} s are over`;
    const expected = (runs * elapsedMs) / share / 1000;
    if (this.#runs === 0 && elapsedMs > JUDGED_AFTER_MS && expected > seconds) return `one round of it would take about ${Math.ceil(expected)} s, more than the ${seconds} s it may`;
    return undefined;
  }
}
