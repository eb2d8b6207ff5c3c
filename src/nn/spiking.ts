import { checkArgument, checkOptions, either, kind, listOf, object, type OptionKinds, suggestion, text } from "../check.ts";
import { NeuronError, OptionError, ShapeError } from "../errors.ts";
import type { Device, FusedKernel, Tensor } from "../device/device.ts";
import { plan, type PlanRequest } from "../fusion/plan.ts";
import { type Neuron, neuronKind, type ParamsOf } from "../neuron/define.ts";
import { firingNames, withFiring } from "../neuron/firing.ts";
import { elements } from "./axes.ts";
import { type TermKind, withTerms } from "./fusedInput.ts";
import { type BuildContext, type Buffer, joinPath, Layer, type LayerOption, type Parameter } from "./layer.ts";
import type { NeuronLayer } from "./neuronCall.ts";
import { constantParameter } from "./parameter.ts";
import { Spikes } from "./spikes.ts";
import type { Tape } from "./tape.ts";
import type { Shape, Variable } from "./variable.ts";

/** P: the names of the neuron's parameters. */
export interface SpikingOptions<P extends string = string> {
  /** Parameters of the neuron to learn; default: those that its definition calls learnable. False: none. */
  learn?: readonly P[] | false;
  /** Those of them with one value for each channel (the last axis) instead of one for the layer. Default: none. */
  perChannel?: readonly P[];
  /**
   * Values of parameters that are not learnt and differ from neuron to neuron: one for each channel (the last axis), or one for each neuron of a sample. They are buffers of the model,
   * and saved with it. Default: none; a parameter that is not learnt has the value of the neuron's definition everywhere.
   */
  fixed?: { readonly [K in P]?: Float32Array };
}

/**
 * A layer of neurons: [T, B, ...] → spikes [T, B, ...], 0 or 1. All T steps run in one kernel, forward and backward; it takes a batch
 * normalisation or a residual addition that comes right before it along.
 * @throws NeuronError for a neuron that has not exactly one input; OptionError for parameters that it does not have or that are not learnt.
 */
export const spiking = <N extends Neuron>(neuron: N, options: SpikingOptions<ParamsOf<N>> = {}): Layer => new Spiking(neuron, options);

export class Spiking extends Layer implements NeuronLayer {
  readonly kind: string = "spiking";
  readonly neuron: Neuron;
  readonly learnt: readonly string[];
  readonly #perChannel: readonly string[];
  readonly #fixed: Readonly<Record<string, Float32Array>>;
  readonly #parameters: Parameter[] = [];
  #buffers: Buffer[] = [];
  /** Of how many neurons each has values of its own: of C, or of all of a sample. */
  #channels = 0;
  readonly #kernels = new WeakMap<Device, Map<string, FusedKernel>>();

