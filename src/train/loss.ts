import type { Device, Tensor } from "../device/device.ts";
import { OptionError } from "../errors.ts";

/** A loss and what training needs of it. The tensors belong to the caller. */
export interface LossValue {
  /** [1], the mean over the batch. */
  loss: Tensor;
  /** Its gradient with respect to the model's output, [B, K]. */
  gradient: Tensor;
  /** [1]: samples whose largest output is their label's. */
  correct: Tensor;
}

export interface Loss {
  readonly name: string;
  readonly options: Readonly<Record<string, string | number>>;
  /** `output` [B, K] per class, `labels` i32 [B], `steps` T. */
  evaluate(output: Tensor, labels: Int32Array, steps: number): LossValue;
}

export interface LossOptions {
  /** What the loss sees of firing rates: themselves, or spike counts T · rate. Read-outs that are no rates: "rate", as they are. Default "rate". */
  of?: "rate" | "count";
}

/**
 * Cross-entropy of softmax(outputs) against the labels.
 * @throws OptionError for an unknown `of`.
 */
export function crossEntropy({ of = "rate" }: LossOptions = {}): Loss {
  checkOf(of);
  return {
    name: "crossEntropy",
    options: { of },
    evaluate: (output, labels, steps) =>
      scaled(output, of === "count" ? steps : 1, (x) => {
        const targets = x.device.tensor(labels, [labels.length]);
        const value = x.device.dense.softmaxCrossEntropy(x, targets);
        targets.dispose();
        return value;
      }),
  };
}

export interface SquaredErrorOptions extends LossOptions {
  /** Firing rates wanted of the label's output and of the others. Defaults 1 and 0. */
  correct?: number;
  incorrect?: number;
}

/**
 * Mean squared error, over batch and classes, against the rates wanted; of counts, those are multiplied by T too.
 * @throws OptionError for an unknown `of`, or wanted rates that are not finite.
 */
export function meanSquaredError({ of = "rate", correct = 1, incorrect = 0 }: SquaredErrorOptions = {}): Loss {
  checkOf(of);
  if (![correct, incorrect].every(Number.isFinite)) {
    throw new OptionError(`meanSquaredError wants rates ${correct} (correct) and ${incorrect} (incorrect): expected finite numbers`);
  }
  return {
    name: "meanSquaredError",
    options: { of, correct, incorrect },
    evaluate(output, labels, steps) {
      const factor = of === "count" ? steps : 1;
      return scaled(output, factor, (x) => {
        const { device, shape: [batch, classes] } = x;
        const wanted = new Float32Array(batch * classes).fill(incorrect * factor);
        labels.forEach((label, row) => (wanted[row * classes + label] = correct * factor));
        const target = device.tensor(wanted, [batch, classes]);
        const value = device.dense.meanSquaredError(x, target);
        target.dispose();
        return { ...value, correct: countCorrect(device, x, labels) };
      });
    },
  };
}

function countCorrect(device: Device, outputs: Tensor, labels: Int32Array): Tensor {
  const targets = device.tensor(labels, [labels.length]);
  const { loss, gradient, correct } = device.dense.softmaxCrossEntropy(outputs, targets);
  for (const unused of [targets, loss, gradient]) unused.dispose();
  return correct;
}

/** The loss of factor · output, with the gradient with respect to `output`. */
function scaled(output: Tensor, factor: number, evaluate: (x: Tensor) => LossValue): LossValue {
  if (factor === 1) return evaluate(output);
  const { dense } = output.device;
  const x = dense.repeatFirst(output, 1, factor);
  const matrix = x.reshape(output.shape);
  const value = evaluate(matrix);
  matrix.dispose();
  x.dispose();
  dense.scale(value.gradient, factor);
  return value;
}

function checkOf(of: string): void {
  if (of !== "rate" && of !== "count") throw new OptionError(`of is ${JSON.stringify(of)}: expected "rate" or "count"`);
}
