import type { CudaContext } from "./context.ts";

/** Terms of one thread's sum: few enough that even a long sum has many threads at work. */
export const TERMS = 64;

/** Thread i adds elements i, i + groups · columns, …: neighbours read neighbours, and which terms meet in which order depends on the shape alone. */
export const sumRowsSource: string = `extern "C" __global__ void __launch_bounds__(256)
sum_rows(const float* __restrict__ x, float* __restrict__ y, const long long rows, const long long columns, const long long groups) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  const long long stride = groups * columns;
  if (i >= stride) return;
  float sum = 0.0f;
  #pragma unroll 8
  for (long long at = i; at < rows * columns; at += stride) sum += x[at];
  y[i] = sum;
}
`;

/** Σ over rows: x [rows, columns] → y [columns], both addresses of f32. The order of the additions is fixed, so results repeat bit for bit. */
export function sumRows(context: CudaContext, x: number, y: number, rows: number, columns: number): void {
  const kernel = context.function("sum_rows", sumRowsSource, "sum_rows");
  const groups = Math.ceil(rows / TERMS);
  if (groups === 1) return context.launch(kernel, columns, [x, y, rows, columns, 1]);
  using partial = context.empty([groups, columns]);
  const address = context.ptr(partial, "sum_rows");
  context.launch(kernel, groups * columns, [x, address, rows, columns, groups]);
  sumRows(context, address, y, groups, columns);
}
