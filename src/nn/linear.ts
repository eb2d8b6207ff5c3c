import { checkArgument, checkOptions, flag, integer } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { merged, perSample, reshaped } from "./axes.ts";
import { type Init, initialParameters, initKind } from "./init.ts";
import { type BuildContext, Layer, type LayerOption, type Parameter } from "./layer.ts";
import { accumulate } from "./parameter.ts";
import { cast } from "./precision.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface LinearOptions {
  /** Whether a bias is learnt and added. Default: true. */
  bias?: boolean;
  /** How weights start. Default: "uniform". */
  init?: Init;
}

/**
 * y = x·W + b: [..., inputs] → [..., outputs], W [inputs, outputs]. Weights and biases start uniform in ±1/√inputs, as PyTorch's do, unless `init` says otherwise.
 * @throws OptionError for sizes that are not positive integers, and for options that there are not.
 */
export const linear = (inputs: number, outputs: number, options: LinearOptions = {}): Layer => new Linear(inputs, outputs, options);

class Linear extends Layer {
  readonly kind = "linear";
  readonly #inputs: number;
  readonly #outputs: number;
  readonly #hasBias: boolean;
  readonly #init: Init | undefined;
  readonly #parameters: Parameter[] = [];

  constructor(inputs: number, outputs: number, options: LinearOptions) {
    super();
    checkArgument("linear", "inputs", inputs, integer(1));
    checkArgument("linear", "outputs", outputs, integer(1));
    checkOptions<LinearOptions>("linear", options, { bias: flag, init: initKind });
    this.#inputs = inputs;
    this.#outputs = outputs;
    this.#hasBias = options.bias ?? true;
    this.#init = options.init;
  }

  override get description(): string {
    return `linear(${this.#inputs}, ${this.#outputs})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { bias: this.#hasBias };
  }

  override get macs(): number {
    return this.#inputs * this.#outputs;
  }

  override parameters(): Parameter[] {
    return this.#parameters;
  }

  override readableStates(): readonly string[] {
    return [];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    this.expectShape(shape, [this.#inputs]);
    this.#parameters.push(...initialParameters(context, [this.#inputs, this.#outputs], this.#hasBias, this.#init));
    return [this.#outputs];
  }

  protected override run(tape: Tape, x: Variable): Variable {
    const dense = this.dense(tape);
    const input = cast(tape, x, this.activationType);
    const [weight, bias] = this.#parameters;
    const value = perSample(input.value, 1, (rows) => dense.linear(rows, weight.value, bias?.value));
    const [y] = tape.record({
      inputs: [input],
      outputs: [{ value, shape: [this.#outputs], time: input.time }],
      learns: this.#parameters,
      constantGradient: true,
      backward: ([dy]) => [this.#backward(tape, input, dy!)],
    });
    return y;
  }

  /** With a dy that holds at all T steps, dw = Σ_t x_tᵀ·dy = (Σ_t x_t)ᵀ·dy, one product instead of T. */
  #backward(tape: Tape, x: Variable, dy: Tensor): Tensor | undefined {
    const dense = this.dense(tape);
    const [weight, bias] = this.#parameters;
    const held = x.time === "varying" && dy.shape[0] < tape.steps;
    const summed = held ? dense.sumFirst(x.value, 1) : undefined;
    const rows = merged(summed ?? x.value, 1);
    const dyRows = merged(dy, 1);
    const { dx, dw, db } = dense.linearBackward(rows, weight.value, dyRows, { input: x.requiresGradient, bias: this.#hasBias });
    for (const view of [summed, rows, dyRows]) view?.dispose();
    accumulate(weight, dw);
    if (held && db) dense.scale(db, tape.steps);
    if (db) accumulate(bias, db);
    return dx && reshaped(dx, [...dy.shape.slice(0, -1), this.#inputs]);
  }
}
