import { kernels, pairs, vectorOf, vectors } from "./kernel.ts";
import type { Activation, Work } from "./work.ts";

const TILE = 32;
const DOWN = 8;

/** A block turns one tile by way of shared memory: reads and writes both run along rows. */
const transposeKernel = kernels({
  name: "transpose",
  variants: pairs.map(([X, Y]) => ({ X, Y })),
  parameters: "const X* __restrict__ x, Y* __restrict__ y, const int rows, const int columns, const int tilesAcross",
  body: `  __shared__ float tile[${TILE}][${TILE + 1}];
  const int left = blockIdx.x % tilesAcross * ${TILE}, top = blockIdx.x / tilesAcross * ${TILE}, across = threadIdx.x % ${TILE}, down = threadIdx.x / ${TILE};
  for (int row = down; row < ${TILE}; row += ${DOWN}) {
    if (top + row < rows && left + across < columns) tile[row][across] = to_float(x[(long long)(top + row) * columns + left + across]);
  }
  __syncthreads();
  for (int row = down; row < ${TILE}; row += ${DOWN}) {
    if (left + row < columns && top + across < rows) from_float(y[(long long)(left + row) * rows + top + across], tile[across][row]);
  }`,
});

/** Thread i writes V channels of a pixel; channels that x has not are zeros, those that y has not are left out. */
const fitKernel = kernels({
  name: "fit_channels",
  variants: pairs.flatMap(([X, Y]) => vectors(Y).map((V) => ({ X, Y, V }))),
  parameters: "const X* __restrict__ x, Y* __restrict__ y, const long long vectors, const int channels, const int groups",
  body: `  const long long i = thread();
  if (i >= vectors) return;
  const long long pixel = quotient(i, groups);
  const int first = (i - pixel * groups) * V;
  Vector<float, V> all;
  for (int k = 0; k < V; ++k) all.at[k] = first + k < channels ? to_float(x[pixel * channels + first + k]) : 0.0f;
  write<V>(y, i, all);`,
});

export const layoutKernels = [transposeKernel, fitKernel];

/** Queues a kernel that writes x [rows, columns] to y [columns, rows]. */
export function transpose(work: Work, x: Activation, y: Activation, rows: number, columns: number): void {
  const tilesAcross = Math.ceil(columns / TILE);
  work.launchBlocks(transposeKernel({ X: x.type, Y: y.type }), tilesAcross * Math.ceil(rows / TILE), [x.at, y.at, rows, columns, tilesAcross]);
}

/** Queues a kernel that writes x [pixels, channels] to y [pixels, to], with zeros for channels that x has not. */
export function fitChannels(work: Work, x: Activation, y: Activation, pixels: number, channels: number, to: number): void {
  const V = vectorOf(to, y.type);
  work.launch(fitKernel({ X: x.type, Y: y.type, V }), (pixels * to) / V, [x.at, y.at, (pixels * to) / V, channels, to / V]);
}
