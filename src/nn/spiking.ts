import { checkArgument, checkOptions, either, kind, listOf, suggestion, text } from "../check.ts";
import { NeuronError, OptionError, ShapeError } from "../errors.ts";
import type { Device, FusedKernel } from "../device/device.ts";
import { plan, type PlanRequest } from "../fusion/plan.ts";
import { type Neuron, neuronKind, type ParamsOf } from "../neuron/define.ts";
import { firingNames, withFiring } from "../neuron/firing.ts";
import { type TermKind, withTerms } from "./fusedInput.ts";
import { type BuildContext, Layer, type LayerOption, type Parameter } from "./layer.ts";
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
  readonly #parameters: Parameter[] = [];
  readonly #kernels = new WeakMap<Device, Map<string, FusedKernel>>();

  /** `what`: the function that makes such layers. */
  constructor(neuron: Neuron, options: SpikingOptions, what = "spiking") {
    super();
    checkArgument(what, "neuron", neuron, neuronKind, NeuronError);
    checkOptions<SpikingOptions>(`${what}(${neuron.name})`, options, { learn: either(listOf(text), kind("false", (x) => x === false)), perChannel: listOf(text) });
    const { learn = neuron.learnable, perChannel = [] } = options;
    if (what === "spiking" && neuron.inputs.length !== 1) throw new NeuronError(`spiking(${neuron.name}): a layer gives its neurons one input, this one has ${neuron.inputs.length} (${neuron.inputs.join(", ")})`);
    this.neuron = neuron;
    this.learnt = learn || [];
    this.#perChannel = perChannel;
    const known = (names: readonly string[], allowed: readonly string[], among: string): void => {
      for (const name of names) if (!allowed.includes(name)) throw new OptionError(`${what}(${neuron.name}): ${name} is not among the ${among}${suggestion(name, allowed)} (${allowed.join(", ") || "none"})`);
    };
    known(this.learnt, Object.keys(neuron.params), "neuron's parameters");
    known(perChannel, this.learnt, "learnt parameters");
  }

  override get description(): string {
    return `${this.kind}(${this.neuron.name})`;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { learn: this.learnt, perChannel: this.#perChannel };
  }

  override parameters(): Parameter[] {
    return this.#parameters;
  }

  parameter(name: string): Parameter {
    return this.#parameters[this.learnt.indexOf(name)];
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
    for (const name of this.learnt) {
      this.#parameters.push(this.makeParameter(context, name, this.#perChannel.includes(name) ? channels : 1));
    }
    return shape;
  }

  /** A learnt parameter of the neuron, [length]. */
  protected makeParameter(context: BuildContext, name: string, length: number): Parameter {
    return constantParameter(context, name, length, this.neuron.params[name]);
  }

  protected override run(tape: Tape, x: Variable): Variable {
    if (x.time === "none") throw new ShapeError(`${this.name}: its input has no time axis; a spiking layer cannot follow a read-out`);
    return new Spikes(tape, this, x);
  }

  kernel(tape: Tape, terms: readonly TermKind[], firing: boolean, request: Omit<PlanRequest, "neuron" | "params">): FusedKernel {
    const { device } = tape;
    const kernels = this.#kernels.get(device) ?? new Map<string, FusedKernel>();
    this.#kernels.set(device, kernels);
    const key = JSON.stringify([terms, firing, request]);
    let kernel = kernels.get(key);
    if (!kernel) {
      const params = Object.fromEntries(this.learnt.map((name) => [name, this.#perChannel.includes(name) ? "channel" : "layer"] as const));
      const neuron = withTerms(this.neuron, terms, this.learnt);
      kernel = device.kernel(plan({ ...request, mix: this.mix && { input: this.mix.input, state: this.mix.state }, neuron: firing ? withFiring(neuron, firingNames(this.neuron)) : neuron, params }));
      kernels.set(key, kernel);
    }
    return kernel;
  }
}
