import { yieldToEvents } from "../train/evaluation.ts";

/** Milliseconds of one contestant over its repetitions: NaN if it has none. */
export interface Timing {
  repetitions: number;
  median: number;
  minimum: number;
  maximum: number;
}

/** One repetition of all contestants. */
export interface Round<Name extends string = string> {
  /** From 1; the warm-up's are not told of. */
  round: number;
  repetitions: number;
  /** NaN of a contestant that did not run. */
  milliseconds: Readonly<Record<Name, number>>;
}

export interface MeasureOptions<Name extends string = string> {
  /** Default 20. */
  repetitions?: number;
  /** Rounds before the first that counts. Default 5. */
  warmUp?: number;
  onRound?: (round: Round<Name>) => void;
  /** Ends it after the contestant that runs. */
  signal?: AbortSignal;
}

/** Resolves when the work is done, to false if it was not: that time does not count. The round is negative while all warm up, 0 in the first repetition. */
export type Contest = (round: number) => void | boolean | Promise<void | boolean>;

/** Times contestants in one process, interleaved (A B A B …) so that a noisy machine disturbs all alike; each has warmed up before. */
export async function measure<Name extends string>(contestants: Record<Name, Contest>, { repetitions = 20, warmUp = 5, onRound, signal }: MeasureOptions<Name> = {}): Promise<Record<Name, Timing>> {
  const names = Object.keys(contestants) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -warmUp; round < repetitions; round++) {
    const lap = Object.fromEntries(names.map((name) => [name, NaN])) as Record<Name, number>;
    for (const name of names) {
      // A promise alone would let no signal of the system through.
      await yieldToEvents();
      if (signal?.aborted) return summary(times);
      const start = performance.now();
      if ((await contestants[name](round)) !== false) lap[name] = performance.now() - start;
      if (round >= 0 && !Number.isNaN(lap[name])) times[name].push(lap[name]);
    }
    if (round >= 0) onRound?.({ round: round + 1, repetitions, milliseconds: lap });
  }
  return summary(times);
}

const summary = <Name extends string>(times: Record<Name, number[]>): Record<Name, Timing> =>
  Object.fromEntries(Object.entries<number[]>(times).map(([name, values]) => {
    const sorted = values.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    return [name, { repetitions: sorted.length, median, minimum: sorted[0] ?? NaN, maximum: sorted.at(-1) ?? NaN }];
  })) as Record<Name, Timing>;
