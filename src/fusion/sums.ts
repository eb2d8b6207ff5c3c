import type { Plan } from "./plan.ts";

/** Sums of one level that make one of the next. */
const FAN = 64;

/**
 * How a kernel that walks back through time in pieces of `plan.chunk` steps adds up the terms of a sum over all steps: each piece has a sum (level 0), which
 * is carried into one over 64 pieces, that into one over 64², and that into the total. A single f32 would round away what is small beside 10⁵ terms
 * and more. After piece c, the sum `from` is added to `to` and begins again at 0 wherever c is a multiple of `every`; after piece 0, the last, all are.
 */
export const carries: readonly { from: number; to: number; every: number }[] = [0, 1, 2].map((from) => ({ from, to: from + 1, every: FAN ** from }));

/** The carries after a piece as text: `add` moves sums from one level to the next, `when` guards lines by the piece's number being a multiple of `every`. */
export const carryLines = (add: (from: number, to: number) => string[], when: (every: number, lines: string[]) => string[]): string[] =>
  carries.reduceRight<string[]>((higher, { from, to, every }) => {
    const lines = [...add(from, to), ...higher];
    return every === 1 ? lines : when(every, lines);
  }, []);

/** Whether the backward kernel walks in pieces; otherwise T is at most one piece, whose sum is the total. */
export const inPieces = ({ checkpointEvery, recomputed }: Pick<Plan, "checkpointEvery" | "recomputed">): boolean => checkpointEvery !== null || recomputed.length === 0;

/** The levels of a plan's sums, and the one that ends up with the total. */
export function levelsOf(plan: Plan): { levels: readonly number[]; total: number } {
  const total = inPieces(plan) ? carries.length : 0;
  return { levels: Array.from({ length: total + 1 }, (_, level) => level), total };
}

/** The name of a sum at a level: sum.k0, sum1.k0, … */
export const atLevel = (sum: string, level: number): string => (level === 0 ? sum : sum.replace("sum.", `sum${level}.`));
