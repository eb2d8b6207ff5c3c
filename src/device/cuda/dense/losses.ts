import type { DenseMath, Tensor } from "../../device.ts";
import { requireAxes, requireShape } from "../../dense/shapes.ts";
import { bitsOf } from "../launch.ts";
import { ELEMENTS, kernels, lanesOf, pairs, THREADS } from "./kernel.ts";
import { mergeSums, tree } from "./rows.ts";
import type { DenseLauncher } from "./work.ts";

const WARP = 32;
/** Blocks that keep a large GPU busy. */
const BLOCKS = 512;

/**
 * One warp per row. The difference of a logit to the largest is bounded, as f32 has none between its largest and its smallest value; e^-200 is zero.
 * The label's share of the gradient is p - 1 = -(sum of the others' p): the difference itself would keep few digits of a label that is all but certain.
 * A label that is no class makes the loss not a number.
 */
const crossEntropyKernel = kernels({
  name: "softmax_cross_entropy",
  variants: ELEMENTS.map((X) => ({ X })),
  parameters:
    "const X* __restrict__ logits, const int* __restrict__ labels, float* __restrict__ gradient, float* __restrict__ losses, float* __restrict__ hits, const long long rows, const int classes, const float weight",
  body: `  const long long row = thread() / ${WARP};
  const int lane = threadIdx.x % ${WARP};
  if (row >= rows) return;
  const X* const line = logits + row * classes;
  float* const slope = gradient + row * classes;
  float largest = 0.0f;
  int best = classes;
  for (int k = lane; k < classes; k += ${WARP}) {
    const float value = to_float(line[k]);
    if (value > largest || best == classes) { largest = value; best = k; }
  }
  for (int reach = ${WARP / 2}; reach > 0; reach /= 2) {
    const float value = __shfl_xor_sync(0xffffffffu, largest, reach);
    const int at = __shfl_xor_sync(0xffffffffu, best, reach);
    if (at < classes && (best == classes || value > largest || (value == largest && at < best))) { largest = value; best = at; }
  }
  const int label = labels[row];
  const bool valid = label >= 0 && label < classes;
  float others = 0.0f;
  for (int k = lane; k < classes; k += ${WARP}) {
    const float away = to_float(line[k]) - largest, e = expf(away < -200.0f ? -200.0f : away);
    slope[k] = e;
    if (k != label) others += e;
  }
  for (int reach = ${WARP / 2}; reach > 0; reach /= 2) others += __shfl_xor_sync(0xffffffffu, others, reach);
  const float away = valid ? to_float(line[label]) - largest : 0.0f;
  const float sum = others + (valid ? expf(away < -200.0f ? -200.0f : away) : 0.0f);
  for (int k = lane; k < classes; k += ${WARP}) slope[k] = (k == label ? 0.0f - others : slope[k]) / sum * weight;
  if (lane != 0) return;
  losses[row] = valid ? logf(sum) - away : __uint_as_float(0x7fc00000u);
  hits[row] = best == label ? 1.0f : 0.0f;`,
});

/** One block: the mean of the losses, and the sum of the hits. */
const meanLossKernel = kernels({
  name: "mean_loss",
  variants: [{}],
  parameters: "const float* __restrict__ losses, const float* __restrict__ hits, float* __restrict__ loss, float* __restrict__ correct, const long long rows, const float weight",
  functions: "struct Row { float loss, hit; };\n",
  body: `  constexpr int across = 1, down = ${THREADS};
  __shared__ float lost[${THREADS}], met[${THREADS}];
  const int t = threadIdx.x, lane = t;
  float some = 0.0f, few = 0.0f;
  inPieces(lane, rows, down, [&](long long row) { return Row{losses[row], hits[row]}; }, [&](const Row& row) {
    some += row.loss;
    few += row.hit;
  });
  lost[t] = some;
  met[t] = few;
${tree(`      lost[t] += lost[t + reach * across];
      met[t] += met[t + reach * across];`)}
  if (t != 0) return;
  loss[0] = weight * lost[0];
  correct[0] = met[0];`,
});

