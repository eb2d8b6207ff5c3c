import { checkArgument, checkOptions, flag, func, instanceOf, kind, listOf, object, oneOf, type OptionKinds, required, text } from "../check.ts";
import { NeuronError, OptionError, ShapeError } from "../errors.ts";
import { Random } from "../data/random.ts";
import { type DenseMath, type Device, deviceKind, PRECISIONS, type Precision, type Tensor, tensorKind } from "../device/device.ts";
import type { ActivationType } from "./precision.ts";
import { Tape } from "./tape.ts";
import { checkVariable, type Shape, shapeKind, type Variable, variableKind } from "./variable.ts";

/** A tensor that training changes. */
export interface Parameter {
  /** The layer's path and the parameter's own name: "2.weight". */
  readonly name: string;
  readonly value: Tensor;
  /** Sum of the gradients of the backward passes since it was last cleared. */
  gradient: Tensor | null;
  /** Whether weight decay applies: to weights, not to biases, normalisation or neurons. */
  readonly decay: boolean;
}

/** A tensor that belongs to the model's state but is not learnt: running statistics. */
export interface Buffer {
  readonly name: string;
  readonly value: Tensor;
}

export interface BuildContext {
  /** The model that is built: its layers belong to it. */
  readonly model: object;
  readonly device: Device;
  /** Initial values come from forks of it, by parameter name. */
  readonly random: Random;
  /** Where the layer is in the model: "2", "3.0"; empty for the outermost. */
  readonly path: string;
  /** What the layer computes in. Default: float32. */
  readonly precision?: Precision;
  /** Whether training keeps spikes as bits once they were read. Default: false. */
  readonly packSpikes?: boolean;
}

export type LayerOption = number | string | boolean | readonly LayerOption[];

/** A layer, or any function of a tape and a variable. */
export type LayerLike = Layer | ((tape: Tape, x: Variable) => Variable);

export const contextKinds: OptionKinds<BuildContext> = {
  model: required(object), device: required(deviceKind), random: required(instanceOf(Random, "a Random: new Random(seed)")), path: required(kind("a text", (x) => typeof x === "string")), precision: oneOf(...PRECISIONS), packSpikes: flag,
};
const namedTensor = (x: unknown): boolean => object.accepts(x) && text.accepts((x as Buffer).name) && tensorKind.accepts((x as Buffer).value);
export const bufferKind = kind("an object { name, value: a tensor }", namedTensor);
export const parameterKind = kind("a parameter { name, value: a tensor, gradient, decay }", (x) => namedTensor(x) && flag.accepts((x as Parameter).decay));
export const tapeKind = instanceOf(Tape, "a tape: new Tape(device, { steps, training })");

interface Built {
  input: Shape;
  output: Shape;
}

/**
 * A part of a network. Activations are time-major and channels-last, [T, B, ...]; shapes are given without T and B.
 * A layer belongs to one model; it may be used there in several places, which then share its parameters.
 */
export abstract class Layer {
  /** What it is: "linear". */
  abstract readonly kind: string;
  /** Path and description, for people: "2: linear(512, 10)". */
  name = "";
  #precision: Precision = "float32";
  #packsSpikes = false;
  #model: object | undefined;
  #built: Built | undefined;

  /** What it is, with its sizes: "linear(512, 10)". */
  get description(): string {
    return this.kind;
  }

  /** What it computes with besides its neurons and parameters; a training resumes, and weights load, only with the same options. */
  get options(): Readonly<Record<string, LayerOption>> {
    return {};
  }

  /** What it computes with in training alone; a training resumes only with the same. */
  get trainingOptions(): Readonly<Record<string, LayerOption>> {
    return {};
  }

  /** Multiply-accumulates for one sample in one time step, of a layer with weights; 0 of others. */
  get macs(): number {
    return 0;
  }

  /** Shape of the output, once built. */
  get outputShape(): Shape {
    return this.#require().output;
  }

