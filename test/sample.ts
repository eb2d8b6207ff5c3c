import { it } from "vitest";

/** Whether everything is asked for, as `npm run test:all` does; `npm test` takes a sample of the sweeps, by a seed that it prints. */
export const thorough = process.env.SPIKEFOLD_TEST_ALL === "1";

let state = Number(process.env.SPIKEFOLD_TEST_SEED ?? 0) >>> 0;

/** The next number of the seed's sequence (splitmix32), in [0, 1). Every test file begins it anew. */
function draw(): number {
  state = (state + 0x9e3779b9) | 0;
  let mixed = Math.imul(state ^ (state >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return ((mixed ^ (mixed >>> 15)) >>> 0) / 2 ** 32;
}

/** So many of the cases, in their order; all of them where everything is asked for. */
export function sample<T>(cases: readonly T[], count: number): T[] {
  if (thorough) return [...cases];
  const order = cases.map((_, i) => ({ i, key: draw() })).sort((a, b) => a.key - b.key);
  const chosen = new Set(order.slice(0, count).map(({ i }) => i));
  return cases.filter((_, i) => chosen.has(i));
}

const now = () => it.runIf(thorough || draw() < 1 / 3);

/** A test that one run in three has, beside others of its kind that every run has. */
export const occasionally = Object.assign((...args: Parameters<typeof it>) => now()(...args), { each: (...args: Parameters<typeof it.each>) => now().each(...args) }) as unknown as typeof it;
