import { checkArgument, checkOptions, finite, instanceOf, integer, oneOf, type OptionKinds, show, withMethods } from "../check.ts";
import { type Device, type Tensor, tensorKind } from "../device/device.ts";
import { OptionError, ShapeError } from "../errors.ts";

/** A loss and what training needs of it. The tensors belong to the caller. */
export interface LossValue {
  /** [1], the mean over the batch. */
  loss: Tensor;
  /** Its gradient with respect to the model's output, [B, K]. */
  gradient: Tensor;
  /** `[1]`: samples whose largest output is their label's. */
  correct: Tensor;
}

export interface Loss {
  readonly name: string;
  readonly options: Readonly<Record<string, string | number>>;
  /**
   * `output` [B, K] per class, `labels` i32 [B], `steps` T.
   * @throws ShapeError for a label that is no class (of the built-in losses, on every device).
   */
  evaluate(output: Tensor, labels: Int32Array, steps: number): LossValue;
}

export const lossKind = withMethods("a loss: crossEntropy()", "evaluate");

export interface LossOptions {
  /** What the loss sees of firing rates: themselves, or spike counts T · rate. Read-outs that are no rates: "rate", as they are. Default "rate". */
  of?: "rate" | "count";
}

const labelsKind = instanceOf(Int32Array, "an Int32Array, one class a sample");
const lossKinds: OptionKinds<LossOptions> = { of: oneOf("rate", "count") };

/**
 * Cross-entropy of softmax(outputs) against the labels.
 * @throws OptionError for an unknown `of`.
 */
export function crossEntropy(options: LossOptions = {}): Loss {
  checkOptions("crossEntropy", options, lossKinds);
  const { of = "rate" } = options;
  return {
    name: "crossEntropy",
    options: { of },
    evaluate(output, labels, steps) {
      checkEvaluation("crossEntropy", output, labels, steps);
      return scaled(output, of === "count" ? steps : 1, (x) => {
        const targets = x.device.tensor(labels, [labels.length]);
        const value = x.device.dense.softmaxCrossEntropy(x, targets);
        targets.dispose();
        return value;
      });
    },
  };
}

export interface SquaredErrorOptions extends LossOptions {
  /** Firing rates wanted of the label's output and of the others. Defaults 1 and 0. */
  correct?: number;
  incorrect?: number;
}

const squaredErrorKinds: OptionKinds<SquaredErrorOptions> = { ...lossKinds, correct: finite, incorrect: finite };

/**
 * Mean squared error, over batch and classes, against the rates wanted; of counts, those are multiplied by T too.
 * @throws OptionError for an unknown `of`, or wanted rates that are not finite.
 */
export function meanSquaredError(options: SquaredErrorOptions = {}): Loss {
  checkOptions("meanSquaredError", options, squaredErrorKinds);
  const { of = "rate", correct = 1, incorrect = 0 } = options;
  return {
    name: "meanSquaredError",
    options: { of, correct, incorrect },
    evaluate(output, labels, steps) {
      checkEvaluation("meanSquaredError", output, labels, steps);
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

/** A GPU would look labels up where they are. */
function checkEvaluation(loss: string, output: Tensor, labels: Int32Array, steps: number): void {
  checkArgument(`${loss}.evaluate`, "output", output, tensorKind);
  checkArgument(`${loss}.evaluate`, "labels", labels, labelsKind);
  checkArgument(`${loss}.evaluate`, "steps", steps, integer(1));
  const { shape } = output;
  const [batch, classes] = shape;
  if (shape.length !== 2 || labels.length !== batch) throw new ShapeError(`${loss}: an output [${shape.join(", ")}] with ${labels.length} labels: expected [B, classes] and B labels`);
  const wrong = labels.findIndex((label) => label < 0 || label >= classes);
  if (wrong >= 0) throw new ShapeError(`${loss}: labels[${wrong}] is ${labels[wrong]}: the output [${shape.join(", ")}] is of classes 0 … ${classes - 1}`);
}

/**
 * The loss of a model's output.
 * @throws OptionError for a loss of one's own that returns something else than a LossValue.
 */
export function evaluateLoss(loss: Loss, output: Tensor, labels: Int32Array, steps: number): LossValue {
  const value: LossValue = loss.evaluate(output, labels, steps);
  for (const [name, size] of [["loss", 1], ["gradient", output.size], ["correct", 1]] as const) {
    if (value?.[name]?.size !== size) throw new OptionError(`loss ${loss.name}: evaluate returned ${name} ${show(value?.[name])}: expected a tensor of ${size === 1 ? "one value" : `the output's shape, [${output.shape.join(", ")}]`}`);
  }
  return value;
}