  /**
   * Checks the shape of the input and makes the parameters.
   * @returns the shape of the output.
   * @throws ShapeError, naming the layer, if the shape does not fit; OptionError for a layer that belongs to another model, or that a subclass leaves unfinished.
   */
  build(shape: Shape, context: BuildContext): Shape {
    checkArgument(this.constructor.name, "kind", this.kind, text);
    checkArgument(`${this.kind}.build`, "shape", shape, shapeKind, ShapeError);
    checkOptions(`${this.kind}.build`, context, contextKinds);
    const { model, path } = context;
    if (this.#model && !this.belongsTo(model)) throw new OptionError(`${this.name} belongs to another model already: make a new layer for each model`);
    if (this.#built) {
      this.expectShape(shape, this.#built.input);
      return this.#built.output;
    }
    this.#model = model;
    this.#precision = context.precision ?? "float32";
    this.#packsSpikes = context.packSpikes ?? false;
    this.name = path === "" ? this.description : `${path}: ${this.description}`;
    for (const method of ["setUp", "run"] as const) checkArgument(this.name, method, this[method], func);
    const output = this.setUp(shape, context);
    checkArgument(this.name, "the shape that setUp returns", output, shapeKind);
    checkArgument(this.name, "what layers() returns", this.layers(), listOf(layerKind));
    checkArgument(this.name, "what parameters() returns", this.parameters(), listOf(parameterKind));
    checkArgument(this.name, "what buffers() returns", this.buffers(), listOf(bufferKind));
    this.#built = { input: shape, output };
    return output;
  }

  /** What it computes in: that of its model. */
  get precision(): Precision {
    return this.#precision;
  }

  /** Whether training keeps spikes as bits once they were read: an option of its model. */
  get packsSpikes(): boolean {
    return this.#packsSpikes;
  }

  /** What its activations are stored as. */
  get activationType(): ActivationType {
    return this.#precision === "bfloat16" ? "bf16" : "f32";
  }

  /** Whether it was built for a model. */
  belongsTo(model: object): boolean {
    return this.#model === model;
  }

  /**
   * Runs the layer on a variable of the tape.
   * @throws OptionError if it is not part of a model, or if a subclass's `run` returns no variable.
   */
  forward(tape: Tape, x: Variable): Variable {
    const what = this.name || this.description;
    checkArgument(what, "tape", tape, tapeKind);
    checkVariable(what, "x", x, tape);
    if (tape.building) return tape.building.call(this, x);
    this.#require();
    if (tape.carry && x.time === "none") throw new OptionError(`${this.name}: a network that runs ${tape.carry.keepsTime ? "in time chunks" : "step by step"} must end with its read-out`);
    if (tape.recorder && this.macs > 0) tape.recorder.addInput(this.name, this.macs, x.value);
    const y = tape.within(this.name, () => this.run(tape, x));
    checkArgument(this.name, "what it returns", y, variableKind);
    return y;
  }

  parameters(): Parameter[] {
    return unique(this.layers().flatMap((layer) => layer.parameters()));
  }

  buffers(): Buffer[] {
    return unique(this.layers().flatMap((layer) => layer.buffers()));
  }

  /** Whether what it returns comes from neurons, spikes or sums of them: a place to cut a network that is recomputed in pieces. */
  endsInSpikes(): boolean {
    return false;
  }

  /** The states that a read-out right after it can have: those of a spiking layer's neurons. Undefined: it shows when it runs. */
  readableStates(): readonly string[] | undefined {
    return undefined;
  }

  /** The state that it reads of the layer right before it. */
  readsState(): string | undefined {
    return undefined;
  }

  /** The layers it is made of. */
  layers(): Layer[] {
    return [];
  }

  protected abstract setUp(shape: Shape, context: BuildContext): Shape;
  protected abstract run(tape: Tape, x: Variable): Variable;

  /** The dense math of its precision. */
  protected dense(tape: Tape): DenseMath {
    return tape.device.denseFor(this.#precision);
  }

  protected expectShape(given: Shape, expected: readonly (number | string)[]): void {
    const fits = given.length === expected.length && given.every((length, i) => typeof expected[i] === "string" || length === expected[i]);
    if (!fits) throw new ShapeError(`${this.name}: expected an input of shape [${expected.join(", ")}] (without time and batch), got [${given.join(", ")}]`);
  }

  #require(): Built {
    if (!this.#built) {
      throw new OptionError(`${this.description} is not part of a model yet: Model.build builds the layers. A function of a tape calls layers that were made outside of it; one that it makes itself is a new one in each pass`);
    }
    return this.#built;
  }
}

export const layerKind = instanceOf(Layer, "a layer");

/** @throws OptionError for a read-out of membranes that does not follow a spiking layer, NeuronError if the neurons have no such state. */
export function checkReadout(layer: Layer, states: readonly string[] | undefined): void {
  const state = layer.readsState();
  if (state === undefined || states === undefined || states.includes(state)) return;
  if (states.length === 0) throw new OptionError(`${layer.name} reads the membrane of a spiking layer and must follow one directly`);
  throw new NeuronError(`${layer.name}: the neurons before it have no state ${state}; they have ${states.join(", ")}`);
}

export const unique = <T>(items: readonly T[]): T[] => [...new Set(items)];

export const joinPath = (path: string, name: string | number): string => (path === "" ? String(name) : `${path}.${name}`);
