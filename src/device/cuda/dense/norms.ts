import type { DenseMath } from "../../device.ts";
import { type NormShape, normBackwardShape, normShape } from "../../dense/shapes.ts";
import { bitsOf } from "../launch.ts";
import { ELEMENTS, type KernelFamily, kernels, pairs, THREADS, type Variant } from "./kernel.ts";
import type { DenseLauncher, Work } from "./work.ts";

/** Threads that share a run of channels of one sample: a warp's as long as the run is short. */
const LANES = [32, THREADS];
const SHORT = 1024;

const RUN = "const long long runs, const int size, const int channels, const int groups";

/** Where a thread is: its run, whose values are `width` of each `channels`, `count` in all. */
const PLACE = `  const int t = threadIdx.x, lane = t % LANES;
  const long long run = blockIdx.x * (long long)(${THREADS} / LANES) + t / LANES, sample = quotient(run, groups);
  const unsigned int width = channels / groups, count = run < runs ? size * width : 0;
  const long long first = sample * size * channels + (run - sample * groups) * width;
  __shared__ float sums[${THREADS}];`;

const FUNCTIONS = `// The sum of all lanes of a run, in a fixed order.
__device__ inline float total(float* sums, float own, int t, int lane) {
  sums[t] = own;
  __syncthreads();
  for (int reach = LANES / 2; reach > 0; reach /= 2) {
    if (lane < reach) sums[t] += sums[t + reach];
    __syncthreads();
  }
  const float sum = sums[t - lane];
  __syncthreads();
  return sum;
}
`;

const overRun = (body: string): string => `  for (unsigned int j = lane; j < count; j += LANES) {
    const unsigned int row = j / width;
    const long long at = first + (long long)row * channels + (j - row * width);
${body}
  }`;

const normKernel = kernels({
  name: "group_norm",
  variants: ELEMENTS.flatMap((X) => LANES.map((lanes) => ({ X, LANES: lanes }))),
  parameters: `const X* __restrict__ x, X* __restrict__ y, float* __restrict__ scale, ${RUN}, const float eps`,
  functions: FUNCTIONS,
  body: `${PLACE}
  float own = 0.0f;
${overRun("    own += to_float(x[at]);")}
  const float mean = total(sums, own, t, lane) / (float)count;
  own = 0.0f;
${overRun("    const float deviation = to_float(x[at]) - mean;\n    own += deviation * deviation;")}
  const float slope = 1.0f / sqrtf(total(sums, own, t, lane) / (float)count + eps);
${overRun("    from_float(y[at], (to_float(x[at]) - mean) * slope);")}
  if (lane == 0 && run < runs) scale[run] = slope;`,
});

const backwardKernel = kernels({
  name: "group_norm_backward",
  variants: pairs.flatMap(([X, Y]) => LANES.map((lanes) => ({ X, Y, LANES: lanes }))),
  parameters: `const X* __restrict__ y, const float* __restrict__ scale, const Y* __restrict__ dy, Y* __restrict__ dx, ${RUN}`,
  functions: FUNCTIONS,
  body: `${PLACE}
  float own = 0.0f;
${overRun("    own += to_float(dy[at]);")}
  const float mean = total(sums, own, t, lane) / (float)count;
  own = 0.0f;
${overRun("    own += to_float(dy[at]) * to_float(y[at]);")}
  const float along = total(sums, own, t, lane) / (float)count, slope = run < runs ? scale[run] : 0.0f;
${overRun("    from_float(dx[at], slope * (to_float(dy[at]) - mean - to_float(y[at]) * along));")}`,
});

export const normKernels = [normKernel, backwardKernel];

function launch(work: Work, kernel: KernelFamily, types: Variant, { size, channels, groups, runs }: NormShape, addresses: readonly number[], last: readonly number[]): void {
  const lanes = size * (channels / groups) <= SHORT ? LANES[0] : LANES[1];
  work.launchBlocks(kernel({ ...types, LANES: lanes }), Math.ceil((runs * lanes) / THREADS), [...addresses, runs, size, channels, groups, ...last]);
}

/** Normalisation within a sample, of runs of its channels. */
export function normMath(launcher: DenseLauncher): Pick<DenseMath, "groupNorm" | "groupNormBackward"> {
  return {
    groupNorm(x, groups, eps) {
      const shape = normShape("groupNorm", x, groups, eps);
      return launcher.run("groupNorm", "rest", (work) => {
        const { at, type } = work.activation(x);
        const [y, scale] = [work.output(x.shape, type), work.output([x.shape[0], groups])];
        launch(work, normKernel, { X: type }, shape, [at, work.ptr(y, type), work.ptr(scale)], [bitsOf(eps)]);
        return { y, scale };
      });
    },
    groupNormBackward(y, scale, dy) {
      const shape = normBackwardShape("groupNormBackward", y, scale, dy);
      return launcher.run("groupNormBackward", "rest", (work) => {
        const [own, slope] = [work.activation(y), work.activation(dy)];
        const dx = work.output(dy.shape, slope.type);
        launch(work, backwardKernel, { X: own.type, Y: slope.type }, shape, [own.at, work.ptr(scale), slope.at, work.ptr(dx, slope.type)], []);
        return dx;
      });
    },
  };
}
