import type { DenseMath, Tensor } from "../../device.ts";
import { dotsShape, scaledShape } from "../../dense/shapes.ts";
import { ELEMENTS, kernels, lanesOf, pairs, THREADS } from "./kernel.ts";
import { mergeSums } from "./rows.ts";
import type { DenseLauncher } from "./work.ts";

/** Values that a block adds. */
const BLOCK = 1 << 14;

const scaleKernel = kernels({
  name: "scale_of_steps",
  variants: ELEMENTS.map((X) => ({ X, V: lanesOf(X) })),
  parameters: "const X* __restrict__ x, const float* __restrict__ factors, X* __restrict__ y, const long long size, const long long length",
  body: `  const long long i = thread() * V;
  if (i >= size) return;
  Vector<float, V> all = read<V>(x, i, size);
  for (int k = 0; k < V && i + k < size; ++k) all.at[k] *= factors[(i + k) / length];
  write<V>(y, i, size, all);`,
});

/** A block adds a part of one t: partials [parts, T]. */
const dotKernel = kernels({
  name: "dots_of_steps",
  variants: pairs.map(([X, Y]) => ({ X, Y })),
  parameters: "const X* __restrict__ x, const Y* __restrict__ y, float* __restrict__ partials, const int steps, const long long length",
  body: `  __shared__ float sums[${THREADS}];
  const int t = threadIdx.x, step = blockIdx.x % steps;
  const long long first = (long long)(blockIdx.x / steps) * ${BLOCK}, end = first + ${BLOCK} < length ? first + ${BLOCK} : length, row = step * length;
  float sum = 0.0f;
  inPieces(first + t, end, ${THREADS}, [&](long long j) { return to_float(x[row + j]) * to_float(y[row + j]); }, [&](float now) { sum += now; });
  sums[t] = sum;
  __syncthreads();
  for (int reach = ${THREADS / 2}; reach > 0; reach /= 2) {
    if (t < reach) sums[t] += sums[t + reach];
    __syncthreads();
  }
  if (t == 0) partials[blockIdx.x] = sums[0];`,
});

export const stepKernels = [scaleKernel, dotKernel];

const blocksOf = (length: number): number => Math.ceil(length / BLOCK);

/** Bytes of the partial sums of each t of x [T, ...]. */
export const stepPartialBytes = ({ shape: [steps], size }: Tensor): number => 4 * steps * blocksOf(size / steps);

/** What differs from one t to the next. */
export function stepMath(launcher: DenseLauncher): Pick<DenseMath, "scaleFirst" | "dotsFirst"> {
  return {
    scaleFirst(x, factors) {
      const { length } = scaledShape("scaleFirst", x, factors);
      return launcher.run("scaleFirst", "rest", (work) => {
        const { at, type } = work.activation(x);
        const y = work.output(x.shape, type);
        const V = lanesOf(type);
        work.launch(scaleKernel({ X: type, V }), Math.ceil(x.size / V), [at, work.ptr(factors), work.ptr(y, type), x.size, length]);
        return y;
      });
    },
    dotsFirst(x, y) {
      const { steps, length } = dotsShape("dotsFirst", x, y);
      return launcher.run("dotsFirst", "rest", (work) => {
        const [left, right] = [work.activation(x), work.activation(y)];
        const dots = work.output([steps]);
        const blocks = blocksOf(length);
        const partials = work.scratch([blocks, steps]);
        work.launchBlocks(dotKernel({ X: left.type, Y: right.type }), blocks * steps, [left.at, right.at, partials, steps, length]);
        mergeSums(work, partials, work.ptr(dots), blocks, steps, 1);
        return dots;
      });
    },
  };
}
