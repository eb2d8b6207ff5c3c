import type { DenseMath, Tensor } from "../../device.ts";
import { crossEntropyShape, squaredErrorShape } from "../../dense/shapes.ts";
import { bitsOf } from "../launch.ts";
import { ELEMENTS, kernels, lanesOf, pairs, THREADS } from "./kernel.ts";
import { mergeSums, tree } from "./rows.ts";
import type { DenseLauncher } from "./work.ts";

const WARP = 32;
/** Blocks that keep a large GPU busy. */
const BLOCKS = 512;
/** Whether rows have weights. */
const WEIGHTED = [0, 1];

/**
 * One warp per row. The difference of a logit to the largest is bounded, as f32 has none between its largest and its smallest value; e^-200 is zero.
 * The label's share of the gradient is p - 1 = -(sum of the others' p): the difference itself would keep few digits of a label that is all but certain.
 * A label that is no class makes the loss not a number. WEIGHTED: gradient, loss and hit are times the row's weight; where that is 0, nothing of the row counts.
 */
const crossEntropyKernel = kernels({
  name: "softmax_cross_entropy",
  variants: WEIGHTED.flatMap((weighted) => ELEMENTS.map((X) => ({ X, WEIGHTED: weighted }))),
  parameters:
    "const X* __restrict__ logits, const int* __restrict__ labels, const float* __restrict__ weights, float* __restrict__ gradient, float* __restrict__ losses, float* __restrict__ hits, const long long rows, const int classes, const float mean",
  body: `  const long long row = thread() / ${WARP};
  const int lane = threadIdx.x % ${WARP};
  if (row >= rows) return;
  const X* const line = logits + row * classes;
  float* const slope = gradient + row * classes;
  const float own = WEIGHTED ? weights[row] : 1.0f, weight = WEIGHTED ? own : mean;
  if (WEIGHTED && own == 0.0f) {
    for (int k = lane; k < classes; k += ${WARP}) slope[k] = 0.0f;
    if (lane == 0) losses[row] = hits[row] = 0.0f;
    return;
  }
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
  losses[row] = valid ? own * (logf(sum) - away) : __uint_as_float(0x7fc00000u);
  hits[row] = best == label ? own : 0.0f;`,
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

/** The gradient, and the sum of squared errors of each block; WEIGHTED: of errors times their row's weight. */
const squaredErrorKernel = kernels({
  name: "squared_error",
  variants: WEIGHTED.flatMap((weighted) => pairs.map(([X, Y]) => ({ X, Y, V: lanesOf(X, Y), WEIGHTED: weighted }))),
  parameters: "const X* __restrict__ x, const Y* __restrict__ target, const float* __restrict__ weights, float* __restrict__ gradient, float* __restrict__ partials, const long long size, const int columns, const float factor",
  body: `  constexpr int across = 1, down = ${THREADS};
  __shared__ float sums[${THREADS}];
  const int t = threadIdx.x, lane = t;
  float sum = 0.0f;
  for (long long i = thread() * V; i < size; i += (long long)gridDim.x * ${THREADS} * V) {
    const Vector<float, V> goal = read<V>(target, i, size);
    Vector<float, V> error = read<V>(x, i, size);
    float part = 0.0f;
    for (int k = 0; k < V; ++k) {
      const float own = !WEIGHTED ? 1.0f : i + k < size ? weights[quotient(i + k, columns)] : 0.0f;
      error.at[k] = WEIGHTED && own == 0.0f ? 0.0f : error.at[k] - goal.at[k];
      part += own * error.at[k] * error.at[k];
      error.at[k] *= own * factor;
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
    softmaxCrossEntropy: (logits, labels, weights) => softmaxCrossEntropy(launcher, logits, labels, weights),
    meanSquaredError: (x, target, weights) => meanSquaredError(launcher, x, target, weights),
  };
}

function softmaxCrossEntropy(launcher: DenseLauncher, logits: Tensor, labels: Tensor, weights: Tensor | undefined): { loss: Tensor; gradient: Tensor; correct: Tensor } {
  const { rows, classes } = crossEntropyShape(logits, labels, weights);
  return launcher.run("softmaxCrossEntropy", "rest", (work) => {
    const { at, type } = work.activation(logits);
    const [classOf, weightOf] = [work.ptr(labels, "i32"), weights ? work.ptr(weights) : 0];
    const [gradient, loss, correct] = [work.output(logits.shape), work.output([1]), work.output([1])];
    const [losses, hits] = [work.scratch([rows]), work.scratch([rows])];
    const mean = bitsOf(weights ? 1 : 1 / rows);
    work.launch(crossEntropyKernel({ X: type, WEIGHTED: weights ? 1 : 0 }), rows * WARP, [at, classOf, weightOf, work.ptr(gradient), losses, hits, rows, classes, mean]);
    work.launchBlocks(meanLossKernel({}), 1, [losses, hits, work.ptr(loss), work.ptr(correct), rows, mean]);
    return { loss, gradient, correct };
  });
}

function meanSquaredError(launcher: DenseLauncher, x: Tensor, target: Tensor, weights: Tensor | undefined): { loss: Tensor; gradient: Tensor } {
  const { columns } = squaredErrorShape(x, target, weights);
  return launcher.run("meanSquaredError", "rest", (work) => {
    const [input, goal] = [work.activation(x), work.activation(target)];
    const [gradient, loss] = [work.output(x.shape), work.output([1])];
    const V = lanesOf(input.type, goal.type);
    const blocks = Math.min(BLOCKS, Math.ceil(x.size / V / THREADS));
    const partials = work.scratch([blocks]);
    const terms = weights ? columns : x.size;
    work.launchBlocks(squaredErrorKernel({ X: input.type, Y: goal.type, V, WEIGHTED: weights ? 1 : 0 }), blocks, [
      input.at, goal.at, weights ? work.ptr(weights) : 0, work.ptr(gradient), partials, x.size, columns, bitsOf(2 / terms),
    ]);
    mergeSums(work, partials, work.ptr(loss), blocks, 1, 1 / terms);
    return { loss, gradient };
  });
}
