import { SpikefoldError } from "../../errors.ts";
import { elements } from "../../nn/axes.ts";
import { conv1d, conv2d } from "../../nn/conv.ts";
import { flatten } from "../../nn/flatten.ts";
import type { Layer } from "../../nn/layer.ts";
import { linear } from "../../nn/linear.ts";
import { avgPool2d, sumPool2d } from "../../nn/pooling.ts";
import type { Shape } from "../../nn/variable.ts";
import { Fields } from "./fields.ts";
import type { NodeType } from "./graph.ts";
import { flattened, orderOf, type Signal, toKernel, toMatrix } from "./layout.ts";
import { isDynamic, neuronLayer, type Reading } from "./neuronLayer.ts";

/** What stands for a node: a layer, or nothing where a signal goes on as it is. */
export interface Part {
  readonly layer?: Layer;
  /** Of its output. */
  readonly signal: Signal;
  /** Values for the parameters of the layer, in their order, once it is built. */
  readonly values?: readonly Float32Array[];
}

/** The layer of a node that is no part of a cycle. @throws FileFormatError, naming the node */
export function partOf(fields: Fields, input: Signal, reading: Reading): Part {
  const { type } = fields.node;
  if (isDynamic(type) || type === "Threshold" || type === "Scale" || type === "Delay") return neuronLayer(fields, input, reading);
  try {
    return PARTS[type](fields, input, reading);
  } catch (error) {
    // Of a layer that was made with what the node says.
    throw error instanceof SpikefoldError && error.name !== "FileFormatError" ? fields.fail(`cannot be had: ${error.message}`, error) : error;
  }
}

type Stateless = Exclude<NodeType, "I" | "IF" | "LI" | "LIF" | "CubaLI" | "CubaLIF" | "Threshold" | "Scale" | "Delay">;

const PARTS: Readonly<Record<Stateless, (fields: Fields, input: Signal, reading: Reading) => Part>> = {
  Input: (fields) => ({ signal: { shape: axes(fields, fields.shape("shape")) } }),
  Output(fields, input, { rules }) {
    const shape = fields.shape("shape");
    if (elements(shape) !== elements(input.shape)) fields.fail(`has the shape [${shape.join(", ")}], and gets [${input.shape.join(", ")}]`);
    if (shape.join() !== input.shape.join()) rules.push(`${fields.node.name} (Output): says [${shape.join(", ")}], gets [${input.shape.join(", ")}], which it is taken as`);
    return { signal: input };
  },
  Affine: dense,
  Linear: dense,
  Conv1d: (fields, input) => convolution(fields, input, 1),
  Conv2d: (fields, input) => convolution(fields, input, 2),
  SumPool2d: (fields, input) => pooling(fields, input),
  AvgPool2d: (fields, input) => pooling(fields, input),
  Flatten(fields, input, { rules, consumers }) {
    const { name } = fields.node;
    const { length } = input.shape;
    const [start, end] = (["start_dim", "end_dim"] as const).map((field) => fields.integer(field, -length)).map((axis) => (axis < 0 ? axis + length : axis));
    if (start >= end) return { signal: input };
    const whole = elements(input.shape);
    if (start === 1 && end === length - 1 && consumers(name).every(({ node }) => node.type === "Affine" || node.type === "Linear") && consumers(name).every((next) => next.array("weight").shape.at(-1) === whole)) {
      rules.push(`${name} (Flatten): start_dim 1 counts the batch as an axis, as the sizes of what follows tell`);
    } else if (start > 0 || end !== length - 1) {
      fields.fail(`flattens the axes ${start} … ${end} of [${input.shape.join(", ")}]: here all axes are flattened, or none`);
    }
    return { layer: flatten(), signal: flattened(input) };
  },
};

function axes(fields: Fields, shape: Shape): Shape {
  return shape.length <= 3 ? shape : fields.fail(`has the shape [${shape.join(", ")}]: expected [N], [C, L] or [C, H, W]`);
}

/** @throws FileFormatError unless the signal has as many axes */
function expectAxes(fields: Fields, { shape }: Signal, expected: readonly string[]): void {
  if (shape.length !== expected.length) fields.fail(`gets [${shape.join(", ")}]: expected [${expected.join(", ")}]`);
}

