import type { CudaContext } from "./context.ts";
import type { Driver } from "./driver.ts";

/** What trials need of a device. */
export interface Stopwatch {
  /** Which device it is: what was fastest on another of this kind is taken to be so here. */
  readonly device: string;
  /** Whether work can be waited for now. */
  readonly ready: boolean;
  /** Queues work on this stream. */
  readonly stream: number;
  /** Milliseconds that the device takes for what `work` queues; waits for it. */
  time(work: () => void): number;
  /** What `work` makes of the address of so many bytes, which go back to the device afterwards; undefined where it has no room for them. */
  lend<T>(bytes: number, work: (address: number) => T): T | undefined;
}

/** Candidates are tried in order until there were so many, or until the host has spent so many milliseconds on them. */
const [MOST, SPENT_MS] = [8, 500];
/** A candidate runs so often, but once where that takes so many milliseconds or so many times the best so far, and not again where its first run took longer still. */
const [RUNS, LONG_MS, FAR, HOPELESS_MS] = [3, 50, 1.25, 500];
/** What comes later in the order must be faster by so much, that the clock's noise may not choose between equals. */
const MARGIN = 0.97;

/**
 * The fastest of some candidates, `first` unless another is clearly faster.
 * @param measure milliseconds of a candidate; undefined where it cannot run. It gets the least so far.
 * @param lose is called with each of `others` that was taken and not chosen
 * @param now the host's clock in milliseconds
 */
export function fastest<Candidate>(
  first: Candidate, others: Iterable<Candidate>, measure: (candidate: Candidate, least: number) => number | undefined, lose: (candidate: Candidate) => void, now = (): number => performance.now(),
): Candidate {
  const begun = now();
  let [chosen, least, tried] = [first, Infinity, 1];
  for (const candidate of others) {
    if (tried === 1) least = measure(first, Infinity) ?? Infinity;
    const milliseconds = measure(candidate, least) ?? Infinity;
    if (milliseconds < MARGIN * least) {
      if (chosen !== first) lose(chosen);
      [chosen, least] = [candidate, milliseconds];
    } else {
      lose(candidate);
    }
    if (++tried === MOST || now() - begun >= SPENT_MS) break;
  }
  return chosen;
}

/** Milliseconds of the shortest of a few runs, after one that loads what it needs. @param least of other candidates */
export function shortest(run: () => number, least: number): number {
  const first = run();
  if (first > HOPELESS_MS) return first;
  let found = Infinity;
  for (let i = 0; i < RUNS; i++) {
    const milliseconds = run();
    found = Math.min(found, milliseconds);
    if (milliseconds > LONG_MS || milliseconds > FAR * least) break;
  }
  return found;
}

/** Times work on the stream of a context by events. */
export class StreamStopwatch implements Stopwatch {
  readonly device: string;
  readonly stream: number;
  readonly #context: CudaContext;
  readonly #driver: Driver;
  readonly #milliseconds = new Float32Array(1);
  #events: readonly [number, number] | null = null;

  constructor(context: CudaContext) {
    this.device = context.properties.name;
    this.stream = context.stream;
    this.#context = context;
    this.#driver = context.driver;
    context.atEnd(() => this.#events?.forEach((event) => this.#driver.raw.cuEventDestroy_v2(event)));
  }

  /** A stream that is captured cannot be waited for. */
  get ready(): boolean {
    return !this.#context.capturing;
  }

  time(work: () => void): number {
    const [start, end] = (this.#events ??= [this.#driver.get("cuEventCreate", 0), this.#driver.get("cuEventCreate", 0)]);
    this.#driver.call("cuEventRecord", start, this.stream);
    work();
    this.#driver.call("cuEventRecord", end, this.stream);
    this.#context.waits.forEvent(end);
    this.#driver.call("cuEventElapsedTime", this.#milliseconds, start, end);
    return this.#milliseconds[0];
  }

  lend<T>(bytes: number, work: (address: number) => T): T | undefined {
    return bytes === 0 ? work(0) : this.#context.memory.lend(bytes, work);
  }
}
