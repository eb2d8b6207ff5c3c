import { checkArgument, checkOptions, flag, integer, type Kind, required, show } from "../check.ts";
import { OptionError } from "../errors.ts";
import type { Window2d } from "../device/device.ts";
import { elements, imagesOf, perImage, reshaped } from "./axes.ts";
import { type Init, initialParameters, initKind } from "./init.ts";
import { type BuildContext, Layer, type LayerOption, type Parameter } from "./layer.ts";
import { accumulate } from "./parameter.ts";
import { cast } from "./precision.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";
import { outputSize, type Size2d, sizeKind, type Window1dOptions, window1d, window2d, type WindowOptions } from "./window.ts";

interface ConvOptions {
  /** Runs of channels: each run of outputs sees the run of inputs in its place alone. Divides inputs and outputs. `groups: inputs` is a depthwise convolution. Default: 1. */
  groups?: number;
  /** Whether a bias is learnt and added. Default: true. */
  bias?: boolean;
  /** How weights start. Default: "uniform". */
  init?: Init;
}

export interface Conv2dOptions extends WindowOptions, ConvOptions {
  /** Height and width of the kernel: a length for both, or [height, width]. */
  kernel: Size2d;
  /** Distance of the pixels that the kernel sees. Default: 1, they adjoin. */
  dilation?: Size2d;
}

export interface Conv1dOptions extends Window1dOptions, ConvOptions {
  /** Length of the kernel. */
  kernel: number;
  /** Distance of the values that the kernel sees. Default: 1, they adjoin. */
  dilation?: number;
}

/**
 * Convolution (cross-correlation) [..., H, W, inputs] → [..., H', W', outputs], H' = ⌊(H + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1. Weights
 * [kh, kw, inputs/groups, outputs] and biases start uniform in ±1/√(kh·kw·inputs/groups), as PyTorch's do, unless `init` says otherwise. Default: stride 1, no padding.
 * @throws OptionError for sizes out of range, groups that do not divide the channels, and for options that there are not.
 */
export const conv2d = (inputs: number, outputs: number, options: Conv2dOptions): Layer => {
  checkConv("conv2d", inputs, outputs, options, sizeKind(1), sizeKind(0));
  const { kernel, stride = 1, padding = 0, dilation } = options;
  return new Conv("conv2d", inputs, outputs, window2d(`conv2d(${inputs}, ${outputs})`, kernel, stride, padding, dilation), options);
};

/**
 * Convolution (cross-correlation) of sequences within a time step, [..., L, inputs] → [..., L', outputs], L' = ⌊(L + 2·padding − dilation·(kernel − 1) − 1)/stride⌋ + 1.
 * Weights [kernel, inputs/groups, outputs] and biases start as those of `conv2d`.
 * @throws OptionError for sizes out of range, groups that do not divide the channels, and for options that there are not.
 */
export const conv1d = (inputs: number, outputs: number, options: Conv1dOptions): Layer => {
  checkConv("conv1d", inputs, outputs, options, integer(1), integer(0));
  const { kernel, stride = 1, padding = 0, dilation } = options;
  return new Conv("conv1d", inputs, outputs, window1d(`conv1d(${inputs}, ${outputs})`, kernel, stride, padding, dilation), options);
};

function checkConv(kind: string, inputs: number, outputs: number, options: Conv1dOptions | Conv2dOptions, size: Kind, padding: Kind): void {
  checkArgument(kind, "inputs", inputs, integer(1));
  checkArgument(kind, "outputs", outputs, integer(1));
  if (size.accepts(options)) throw new OptionError(`${kind} takes its kernel as an option: ${kind}(${inputs}, ${outputs}, { kernel: ${show(options)} })`);
  checkOptions<Conv1dOptions | Conv2dOptions>(kind, options, { kernel: required(size), stride: size, padding, dilation: size, groups: integer(1), bias: flag, init: initKind });
  const { groups = 1 } = options;
  if (inputs % groups !== 0 || outputs % groups !== 0) throw new OptionError(`${kind}(${inputs}, ${outputs}): groups: ${groups} must divide both`);
}

/** The window over images; a sequence is an image of height 1. */
class Conv extends Layer {
  readonly kind: "conv1d" | "conv2d";
  readonly #inputs: number;
  readonly #outputs: number;
  readonly #window: Window2d;
  readonly #groups: number;
  readonly #hasBias: boolean;
  readonly #init: Init | undefined;
  readonly #parameters: Parameter[] = [];

  constructor(kind: "conv1d" | "conv2d", inputs: number, outputs: number, window: Window2d, { groups = 1, bias = true, init }: ConvOptions) {
    super();
    this.kind = kind;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#window = window;
    this.#groups = groups;
    this.#hasBias = bias;
    this.#init = init;
  }

  /** Axes of a sample: [H, W, C] or [L, C]. */
  get #rank(): 2 | 3 {
    return this.kind === "conv2d" ? 3 : 2;
  }

  override get description(): string {
    const lengths = (pair: readonly number[]): string => pair.slice(1 - this.#rank).join("×");
    const { size, stride, padding, dilation = [1, 1] } = this.#window;
    const extra = [
      stride.some((n) => n > 1) ? `, stride ${lengths(stride)}` : "", padding.some((n) => n > 0) ? `, padding ${lengths(padding)}` : "",
      dilation.some((n) => n > 1) ? `, dilation ${lengths(dilation)}` : "", this.#groups > 1 ? `, groups ${this.#groups}` : "",
    ];
    return `${this.kind}(${this.#inputs}, ${this.#outputs}, ${lengths(size)}${extra.join("")})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { ...this.#window, ...(this.#groups > 1 ? { groups: this.#groups } : {}), bias: this.#hasBias };
  }

  override get macs(): number {
    return (elements(this.outputShape) * elements(this.#window.size) * this.#inputs) / this.#groups;
  }

  override parameters(): Parameter[] {
    return this.#parameters;
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    this.expectShape(shape, this.#rank === 3 ? ["height", "width", this.#inputs] : ["length", this.#inputs]);
    const output = [...outputSize(this.name, shape, this.#window), this.#outputs];
    const size = this.#window.size.slice(1 - this.#rank);
    this.#parameters.push(...initialParameters(context, [...size, this.#inputs / this.#groups, this.#outputs], this.#hasBias, this.#init));
    return output;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const dense = this.dense(tape);
    const input = cast(tape, x, this.activationType);
    const [weight, bias] = this.#parameters;
    const rank = this.#rank;
    const kernel = () => weight.value.reshape([...this.#window.size, this.#inputs / this.#groups, this.#outputs]);
    using forward = kernel();
    const value = perImage(input.value, rank, (images) => dense.conv2d(images, forward, bias?.value, this.#window));
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value, shape: this.outputShape, time: x.time }],
      learns: this.#parameters,
      backward: ([dy]) => {
        using w = kernel();
        using images = imagesOf(input.value, rank);
        using dyImages = imagesOf(dy!, rank);
        const { dx, dw, db } = dense.conv2dBackward(images, w, dyImages, this.#window, { input: input.requiresGradient, bias: this.#hasBias });
        accumulate(weight, reshaped(dw, weight.value.shape));
        if (db) accumulate(bias, db);
        return [dx && reshaped(dx, input.value.shape)];
      },
    });
    return y;
  }
}