function dense(fields: Fields, input: Signal): Part {
  expectAxes(fields, input, ["N"]);
  const { shape: [outputs, inputs], data } = fields.weights("weight", 2);
  if (inputs !== input.shape[0]) fields.fail(`has a weight of shape [${outputs}, ${inputs}], and gets [${input.shape.join(", ")}]`);
  const bias = fields.bias(outputs);
  const signal = { shape: [outputs] };
  return { layer: linear(inputs, outputs, { bias: bias !== undefined }), signal, values: [toMatrix(data, orderOf(input), orderOf(signal)), ...(bias ? [bias] : [])] };
}

function convolution(fields: Fields, input: Signal, rank: 1 | 2): Part {
  expectAxes(fields, input, rank === 1 ? ["C", "L"] : ["C", "H", "W"]);
  const { shape, data } = fields.weights("weight", rank + 2);
  const [outputs, perGroup, ...kernel] = shape;
  const groups = fields.integer("groups", 1);
  const [channels, ...extents] = input.shape;
  if (perGroup * groups !== channels) fields.fail(`has a weight of shape [${shape.join(", ")}] in ${groups} groups, and gets [${input.shape.join(", ")}]`);
  if (fields.has("input_shape") && fields.integers("input_shape", 1).join() !== extents.join()) fields.fail(`has the input_shape [${fields.integers("input_shape", 1).join(", ")}], and gets [${input.shape.join(", ")}]`);
  const [stride, dilation] = ["stride", "dilation"].map((field) => fields.lengths(field, rank, 1));
  const padding = paddingOf(fields, kernel, stride, dilation);
  const bias = fields.bias(outputs);
  const options = { groups, bias: bias !== undefined };
  const layer = rank === 1
    ? conv1d(channels, outputs, { kernel: kernel[0], stride: stride[0], padding: padding[0], dilation: dilation[0], ...options })
    : conv2d(channels, outputs, { kernel: pair(kernel), stride: pair(stride), padding: pair(padding), dilation: pair(dilation), ...options });
  const lengths = windowed(fields, input.shape, { kernel: kernel.map((length, i) => dilation[i] * (length - 1) + 1), stride, padding });
  return { layer, signal: { shape: [outputs, ...lengths] }, values: [toKernel(data, shape), ...(bias ? [bias] : [])] };
}

const pair = ([height, width]: readonly number[]): [number, number] => [height, width];

/** Zeros on each side; "same" is as many as keep the shape. */
function paddingOf(fields: Fields, kernel: Shape, stride: Shape, dilation: Shape): number[] {
  const named = fields.text("padding");
  if (named === undefined) return fields.lengths("padding", kernel.length, 0);
  if (named === "valid") return kernel.map(() => 0);
  if (named !== "same") return fields.fail(`has the padding ${JSON.stringify(named)}: expected numbers, "same" or "valid"`);
  if (stride.some((length) => length > 1)) fields.fail('has the padding "same" and a stride: expected a stride of 1');
  const totals = kernel.map((length, i) => dilation[i] * (length - 1));
  if (totals.some((total) => total % 2 === 1)) fields.fail(`has the padding "same" of a kernel ${kernel.join("×")}, which is one more on one side than on the other: here it is the same on both`);
  return totals.map((total) => total / 2);
}

function pooling(fields: Fields, input: Signal): Part {
  expectAxes(fields, input, ["C", "H", "W"]);
  const [kernel, stride] = ["kernel_size", "stride"].map((field) => fields.lengths(field, 2, 1));
  const padding = fields.lengths("padding", 2, 0);
  const make = fields.node.type === "SumPool2d" ? sumPool2d : avgPool2d;
  return { layer: make(pair(kernel), { stride: pair(stride), padding: pair(padding) }), signal: { shape: [input.shape[0], ...windowed(fields, input.shape, { kernel, stride, padding })] } };
}

/** Lengths after a window has moved over a signal. */
function windowed(fields: Fields, [channels, ...extents]: Shape, { kernel, stride, padding }: Record<"kernel" | "stride" | "padding", Shape>): number[] {
  const lengths = extents.map((length, i) => Math.floor((length + 2 * padding[i] - kernel[i]) / stride[i]) + 1);
  return lengths.every((length) => length >= 1) ? lengths : fields.fail(`has a window of ${kernel.join("×")}, and gets [${[channels, ...extents].join(", ")}] with padding ${padding.join("×")}`);
}
