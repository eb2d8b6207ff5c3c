import "../dispose.ts";
import { checkArgument, checkOptions, flag, instanceOf, integer, oneOf, type OptionKinds, required } from "../check.ts";
import { DeviceError, ShapeError } from "../errors.ts";
import { Random } from "../data/random.ts";
import { type Device, deviceKind, PRECISIONS, type Precision } from "../device/device.ts";
import { elements } from "./axes.ts";
import { type Buffer, bufferKind, checkReadout, type Layer, type LayerLike, type Parameter, parameterKind, tapeKind } from "./layer.ts";
import { recomputing } from "./recompute.ts";
import { asLayer } from "./sequential.ts";
import { Stream, type StreamOptions } from "./stream.ts";
import { largestBatch, type MemoryOptions, type MemoryPlan, planMemory } from "./memory.ts";
import type { Tape } from "./tape.ts";
import { checkVariable, type Shape, shapeKind, type Variable } from "./variable.ts";

export interface ModelOptions {
  device: Device;
  /** Shape of one sample, without time and batch: [784] or [28, 28, 1]. */
  inputShape: Shape;
  /** T. */
  steps: number;
  /** Initial values are drawn from forks of it by parameter name. */
  random: Random;
  /**
   * What the network computes in. With "tf32" products and convolutions read f32 with 10 bits of fraction and sum in f32. With "bfloat16" activations and their
   * gradients are bf16, products sum in f32, and weights, states, statistics, losses and optimisers stay f32; spikes are exact. The device "cuda" has all three. Default: "float32".
   */
  precision?: Precision;
  /**
   * Training keeps spikes as one bit each for the backward pass, once they were read: less memory (`model.memory`), for a pass over them more in each direction. Default: false.
   */
  packSpikes?: boolean;
  /**
   * Whether training keeps of the network the input of each piece alone, and computes what is inside again in the backward pass: less memory for more time, the same gradients bit for bit.
   * A piece ends with a layer of neurons, so that spikes are kept, as bits. The body must be a `sequential`; for parts of a network there is the layer `recompute`. Default: false.
   */
  recompute?: boolean;
}

const OPTIONS: OptionKinds<ModelOptions> = {
  device: required(deviceKind), inputShape: required(shapeKind), steps: required(integer(1)), random: required(instanceOf(Random, "a Random: new Random(seed)")),
  precision: oneOf(...PRECISIONS), packSpikes: flag, recompute: flag,
};

export interface ModelSummaryRow {
  /** "2: linear(512, 10)". */
  name: string;
  /** "linear". */
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
  readonly precision: Precision;
  readonly body: Layer;
  readonly #run: (tape: Tape, x: Variable) => Variable;

  /** @throws ShapeError, naming the layer, where shapes do not fit; OptionError for what is no layer, and for options that are missing or out of range; DeviceError for a precision that the device does not have. */
  static build(body: LayerLike, options: ModelOptions): Model {
    const layer = asLayer(body, "Model.build: the body");
    checkOptions("Model.build", options, OPTIONS);
    return new Model(layer, options);
  }

  private constructor(body: Layer, { device, inputShape, steps, random, precision = "float32", packSpikes = false, recompute = false }: ModelOptions) {
    device.denseFor(precision);
    this.device = device;
    this.inputShape = [...inputShape];
    this.steps = steps;
    this.precision = precision;
    this.body = body;
    this.#run = recompute ? recomputing(body) : (tape, x) => body.forward(tape, x);
    try {
      this.outputShape = body.build(inputShape, { model: this, device, random, precision, packSpikes, path: "" });
      checkReadout(body, []);
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
   * @throws ShapeError for an input of another shape, DeviceError for a tape of another device.
   */
  forward(tape: Tape, input: Variable): Variable {
    checkArgument("model.forward", "tape", tape, tapeKind);
    checkVariable("model.forward", "input", input, tape);
    if (tape.device !== this.device) throw new DeviceError(`model.forward: the tape is of another device (${tape.device.name}) than the model (${this.device.name})`);
    const { shape } = input;
    if (shape.length !== this.inputShape.length || shape.some((length, i) => length !== this.inputShape[i])) {
      throw new ShapeError(`the model's input has the shape [${this.inputShape.join(", ")}] (without time and batch), got [${shape.join(", ")}]`);
    }
    return this.#run(tape, input);
  }

  /**
   * What memory a training step and an evaluation of a batch take at their peak, and which layer how much of it, in bytes. Nothing is computed: the passes run on
   * a device that only counts. Workspaces of operations are those that the device tells of (`device.allocation`), at most.
   * @throws OptionError for options that are not as they should be.
   */
  memory(options: MemoryOptions): MemoryPlan {
    return planMemory(this, this.#run, options);
  }

  /**
   * The largest batch with which a training step takes at most so many bytes; 0 if not even a single sample does.
   * @throws OptionError for options that are not as they should be.
   */
  largestBatch(bytes: number, options: Omit<MemoryOptions, "batch"> = {}): number {
    return largestBatch(this, this.#run, bytes, options);
  }

  /**
   * Runs the network on a signal as it comes, one time step or one window at a time, with the states of its neurons kept in between.
   * @throws OptionError for options that are unknown or out of range.
   */
  stream(options: StreamOptions = {}): Stream {
    return new Stream(this, options);
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

export const modelKind = instanceOf(Model, "a model: Model.build(sequential(…), { device, inputShape, steps, random })");

/** What a layer whose build failed holds may be anything. */
function release(layers: readonly Layer[]): void {
  for (const parameter of layers.flatMap((layer) => layer.parameters()).filter(parameterKind.accepts)) {
    parameter.value.dispose();
    parameter.gradient?.dispose();
    parameter.gradient = null;
  }
  for (const { value } of layers.flatMap((layer) => layer.buffers()).filter(bufferKind.accepts)) value.dispose();
}

/** The innermost layers, in order. */
export function leaves(layer: Layer): Layer[] {
  const inner = layer.layers();
  return inner.length === 0 ? [layer] : [...new Set(inner.flatMap(leaves))];
}