  /** `what`: the function that makes such layers. */
  constructor(neuron: Neuron, options: SpikingOptions, what = "spiking") {
    super();
    checkArgument(what, "neuron", neuron, neuronKind, NeuronError);
    checkOptions<SpikingOptions>(`${what}(${neuron.name})`, options, spikingKinds);
    const { learn = neuron.learnable, perChannel = [], fixed = {} } = options;
    if (what === "spiking" && neuron.inputs.length !== 1) throw new NeuronError(`spiking(${neuron.name}): a layer gives its neurons one input, this one has ${neuron.inputs.length} (${neuron.inputs.join(", ")})`);
    this.neuron = neuron;
    this.learnt = learn || [];
    this.#perChannel = perChannel;
    this.#fixed = Object.fromEntries(Object.entries(fixed).filter(([, values]) => values !== undefined)) as Record<string, Float32Array>;
    const known = (names: readonly string[], allowed: readonly string[], among: string): void => {
      for (const name of names) if (!allowed.includes(name)) throw new OptionError(`${what}(${neuron.name}): ${name} is not among the ${among}${suggestion(name, allowed)} (${allowed.join(", ") || "none"})`);
    };
    known(this.learnt, Object.keys(neuron.params), "neuron's parameters");
    known(perChannel, this.learnt, "learnt parameters");
    known(Object.keys(this.#fixed), Object.keys(neuron.params).filter((name) => !this.learnt.includes(name)), "neuron's parameters that are not learnt");
  }

  override get description(): string {
    return `${this.kind}(${this.neuron.name})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    const fixed = Object.keys(this.#fixed);
    return { learn: this.learnt, perChannel: this.#perChannel, ...(fixed.length > 0 ? { fixed } : {}) };
  }

  override parameters(): Parameter[] {
    return this.#parameters;
  }

  override buffers(): Buffer[] {
    return this.#buffers;
  }

  parameter(name: string): Parameter {
    return this.#parameters[this.learnt.indexOf(name)];
  }

  get given(): Readonly<Record<string, Tensor>> {
    const values = [...this.learnt.map((name) => this.parameter(name)), ...this.#buffers].map(({ value }) => value);
    return Object.fromEntries([...this.learnt, ...Object.keys(this.#fixed)].map((name, i) => [name, values[i]]));
  }

  get channels(): number {
    return this.#channels;
  }

  /** The neuron that it was made of, without what a recurrent layer adds. */
  get own(): Neuron {
    return this.neuron;
  }

  /** The recurrent product of its kernels; undefined: none. */
  get mix(): NeuronLayer["mix"] {
    return undefined;
  }

  override endsInSpikes(): boolean {
    return true;
  }

  override readableStates(): readonly string[] {
    return Object.keys(this.neuron.state);
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    const channels = shape[shape.length - 1];
    const neurons = elements(shape);
    for (const [name, { length }] of Object.entries(this.#fixed)) {
      if (length !== channels && length !== neurons) throw new ShapeError(`${this.name}: fixed.${name} has ${length} values: expected one for each of ${channels} channels, or of ${neurons} neurons`);
    }
    this.#channels = Object.values(this.#fixed).some(({ length }) => length !== channels) ? neurons : channels;
    if (this.#channels !== channels && this.#perChannel.length > 0) throw new OptionError(`${this.name}: fixed values for each neuron and learnt ones for each channel cannot be had together`);
    for (const name of this.learnt) {
      this.#parameters.push(this.makeParameter(context, name, this.#perChannel.includes(name) ? channels : 1));
    }
    this.#buffers = Object.entries(this.#fixed).map(([name, values]) => ({ name: joinPath(context.path, name), value: context.device.tensor(tiled(values, this.#channels), [this.#channels]) }));
    return shape;
  }

  /** A learnt parameter of the neuron, [length]. */
  protected makeParameter(context: BuildContext, name: string, length: number): Parameter {
    return constantParameter(context, name, length, this.neuron.params[name]);
  }

  protected override run(tape: Tape, x: Variable): Variable {
    if (x.time === "none") throw new ShapeError(`${this.name}: its input has no time axis; a spiking layer cannot follow a read-out`);
    // Kernels have one number of channels for all that is given per channel, a batch norm's scale and shift too.
    return new Spikes(tape, this, this.#channels === x.shape[x.shape.length - 1] ? x : x.plain());
  }

  kernel(tape: Tape, terms: readonly TermKind[], firing: boolean, request: Omit<PlanRequest, "neuron" | "params">): FusedKernel {
    const { device } = tape;
    const kernels = this.#kernels.get(device) ?? new Map<string, FusedKernel>();
    this.#kernels.set(device, kernels);
    const key = JSON.stringify([terms, firing, request]);
    let kernel = kernels.get(key);
    if (!kernel) {
      const fixed = Object.keys(this.#fixed);
      const params = Object.fromEntries([...this.learnt, ...fixed].map((name) => [name, this.#perChannel.includes(name) || fixed.includes(name) ? "channel" : "layer"] as const));
      const neuron = withTerms(this.neuron, terms, Object.keys(params));
      kernel = device.kernel(plan({ ...request, mix: this.mix && { input: this.mix.input, state: this.mix.state }, neuron: firing ? withFiring(neuron, firingNames(this.neuron)) : neuron, params }));
      kernels.set(key, kernel);
    }
    return kernel;
  }
}

const valuesKind = kind("an object of Float32Arrays of finite values by name", (x) =>
  object.accepts(x) && Object.values(x as object).every((values: unknown) => values === undefined || (values instanceof Float32Array && values.length > 0 && values.every(Number.isFinite))));

export const spikingKinds: OptionKinds<SpikingOptions> = { learn: either(listOf(text), kind("false", (x) => x === false)), perChannel: listOf(text), fixed: valuesKind };

/** The values over and over, `length` in all. */
const tiled = (values: Float32Array, length: number): Float32Array => Float32Array.from({ length }, (_, i) => values[i % values.length]);
