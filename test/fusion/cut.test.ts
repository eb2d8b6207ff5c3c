import { expect, it } from "vitest";
import { minimumCut } from "../../src/fusion/cut.ts";
import { thorough } from "../sample.ts";

/** A graph of values, those before `given` with no operands. */
interface Graph {
  operands: number[][];
  cost: number[];
  needed: number[];
}

const cut = ({ operands, cost, needed }: Graph): number[] => minimumCut({ count: operands.length, operands: (n) => operands[n], cost: (n) => cost[n], needed });

/** Whether all that is needed follows from what is kept. */
function suffices({ operands, needed }: Graph, kept: readonly number[]): boolean {
  const had = operands.map(() => false);
  operands.forEach((below, n) => { had[n] = kept.includes(n) || (below.length > 0 && below.every((operand) => had[operand])); });
  return needed.every((n) => had[n]);
}

const costOf = ({ cost }: Graph, kept: readonly number[]): number => kept.reduce((sum, n) => sum + cost[n], 0);

/** The least cost of any set that suffices. */
function least(graph: Graph): number {
  let best = Infinity;
  for (let set = 0; set < 2 ** graph.operands.length; set++) {
    const kept = graph.operands.flatMap((_, n) => ((set >> n) & 1 ? [n] : []));
    if (costOf(graph, kept) < best && suffices(graph, kept)) best = costOf(graph, kept);
  }
  return best;
}

it("finds the one value through which all passes, as near to what is needed as there is one", () => {
  // 0, 1 → 2 → 3 → 4, 5
  expect(cut({ operands: [[], [], [0, 1], [2], [3], [3]], cost: [4, 4, 4, 4, 4, 4], needed: [4, 5] })).toEqual([3]);
});

it("weighs what is kept", () => {
  const operands = [[], [], [0, 1]];
  expect(cut({ operands, cost: [2, 1, 4], needed: [2] })).toEqual([0, 1]);
  expect(cut({ operands, cost: [4, 4, 4], needed: [2] })).toEqual([2]);
  expect(cut({ operands, cost: [4, 4, 4], needed: [0, 2] })).toHaveLength(2);
});

it("is enough, and costs the least, on graphs at random", () => {
  let state = 7;
  const below = (n: number): number => ((state = Math.imul(state, 1664525) + 1013904223 >>> 0) >>> 8) % n;
  for (let trial = 0; trial < (thorough ? 500 : 60); trial++) {
    const count = 3 + below(8);
    const operands = Array.from({ length: count }, (_, n) => (n < 2 || below(5) === 0 ? [] : Array.from({ length: 1 + below(2) }, () => below(n))));
    const graph = { operands, cost: operands.map(() => 1 + below(4)), needed: Array.from({ length: 1 + below(3) }, () => below(count)) };
    const kept = cut(graph);
    expect(suffices(graph, kept), JSON.stringify(graph)).toBe(true);
    expect(costOf(graph, kept), JSON.stringify(graph)).toBe(least(graph));
  }
});

it("takes chains of any length", () => {
  const count = 20_000;
  expect(cut({ operands: Array.from({ length: count }, (_, n) => (n === 0 ? [] : [n - 1])), cost: Array.from({ length: count }, () => 4), needed: [count - 1] })).toEqual([count - 1]);
});
