import { checkArgument, checkOptions, flag, integer, required, show } from "../check.ts";
import { OptionError } from "../errors.ts";
import type { Window2d } from "../device/device.ts";
import { elements, merged, perSample, reshaped } from "./axes.ts";
import { type Init, initialParameters, initKind } from "./init.ts";
import { type BuildContext, Layer, type LayerOption, type Parameter } from "./layer.ts";
import { accumulate } from "./parameter.ts";
import { cast } from "./precision.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";
import { outputSize, type Size2d, sizeKind, window2d, type WindowOptions } from "./window.ts";

export interface Conv2dOptions extends WindowOptions {
  /** Height and width of the kernel: a length for both, or [height, width]. */
  kernel: Size2d;
  /** Whether a bias is learnt and added. Default: true. */
  bias?: boolean;
  /** How weights start. Default: "uniform". */
  init?: Init;
}

/**
 * Convolution (cross-correlation) [..., H, W, inputs] → [..., H', W', outputs], H' = ⌊(H + 2·padding − kernel)/stride⌋ + 1. Weights
 * [kh, kw, inputs, outputs] and biases start uniform in ±1/√(kh·kw·inputs), as PyTorch's do, unless `init` says otherwise. Default: stride 1, no padding.
 * @throws OptionError for sizes out of range, and for options that there are not.
 */
export const conv2d = (inputs: number, outputs: number, options: Conv2dOptions): Layer => new Conv2d(inputs, outputs, options);

class Conv2d extends Layer {
  readonly kind = "conv2d";
  readonly #inputs: number;
  readonly #outputs: number;
  readonly #window: Window2d;
  readonly #hasBias: boolean;
  readonly #init: Init | undefined;
  readonly #parameters: Parameter[] = [];

  constructor(inputs: number, outputs: number, options: Conv2dOptions) {
    super();
    checkArgument("conv2d", "inputs", inputs, integer(1));
    checkArgument("conv2d", "outputs", outputs, integer(1));
    if (sizeKind(1).accepts(options)) throw new OptionError(`conv2d takes its kernel as an option: conv2d(${inputs}, ${outputs}, { kernel: ${show(options)} })`);
    checkOptions<Conv2dOptions>("conv2d", options, { kernel: required(sizeKind(1)), stride: sizeKind(1), padding: sizeKind(0), bias: flag, init: initKind });
    const { kernel, stride = 1, padding = 0, bias = true, init } = options;
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#window = window2d(`conv2d(${inputs}, ${outputs})`, kernel, stride, padding);
    this.#hasBias = bias;
    this.#init = init;
  }

  override get description(): string {
    const { size, stride, padding } = this.#window;
    const extra = [stride.some((n) => n > 1) ? `, stride ${stride.join("×")}` : "", padding.some((n) => n > 0) ? `, padding ${padding.join("×")}` : ""];
    return `conv2d(${this.#inputs}, ${this.#outputs}, ${size.join("×")}${extra.join("")})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { ...this.#window, bias: this.#hasBias };
  }

  override get macs(): number {
    return elements(this.outputShape) * elements(this.#window.size) * this.#inputs;
  }

  override parameters(): Parameter[] {
    return this.#parameters;
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    this.expectShape(shape, ["height", "width", this.#inputs]);
    const { size } = this.#window;
    const output = [...outputSize(this.name, shape, this.#window), this.#outputs];
    this.#parameters.push(...initialParameters(context, [...size, this.#inputs, this.#outputs], this.#hasBias, this.#init));
    return output;
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const dense = this.dense(tape);
    const input = cast(tape, x, this.activationType);
    const [weight, bias] = this.#parameters;
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value: perSample(input.value, 3, (images) => dense.conv2d(images, weight.value, bias?.value, this.#window)), shape: this.outputShape, time: x.time }],
      learns: true,
      backward: ([dy]) => {
        const [images, dyImages] = [merged(input.value, 3), merged(dy!, 3)];
        const { dx, dw, db } = dense.conv2dBackward(images, weight.value, dyImages, this.#window, { input: input.requiresGradient, bias: this.#hasBias });
        for (const view of [images, dyImages]) view.dispose();
        accumulate(weight, dw);
        if (db) accumulate(bias, db);
        return [dx && reshaped(dx, input.value.shape)];
      },
    });
    return y;
  }
}
