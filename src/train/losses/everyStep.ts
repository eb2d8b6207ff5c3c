import type { Tensor } from "../../device/device.ts";
import { defineLoss, type Loss, type LossValue } from "../loss.ts";
import { countCorrectAfter, sumOfSteps } from "./overTime.ts";
import { labelTarget, lengthsOfOutputs, rowsOf } from "./rows.ts";

/** Cross-entropy at each valid step: of a sample their mean. snnTorch's `ce_rate_loss`. */
export const crossEntropyOfSteps = (): Loss => defineLoss({
  name: "crossEntropy",
  options: { over: "steps" },
  over: "steps",
  targets(labels, classes, steps, lengths) {
    const rows = rowsOf(labels, steps, lengths);
    return [labelTarget(rows.labels), weightTarget(rows.weights), labelTarget(rows.ofSteps ? rows.labels : labels), lengthsOfOutputs(rows.batch, classes, steps, lengths)];
  },
  evaluate: (output, [rowLabels, weights, labels, lengths]) => asRows(output, (rows) => {
    const { correct, ...value } = rows.device.dense.softmaxCrossEntropy(rows, rowLabels, weights);
    return { ...value, correct: correctOf(output, correct, labels, lengths) };
  }),
});

/** Mean squared error at each valid step: of a sample their mean. snnTorch's `mse_membrane_loss`, of membranes. */
export const squaredErrorOfSteps = ({ correct, incorrect }: { correct: number; incorrect: number }): Loss => defineLoss({
  name: "meanSquaredError",
  options: { over: "steps", correct, incorrect },
  over: "steps",
  targets(labels, classes, steps, lengths) {
    const rows = rowsOf(labels, steps, lengths);
    const own = rows.ofSteps ? rows.labels : labels;
    const wanted = new Float32Array(own.length * classes).fill(incorrect);
    own.forEach((label, row) => label >= 0 && (wanted[row * classes + label] = correct));
    return [labelTarget(rows.labels), weightTarget(rows.weights), labelTarget(own), lengthsOfOutputs(rows.batch, classes, steps, lengths), { data: wanted, shape: [own.length, classes] }];
  },
  evaluate: (output, [rowLabels, weights, labels, lengths, wanted]) => asRows(output, (rows) => {
    const { dense } = rows.device;
    const value = wanted.size === rows.size ? dense.meanSquaredError(rows, wanted, weights) : atEachStep(wanted, output.shape[0], (all) => dense.meanSquaredError(rows, all, weights));
    return { ...value, correct: correctOf(output, shareCorrect(rows, rowLabels, weights), labels, lengths) };
  }),
});

const weightTarget = (weights: Float32Array) => ({ data: weights, shape: [weights.length] });

/** A loss of the rows [T·B, K] of an output. */
function asRows(output: Tensor, judge: (rows: Tensor) => LossValue): LossValue {
  using rows = output.reshape([output.shape[0] * output.shape[1], output.shape[2]]);
  const { gradient, ...value } = judge(rows);
  using flat = gradient;
  return { ...value, gradient: flat.reshape(output.shape) };
}

function atEachStep<T>(wanted: Tensor, steps: number, use: (all: Tensor) => T): T {
  using repeated = wanted.device.dense.repeatFirst(wanted, steps, 1);
  using all = repeated.reshape([steps * wanted.shape[0], wanted.shape[1]]);
  return use(all);
}

function shareCorrect(rows: Tensor, labels: Tensor, weights: Tensor): Tensor {
  const { loss, gradient, correct } = rows.device.dense.softmaxCrossEntropy(rows, labels, weights);
  for (const unused of [loss, gradient]) unused.dispose();
  return correct;
}

/** Samples whose largest sum over the valid steps is their label's; with labels of steps, B times the mean `share` that is right, which is taken over. */
function correctOf(output: Tensor, share: Tensor, labels: Tensor, lengths: Tensor): Tensor {
  const [steps, batch] = output.shape;
  if (labels.size === batch && steps > 1) {
    share.dispose();
    return countCorrectAfter(output, sumOfSteps(lengths), labels);
  }
  output.device.dense.scale(share, batch);
  return share;
}
