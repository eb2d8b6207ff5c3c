import { kernels, pairs } from "./kernel.ts";
import type { Activation } from "./rows.ts";
import type { Work } from "./work.ts";

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

export const transposeKernels = [transposeKernel];

/** Queues a kernel that writes x [rows, columns] to y [columns, rows]. */
export function transpose(work: Work, x: Activation, y: Activation, rows: number, columns: number): void {
  const tilesAcross = Math.ceil(columns / TILE);
  work.launchBlocks(transposeKernel({ X: x.type, Y: y.type }), tilesAcross * Math.ceil(rows / TILE), [x.at, y.at, rows, columns, tilesAcross]);
}
