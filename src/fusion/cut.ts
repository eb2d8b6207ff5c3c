/** A graph of values, operands before users. */
export interface CutRequest {
  /** Values: 0 to count − 1. */
  readonly count: number;
  /** What a value is made of; nothing for those that are given. */
  operands(n: number): readonly number[];
  /** The values that must be had. */
  readonly needed: readonly number[];
  /** What it costs to keep a value; positive. */
  cost(n: number): number;
}

/**
 * The cheapest set of values from which all that are needed can be computed; of several, the one nearest to them. A minimum vertex cut by augmenting
 * paths (Edmonds and Karp 1972): each value is an edge of its cost from its entry 2n to its exit 2n + 1.
 */
export function minimumCut({ count, operands, needed, cost }: CutRequest): number[] {
  const [source, sink] = [2 * count, 2 * count + 1];
  const heads: number[] = [];
  const rest: number[] = [];
  const at: number[][] = Array.from({ length: 2 * count + 2 }, () => []);
  const edge = (from: number, to: number, capacity: number): void => {
    at[from].push(heads.push(to) - 1);
    rest.push(capacity);
    at[to].push(heads.push(from) - 1);
    rest.push(0);
  };
  const reached = new Set<number>(needed);
  for (let n = count - 1; n >= 0; n--) {
    if (!reached.has(n)) continue;
    const below = operands(n);
    edge(2 * n, 2 * n + 1, cost(n));
    if (below.length === 0) edge(source, 2 * n, Infinity);
    for (const operand of new Set(below)) {
      reached.add(operand);
      edge(2 * operand + 1, 2 * n, Infinity);
    }
  }
  for (const n of new Set(needed)) edge(2 * n + 1, sink, Infinity);

  /** The edge by which each place was reached from the source. */
  const search = (): Int32Array => {
    const by = new Int32Array(2 * count + 2).fill(-1);
    const queue = [source];
    for (const place of queue) {
      for (const e of at[place]) {
        const next = heads[e];
        if (rest[e] > 0 && by[next] < 0 && next !== source) {
          by[next] = e;
          queue.push(next);
        }
      }
    }
    return by;
  };
  for (let by = search(); by[sink] >= 0; by = search()) {
    const path: number[] = [];
    for (let place = sink; place !== source; place = heads[path.at(-1)! ^ 1]) path.push(by[place]);
    const flow = Math.min(...path.map((e) => rest[e]));
    for (const e of path) {
      rest[e] -= flow;
      rest[e ^ 1] += flow;
    }
  }

  // The places from which the sink can still be reached: the cut is where they begin.
  const near = new Set([sink]);
  for (const place of near) for (const e of at[place]) if (rest[e ^ 1] > 0) near.add(heads[e]);
  return [...reached].filter((n) => near.has(2 * n + 1) && !near.has(2 * n)).sort((a, b) => a - b);
}
