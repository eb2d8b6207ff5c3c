import { OptionError, ShapeError } from "../errors.ts";
import type { Random } from "../data/random.ts";
import type { Device, Tensor } from "../device/device.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

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
}

export type LayerOption = number | string | boolean | readonly LayerOption[];

/** A layer, or any function of a tape and a variable. */
export type LayerLike = Layer | ((tape: Tape, x: Variable) => Variable);

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

  /** Shape of the output, once built. */
  get outputShape(): Shape {
    return this.#require().output;
  }

  /**
   * Checks the shape of the input and makes the parameters.
   * @returns the shape of the output.
   * @throws ShapeError, naming the layer, if the shape does not fit.
   */
  build(shape: Shape, context: BuildContext): Shape {
    const { model, path } = context;
    if (this.#model && !this.belongsTo(model)) throw new OptionError(`${this.name} belongs to another model already: make a new layer for each model`);
    if (this.#built) {
      this.expectShape(shape, this.#built.input);
      return this.#built.output;
    }
    this.#model = model;
    this.name = path === "" ? this.description : `${path}: ${this.description}`;
    const output = this.setUp(shape, context);
    this.#built = { input: shape, output };
    return output;
  }

  /** Whether it was built for a model. */
  belongsTo(model: object): boolean {
    return this.#model === model;
  }

  /** Runs the layer on a variable. */
  forward(tape: Tape, x: Variable): Variable {
    if (tape.building) return tape.building.call(this, x);
    this.#require();
    if (tape.carry && x.time === "none") throw new OptionError(`${this.name}: a network that runs step by step must end with its read-out`);
    return this.run(tape, x);
  }

  parameters(): Parameter[] {
    return unique(this.layers().flatMap((layer) => layer.parameters()));
  }

  buffers(): Buffer[] {
    return unique(this.layers().flatMap((layer) => layer.buffers()));
  }

  /** The layers it is made of. */
  layers(): Layer[] {
    return [];
  }

  protected abstract setUp(shape: Shape, context: BuildContext): Shape;
  protected abstract run(tape: Tape, x: Variable): Variable;

  protected expectShape(given: Shape, expected: readonly (number | string)[]): void {
    const fits = given.length === expected.length && given.every((length, i) => typeof expected[i] === "string" || length === expected[i]);
    if (!fits) throw new ShapeError(`${this.name}: expected an input of shape [${expected.join(", ")}] (without time and batch), got [${given.join(", ")}]`);
  }

  #require(): Built {
    if (!this.#built) throw new OptionError(`${this.description} is not part of a model yet: Model.build builds the layers`);
    return this.#built;
  }
}

export const unique = <T>(items: readonly T[]): T[] => [...new Set(items)];

export const joinPath = (path: string, name: string | number): string => (path === "" ? String(name) : `${path}.${name}`);
