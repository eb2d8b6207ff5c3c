import "../dispose.ts";
import { OptionError, ShapeError } from "../errors.ts";
import type { Random } from "../data/random.ts";
import type { Device } from "../device/device.ts";
import { elements } from "./axes.ts";
import type { Buffer, Layer, LayerLike, Parameter } from "./layer.ts";
import { asLayer } from "./sequential.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

export interface ModelOptions {
  device: Device;
  /** Shape of one sample, without time and batch: [784] or [28, 28, 1]. */
  inputShape: Shape;
  /** T. */
  steps: number;
  /** Initial values are drawn from forks of it by parameter name. */
  random: Random;
}

export interface ModelSummaryRow {
  name: string;
  kind: string;
  outputShape: Shape;
  /** Number of learnt values. */
  parameters: number;
}

/**
 * A network with its parameters on a device.
 *
 * The body is a layer, or any function of a tape and a variable that calls layers. Such a function makes its layers outside of
 * itself, and is traced once with shapes alone:
 *
 *     const first = linear(784, 512), second = linear(512, 512), fire = spiking(lif()), again = spiking(lif()), last = linear(512, 10), read = rate();
 *     const model = Model.build((tape, x) => {
 *       const h = fire.forward(tape, first.forward(tape, x));
 *       const skip = tape.add(h, second.forward(tape, h));
 *       return read.forward(tape, last.forward(tape, again.forward(tape, skip)));
 *     }, { device, inputShape: [784], steps: 8, random: new Random(1) });
 */
export class Model {
  readonly device: Device;
  readonly inputShape: Shape;
  readonly outputShape: Shape;
  readonly steps: number;
  readonly body: Layer;

  /** @throws ShapeError, naming the layer, where shapes do not fit; OptionError for steps that are not a positive integer. */
  static build(body: LayerLike, options: ModelOptions): Model {
    return new Model(asLayer(body), options);
  }

  private constructor(body: Layer, { device, inputShape, steps, random }: ModelOptions) {
    if (!Number.isInteger(steps) || steps < 1) throw new OptionError(`steps must be a positive integer, got ${steps}`);
    if (inputShape.length === 0 || inputShape.some((length) => !Number.isInteger(length) || length < 1)) {
      throw new ShapeError(`inputShape must be positive integers, for example [28, 28, 1], got [${inputShape.join(", ")}]`);
    }
    this.device = device;
    this.inputShape = inputShape;
    this.steps = steps;
    this.body = body;
    try {
      this.outputShape = body.build(inputShape, { model: this, device, random, path: "" });
    } catch (error) {
      release(leaves(body).filter((layer) => layer.belongsTo(this)));
      throw error;
    }
  }

  parameters(): Parameter[] {
    return this.body.parameters();
  }

  buffers(): Buffer[] {
    return this.body.buffers();
  }

  /**
   * Runs the network on `input`, a variable of the tape.
   * @returns the read-out's value, [B, ...].
   */
  forward(tape: Tape, input: Variable): Variable {
    const { shape } = input;
    if (shape.length !== this.inputShape.length || shape.some((length, i) => length !== this.inputShape[i])) {
      throw new ShapeError(`the model's input has the shape [${this.inputShape.join(", ")}] (without time and batch), got [${shape.join(", ")}]`);
    }
    return this.body.forward(tape, input);
  }

  /** One row for each innermost layer, in order. */
  summary(): ModelSummaryRow[] {
    return leaves(this.body).map((layer) => ({
      name: layer.name,
      kind: layer.kind,
      outputShape: layer.outputShape,
      parameters: layer.parameters().reduce((sum, { value }) => sum + elements(value.shape), 0),
    }));
  }

  /** Frees parameters, their gradients and buffers. */
  dispose(): void {
    release([this.body]);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function release(layers: readonly Layer[]): void {
  for (const parameter of layers.flatMap((layer) => layer.parameters())) {
    parameter.value.dispose();
    parameter.gradient?.dispose();
    parameter.gradient = null;
  }
  for (const { value } of layers.flatMap((layer) => layer.buffers())) value.dispose();
}

/** The innermost layers, in order. */
export function leaves(layer: Layer): Layer[] {
  const inner = layer.layers();
  return inner.length === 0 ? [layer] : [...new Set(inner.flatMap(leaves))];
}
