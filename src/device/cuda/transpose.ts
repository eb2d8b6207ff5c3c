import type { CudaContext } from "./context.ts";

/** Neighbours write neighbours; what they read apart from each other stays in the cache for the next rows. */
export const transposeSource: string = `extern "C" __global__ void __launch_bounds__(256)
transpose(const float* __restrict__ x, float* __restrict__ y, const int columns) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i < (long long)columns * columns) y[i] = x[i % columns * columns + i / columns];
}
`;

/** The transpose of a square matrix: x, y [columns, columns], both addresses of f32. */
export function transpose(context: CudaContext, x: number, y: number, columns: number): void {
  context.launch(context.function("transpose", transposeSource, "transpose"), columns ** 2, [x, y, columns]);
}
