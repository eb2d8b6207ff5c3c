import { bitsOf } from "../launch.ts";
import { ELEMENTS, kernels, pairs, THREADS, vectorOf, vectors } from "./kernel.ts";
import type { Activation, Work } from "./work.ts";

/** Rows of a matrix that are added by one thread each, without a second pass. */
const FEW = 32;
/** What a thread adds at least, where rows are split into chunks. */
const THREAD_ROWS = 8;
/** Blocks that keep a large GPU busy. */
const BLOCKS = 512;
/** Threads of a block that lie side by side in a row: with 16 bytes each, a kilobyte. */
const ACROSS = 64;

/** How sums over rows of [rows, groups · V] are shared out; it depends on the shape alone, and so do the results' last bits. */
export interface RowSplit {
  groups: number;
  /** Threads of a block in a row, and rows that they take at once. */
  across: number;
  down: number;
  /** Blocks over the columns, and over the rows. */
  tiles: number;
  chunks: number;
  chunkRows: number;
}

export function splitRows(rows: number, groups: number): RowSplit {
  const few = rows <= FEW;
  const tiles = Math.ceil(groups / (few ? THREADS : ACROSS));
  const across = Math.ceil(groups / tiles);
  const down = few ? 1 : Math.min(rows, Math.floor(THREADS / across));
  const wanted = few ? 1 : Math.min(Math.ceil(rows / (down * THREAD_ROWS)), Math.ceil(BLOCKS / tiles));
  const chunkRows = Math.ceil(rows / wanted);
  return { groups, across, down, tiles, chunks: Math.ceil(rows / chunkRows), chunkRows };
}

export const SPLIT_PARAMETERS = "const long long rows, const int groups, const int across, const int down, const int tiles, const long long chunkRows";
export const splitWords = (rows: number, { groups, across, down, tiles, chunkRows }: RowSplit): number[] => [rows, groups, across, down, tiles, chunkRows];

/** Where a thread is: its group of columns, and which of the block's rows it takes of the chunk [begin, end). */
export const PLACE: string = `  const int t = threadIdx.x, lane = t / across;
  const int group = blockIdx.x % tiles * across + t % across;
  const long long chunk = blockIdx.x / tiles, begin = chunk * chunkRows, end = begin + chunkRows < rows ? begin + chunkRows : rows;
  const bool inside = lane < down && group < groups;`;

/** Halves the threads that hold a sum until the first row of them holds it: `merge` adds what lies `reach` rows further down. */
export const tree = (merge: string): string => `  __syncthreads();
  int reach = 1;
  while (reach < down) reach *= 2;
  for (reach /= 2; reach > 0; reach /= 2) {
    if (lane < reach && lane + reach < down) {
${merge}
    }
    __syncthreads();
  }`;

const sumBody = (type: string, load: string, term: string): string => `${PLACE}
  __shared__ float sums[V][${THREADS}];
  Vector<float, V> sum = {};
  inPieces(begin + lane, inside ? end : begin, down, [&](long long row) { return ${load}; }, [&](const ${type}& now) {
    for (int k = 0; k < V; ++k) sum.at[k] += ${term};
  });
  for (int k = 0; k < V; ++k) sums[k][t] = sum.at[k];
${tree("      for (int k = 0; k < V; ++k) sums[k][t] += sums[k][t + reach * across];")}
  if (lane != 0 || !inside) return;
  for (int k = 0; k < V; ++k) sum.at[k] = factor * sums[k][t];
  write<V>(y, chunk * groups + group, sum);`;

const sumKernel = kernels({
  name: "sum_of_rows",
  variants: ELEMENTS.flatMap((X) => vectors(X).map((V) => ({ X, V }))),
  parameters: `const X* __restrict__ x, float* __restrict__ y, ${SPLIT_PARAMETERS}, const float factor`,
  body: sumBody("Vector<X, V>", "load<V>(x + (row * groups + group) * V)", "to_float(now.at[k])"),
});

const dotKernel = kernels({
  name: "dots_of_rows",
  variants: pairs.flatMap(([X, Z]) => vectors(X, Z).map((V) => ({ X, Z, V }))),
  parameters: `const X* __restrict__ x, const Z* __restrict__ z, float* __restrict__ y, ${SPLIT_PARAMETERS}, const float factor`,
  functions: "struct Both { Vector<X, V> x; Vector<Z, V> z; };\n",
  body: sumBody("Both", "Both{load<V>(x + (row * groups + group) * V), load<V>(z + (row * groups + group) * V)}", "to_float(now.x.at[k]) * to_float(now.z.at[k])"),
});

/** Threads of a block side by side, and one below the other, where the chunks' results are merged: 8 f32s are what memory hands out at once. */
export const MERGE_ACROSS = 8;
export const MERGE_DOWN = THREADS / MERGE_ACROSS;

export const MERGE_PLACE = `  constexpr int across = ${MERGE_ACROSS}, down = ${MERGE_DOWN};
  const int t = threadIdx.x, lane = t / across, column = blockIdx.x * across + t % across;`;

const mergeKernel = kernels({
  name: "merge_sums",
  variants: [{}],
  parameters: "const float* __restrict__ x, float* __restrict__ y, const int chunks, const int columns, const float factor",
  body: `${MERGE_PLACE}
  __shared__ float sums[${THREADS}];
  float sum = 0.0f;
  inPieces(lane, column < columns ? chunks : 0, down, [&](long long chunk) { return x[chunk * columns + column]; }, [&](float now) { sum += now; });
  sums[t] = sum;
${tree("      sums[t] += sums[t + reach * across];")}
  if (lane == 0 && column < columns) y[column] = factor * sums[t];`,
});

export const rowKernels = [sumKernel, dotKernel, mergeKernel];

/** Queues kernels that write `factor` times the sums over rows of x [rows, columns], or of x · z, to the f32s at `sums` [columns]. */
export function sumRows(work: Work, x: Activation, z: Activation | undefined, sums: number, rows: number, columns: number, factor = 1): void {
  const V = z ? vectorOf(columns, x.type, z.type) : vectorOf(columns, x.type);
  const split = splitRows(rows, columns / V);
  const { tiles, chunks } = split;
  const target = chunks === 1 ? sums : work.scratch([chunks, columns]);
  const words = [target, ...splitWords(rows, split), bitsOf(chunks === 1 ? factor : 1)];
  if (z) work.launchBlocks(dotKernel({ X: x.type, Z: z.type, V }), tiles * chunks, [x.at, z.at, ...words]);
  else work.launchBlocks(sumKernel({ X: x.type, V }), tiles * chunks, [x.at, ...words]);
  if (chunks > 1) mergeSums(work, target, sums, chunks, columns, factor);
}

/** Queues a kernel that writes `factor` times the sums over chunks of the f32s at `partials` [chunks, columns] to `sums` [columns]. */
export function mergeSums(work: Work, partials: number, sums: number, chunks: number, columns: number, factor: number): void {
  work.launchBlocks(mergeKernel({}), Math.ceil(columns / MERGE_ACROSS), [partials, sums, chunks, columns, bitsOf(factor)]);
}
