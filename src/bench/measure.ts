/** Milliseconds of one contestant over its repetitions. */
export interface Timing {
  median: number;
  minimum: number;
  maximum: number;
}

/** One repetition of all contestants. */
export interface Round<Name extends string = string> {
  /** From 1; the warm-up's are not told of. */
  round: number;
  repetitions: number;
  milliseconds: Readonly<Record<Name, number>>;
}

export interface MeasureOptions<Name extends string = string> {
  /** Default 20. */
  repetitions?: number;
  /** Rounds before the first that counts. Default 5. */
  warmUp?: number;
  onRound?: (round: Round<Name>) => void;
}

/**
 * Times contestants in one process, interleaved (A B A B …) so that a noisy machine disturbs all alike; each has warmed up before.
 * A contestant resolves when its work is done.
 */
export async function measure<Name extends string>(contestants: Record<Name, () => void | Promise<void>>, { repetitions = 20, warmUp = 5, onRound }: MeasureOptions<Name> = {}): Promise<Record<Name, Timing>> {
  const names = Object.keys(contestants) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  for (let round = -warmUp; round < repetitions; round++) {
    for (const name of names) {
      const start = performance.now();
      await contestants[name]();
      if (round >= 0) times[name].push(performance.now() - start);
    }
    if (round >= 0) onRound?.({ round: round + 1, repetitions, milliseconds: Object.fromEntries(names.map((name) => [name, times[name][round]])) as Record<Name, number> });
  }
  return Object.fromEntries(names.map((name) => {
    const sorted = times[name].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    return [name, { median, minimum: sorted[0], maximum: sorted[sorted.length - 1] }];
  })) as Record<Name, Timing>;
}
