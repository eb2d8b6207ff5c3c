import { checkArgument, checkOptions, finite, func, instanceOf, integer, kind, object, oneOf, type OptionKinds, required, show, text, withMethods } from "../check.ts";
import { type Tensor, tensorKind, type TypedArray } from "../device/device.ts";
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

/** A loss in two parts: what the host makes of the labels, and what the device makes of that. */
export interface LossDefinition {
  name: string;
  /** Default: none. */
  options?: Loss["options"];
  /** What `evaluate` reads of the labels: `labels` [B] of classes 0 … `classes` − 1, `steps` T. */
  targets(labels: Int32Array, classes: number, steps: number): readonly Target[];
  /** As a loss's `evaluate`, with the targets on the device. It does the same for all batches of a size, and uploads and reads nothing: so it may be recorded. */
  evaluate(output: Tensor, targets: readonly Tensor[], steps: number): LossValue;
}

/** Values that a loss wants on the device. */
export interface Target {
  data: TypedArray;
  shape: readonly number[];
}

export interface LossOptions {
  /** What the loss sees of firing rates: themselves, or spike counts T · rate. Read-outs that are no rates: "rate", as they are. Default "rate". */
  of?: "rate" | "count";
}

const namedValues = kind("an object of numbers and texts", (x) => object.accepts(x) && Object.values(x as object).every((value) => typeof value === "number" || typeof value === "string"));
const definitionKinds: OptionKinds<LossDefinition> = { name: required(text), options: namedValues, targets: required(func), evaluate: required(func) };
const labelsKind = instanceOf(Int32Array, "an Int32Array, one class a sample");
const lossKinds: OptionKinds<LossOptions> = { of: oneOf("rate", "count") };

/**
 * Cross-entropy of softmax(outputs) against the labels.
 * @throws OptionError for an unknown `of`.
 */
export function crossEntropy(options: LossOptions = {}): Loss {
  checkOptions("crossEntropy", options, lossKinds);
  const { of = "rate" } = options;
  return defineLoss({
    name: "crossEntropy",
    options: { of },
    targets: (labels) => [labelsOf(labels)],
    evaluate: (output, [labels], steps) => scaled(output, of === "count" ? steps : 1, (x) => x.device.dense.softmaxCrossEntropy(x, labels)),
  });
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
  const factorAt = (steps: number): number => (of === "count" ? steps : 1);
  return defineLoss({
    name: "meanSquaredError",
    options: { of, correct, incorrect },
    targets(labels, classes, steps) {
      const factor = factorAt(steps);
      const wanted = new Float32Array(labels.length * classes).fill(incorrect * factor);
      labels.forEach((label, row) => (wanted[row * classes + label] = correct * factor));
      return [labelsOf(labels), { data: wanted, shape: [labels.length, classes] }];
    },
    evaluate: (output, [labels, wanted], steps) => scaled(output, factorAt(steps), (x) => ({ ...x.device.dense.meanSquaredError(x, wanted), correct: countCorrect(x, labels) })),
  });
}

/** Of the losses that were defined in two parts, by their `evaluate`: a loss that has another one is another loss. */
const definitions = new WeakMap<Loss["evaluate"], Pick<LossDefinition, "targets" | "evaluate">>();

/** The two parts of a loss that was defined so. */
export const partsOf = ({ evaluate }: Loss): Pick<LossDefinition, "targets" | "evaluate"> | undefined => definitions.get(evaluate);

/**
 * A loss of your own that training can record on devices which launch recorded work; a plain `Loss` works everywhere too, but its updates run call by call there.
 * @throws OptionError for a definition that lacks something.
 */
export function defineLoss(definition: LossDefinition): Loss {
  checkOptions("defineLoss", definition, definitionKinds);
  const { name, options = {} } = definition;
  const parts: Pick<LossDefinition, "targets" | "evaluate"> = {
    targets(labels, classes, steps) {
      const wrong = labels.findIndex((label) => label < 0 || label >= classes);
      if (wrong >= 0) throw new ShapeError(`${name}: labels[${wrong}] is ${labels[wrong]}: the output [${labels.length}, ${classes}] is of classes 0 … ${classes - 1}`);
      return definition.targets(labels, classes, steps);
    },
    evaluate: (output, targets, steps) => definition.evaluate(output, targets, steps),
  };
  const evaluate: Loss["evaluate"] = (output, labels, steps) => {
    checkEvaluation(name, output, labels, steps);
    const { device, shape: [, classes] } = output;
    const targets = parts.targets(labels, classes, steps).map(({ data, shape }) => device.tensor(data, shape));
    try {
      return parts.evaluate(output, targets, steps);
    } finally {
      for (const tensor of targets) tensor.dispose();
    }
  };
  definitions.set(evaluate, parts);
  return { name, options, evaluate };
}

const labelsOf = (labels: Int32Array): Target => ({ data: labels, shape: [labels.length] });

function countCorrect(outputs: Tensor, labels: Tensor): Tensor {
  const { loss, gradient, correct } = outputs.device.dense.softmaxCrossEntropy(outputs, labels);
  for (const unused of [loss, gradient]) unused.dispose();
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

function checkEvaluation(loss: string, output: Tensor, labels: Int32Array, steps: number): void {
  checkArgument(`${loss}.evaluate`, "output", output, tensorKind);
  checkArgument(`${loss}.evaluate`, "labels", labels, labelsKind);
  checkArgument(`${loss}.evaluate`, "steps", steps, integer(1));
  const { shape } = output;
  const [batch] = shape;
  if (shape.length !== 2 || labels.length !== batch) throw new ShapeError(`${loss}: an output [${shape.join(", ")}] with ${labels.length} labels: expected [B, classes] and B labels`);
}

/**
 * What a loss said of a model's output.
 * @throws OptionError for a loss of one's own that returned something else than a LossValue.
 */
export function checkedLoss({ name: loss }: Loss, output: Tensor, value: LossValue): LossValue {
  for (const [name, size] of [["loss", 1], ["gradient", output.size], ["correct", 1]] as const) {
    if (value?.[name]?.size !== size) throw new OptionError(`loss ${loss}: evaluate returned ${name} ${show(value?.[name])}: expected a tensor of ${size === 1 ? "one value" : `the output's shape, [${output.shape.join(", ")}]`}`);
  }
  return value;
}