/** The gradient, and the sum of squared errors of each block. */
const squaredErrorKernel = kernels({
  name: "squared_error",
  variants: pairs.map(([X, Y]) => ({ X, Y, V: lanesOf(X, Y) })),
  parameters: "const X* __restrict__ x, const Y* __restrict__ target, float* __restrict__ gradient, float* __restrict__ partials, const long long size, const float weight",
  body: `  constexpr int across = 1, down = ${THREADS};
  __shared__ float sums[${THREADS}];
  const int t = threadIdx.x, lane = t;
  float sum = 0.0f;
  for (long long i = thread() * V; i < size; i += (long long)gridDim.x * ${THREADS} * V) {
    const Vector<float, V> goal = read<V>(target, i, size);
    Vector<float, V> error = read<V>(x, i, size);
    float part = 0.0f;
    for (int k = 0; k < V; ++k) {
      error.at[k] -= goal.at[k];
      part += error.at[k] * error.at[k];
      error.at[k] *= weight;
    }
    sum += part;
    write<V>(gradient, i, size, error);
  }
  sums[t] = sum;
${tree("      sums[t] += sums[t + reach * across];")}
  if (t == 0) partials[blockIdx.x] = sums[0];`,
});

export const lossKernels = [crossEntropyKernel, meanLossKernel, squaredErrorKernel];

/** Labels lie on the GPU: one that is no class is not refused, it makes the loss not a number. */
export function lossMath(launcher: DenseLauncher): Pick<DenseMath, "softmaxCrossEntropy" | "meanSquaredError"> {
  return {
    softmaxCrossEntropy: (logits, labels) => softmaxCrossEntropy(launcher, logits, labels),
    meanSquaredError: (x, target) => meanSquaredError(launcher, x, target),
  };
}

function softmaxCrossEntropy(launcher: DenseLauncher, logits: Tensor, labels: Tensor): { loss: Tensor; gradient: Tensor; correct: Tensor } {
  requireAxes("softmaxCrossEntropy", "logits", logits, 2);
  const [rows, classes] = logits.shape;
  requireShape("softmaxCrossEntropy", "labels", labels, [rows]);
  return launcher.run("softmaxCrossEntropy", "rest", (work) => {
    const { at, type } = work.activation(logits);
    const classOf = work.ptr(labels, "i32");
    const [gradient, loss, correct] = [work.output(logits.shape), work.output([1]), work.output([1])];
    const [losses, hits] = [work.scratch([rows]), work.scratch([rows])];
    work.launch(crossEntropyKernel({ X: type }), rows * WARP, [at, classOf, work.ptr(gradient), losses, hits, rows, classes, bitsOf(1 / rows)]);
    work.launchBlocks(meanLossKernel({}), 1, [losses, hits, work.ptr(loss), work.ptr(correct), rows, bitsOf(1 / rows)]);
    return { loss, gradient, correct };
  });
}

function meanSquaredError(launcher: DenseLauncher, x: Tensor, target: Tensor): { loss: Tensor; gradient: Tensor } {
  requireAxes("meanSquaredError", "x", x, 2);
  requireShape("meanSquaredError", "target", target, x.shape);
  return launcher.run("meanSquaredError", "rest", (work) => {
    const [input, goal] = [work.activation(x), work.activation(target)];
    const [gradient, loss] = [work.output(x.shape), work.output([1])];
    const V = lanesOf(input.type, goal.type);
    const blocks = Math.min(BLOCKS, Math.ceil(x.size / V / THREADS));
    const partials = work.scratch([blocks]);
    work.launchBlocks(squaredErrorKernel({ X: input.type, Y: goal.type, V }), blocks, [input.at, goal.at, work.ptr(gradient), partials, x.size, bitsOf(2 / x.size)]);
    mergeSums(work, partials, work.ptr(loss), blocks, 1, 1 / x.size);
    return { loss, gradient };
  });
}
