import { checkArgument, checkOptions, func, instanceOf, integer, kind, object, oneOf, optional, type OptionKinds, required, show, text, withMethods } from "../check.ts";
import { type Tensor, tensorKind, type TypedArray } from "../device/device.ts";
import { OptionError, ShapeError } from "../errors.ts";

/** A loss and what training needs of it. The tensors belong to the caller. */
export interface LossValue {
  /** [1], the mean over the batch. */
  loss: Tensor;
  /** Its gradient with respect to the model's output, of its shape. */
  gradient: Tensor;
  /** `[1]`: samples whose largest output is their label's; where steps have labels, the sum over samples of the share of their steps that are right. */
  correct: Tensor;
}

export interface Loss {
  readonly name: string;
  readonly options: Readonly<Record<string, string | number>>;
  /** What it judges: an output for each sample, [B, K], or one for each step too, [T, B, K], of a model that keeps time. Default "samples". */
  readonly over?: "samples" | "steps";
  /**
   * `output` [B, K] or [T, B, K], `steps` T. `labels` i32 [B]; with labels of steps [T·B], time-major, −1 where there is none. `lengths`, `[B]`: how many steps of each sample are valid; without them, all are.
   * @throws ShapeError for a label that is no class (of the built-in losses, on every device).
   */
  evaluate(output: Tensor, labels: Int32Array, steps: number, lengths?: Int32Array): LossValue;
}

export const lossKind = withMethods("a loss: crossEntropy()", "evaluate");

/** A loss in two parts: what the host makes of the labels, and what the device makes of that. */
export interface LossDefinition {
  name: string;
  /** Default: none. */
  options?: Loss["options"];
  /** Default "samples". */
  over?: Loss["over"];
  /** What `evaluate` reads of the labels, of classes 0 … `classes` − 1; arguments as a loss's `evaluate` has them. As many for all batches. */
  targets(labels: Int32Array, classes: number, steps: number, lengths?: Int32Array): readonly Target[];
  /** As a loss's `evaluate`, with the targets on the device. It does the same for all batches of a size, and uploads and reads nothing: so it may be recorded. */
  evaluate(output: Tensor, targets: readonly Tensor[], steps: number): LossValue;
}

/** Values that a loss wants on the device. */
export interface Target {
  data: TypedArray;
  shape: readonly number[];
}

const namedValues = kind("an object of numbers and texts", (x) => object.accepts(x) && Object.values(x as object).every((value) => typeof value === "number" || typeof value === "string"));
const definitionKinds: OptionKinds<LossDefinition> = { name: required(text), options: namedValues, over: oneOf("samples", "steps"), targets: required(func), evaluate: required(func) };
const labelsKind = instanceOf(Int32Array, "an Int32Array, one class a sample");
const lengthsKind = optional(instanceOf(Int32Array, "an Int32Array, the number of valid steps of each sample"));

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
  const { name, options = {}, over = "samples" } = definition;
  const parts: Pick<LossDefinition, "targets" | "evaluate"> = {
    targets(labels, classes, steps, lengths) {
      const ofSteps = over === "steps" && lengths !== undefined && labels.length !== lengths.length;
      const wrong = labels.findIndex((label) => label < (ofSteps ? -1 : 0) || label >= classes);
      if (wrong >= 0) throw new ShapeError(`${name}: labels[${wrong}] is ${labels[wrong]}: the output ${over === "steps" ? "" : `[${labels.length}, ${classes}] `}is of classes 0 … ${classes - 1}`);
      return definition.targets(labels, classes, steps, lengths);
    },
    evaluate: (output, targets, steps) => definition.evaluate(output, targets, steps),
  };
  const evaluate: Loss["evaluate"] = (output, labels, steps, lengths) => {
    checkEvaluation(name, over, output, labels, steps, lengths);
    const { device, shape } = output;
    // Labels of steps need lengths, to be told from those of samples.
    const known = lengths ?? (over === "steps" && labels.length !== shape[1] ? new Int32Array(shape[1]).fill(steps) : undefined);
    const targets = parts.targets(labels, shape[shape.length - 1], steps, known).map(({ data, shape }) => device.tensor(data, shape));
    try {
      return parts.evaluate(output, targets, steps);
    } finally {
      for (const tensor of targets) tensor.dispose();
    }
  };
  definitions.set(evaluate, parts);
  return { name, options, over, evaluate };
}

function checkEvaluation(loss: string, over: Loss["over"], output: Tensor, labels: Int32Array, steps: number, lengths: Int32Array | undefined): void {
  checkArgument(`${loss}.evaluate`, "output", output, tensorKind);
  checkArgument(`${loss}.evaluate`, "labels", labels, labelsKind);
  checkArgument(`${loss}.evaluate`, "steps", steps, integer(1));
  checkArgument(`${loss}.evaluate`, "lengths", lengths, lengthsKind);
  const { shape } = output;
  const given = `${loss}: an output [${shape.join(", ")}] with ${labels.length} labels${lengths ? ` and ${lengths.length} lengths` : ""}`;
  if (over === "steps") {
    const [, batch] = shape;
    if (shape.length !== 3 || shape[0] !== steps || ![batch, steps * batch].includes(labels.length)) throw new ShapeError(`${given}: expected [T = ${steps}, B, classes] and B labels, or T·B`);
  } else if (shape.length !== 2 || labels.length !== shape[0]) throw new ShapeError(`${given}: expected [B, classes] and B labels`);
  if (lengths && (lengths.length !== shape[shape.length - 2] || lengths.some((length) => length < 1 || length > steps))) throw new ShapeError(`${given}: expected B lengths of 1 … ${steps} steps`);
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
