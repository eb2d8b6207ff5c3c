import { checkArgument, checkOptions, flag, oneOf } from "../check.ts";
import { NeuronError } from "../errors.ts";
import { type Neuron, neuronKind, type ParamsOf } from "../neuron/define.ts";
import { recurrentNames, type RecurrentNames, type RecurrentWeights, withRecurrence } from "../neuron/recurrence.ts";
import { type Init, initialParameters, initKind } from "./init.ts";
import type { BuildContext, Layer, LayerOption, Parameter } from "./layer.ts";
import { constantParameter, normalParameter, uniformParameter } from "./parameter.ts";
import { Spiking, spikingKinds, type SpikingOptions } from "./spiking.ts";
import type { Shape } from "./variable.ts";

/** P: the names of the neuron's parameters. */
export interface RecurrentOptions<P extends string = string> extends SpikingOptions<P> {
  /**
   * "dense": all neurons of a sample to all, a weight [H, H], row = from, column = to, for inputs [T, B, H]. "elementwise": each neuron to itself, a weight for each
   * channel (the last axis). Default: "dense".
   */
  weights?: RecurrentWeights;
  /** Whether a bias [H] is added to what comes back. Default: true. */
  bias?: boolean;
  /** How weights start; fan-in is H where dense, 1 elementwise. Default: "uniform". */
  init?: Init;
}

/**
 * A layer of neurons that are connected back to themselves: [T, B, ...] → spikes [T, B, ...]. The neuron's input at step t is x[t] + (s[t − 1]·W + bias), where s
 * are the layer's own spikes, 0 before the first step. All T steps run in one kernel, forward and backward, as in `spiking`, and what comes right before it is taken along.
 * Its parameters are `weight` and `bias`, and the neuron's. The same as snnTorch's RLeaky and RSynaptic around `leaky` and `synaptic` (`all_to_all` false: elementwise),
 * and as SpikingJelly's LinearRecurrentContainer, whose weights of x are a `linear` before it.
 * @throws NeuronError for a neuron that has not exactly one input, or learns a parameter called weight or bias; OptionError for parameters that it does not have or that are not learnt
 */
export const recurrent = <N extends Neuron>(neuron: N, options: RecurrentOptions<ParamsOf<N>> = {}): Layer => new Recurrent(neuron, options);

class Recurrent extends Spiking {
  override readonly kind = "recurrent";
  readonly #own: Neuron;
  readonly #names: RecurrentNames;
  readonly #weights: RecurrentWeights;
  readonly #hasBias: boolean;
  readonly #init: Init;
  /** The weight, and the bias if there is one. */
  #connection: Parameter[] = [];

  constructor(neuron: Neuron, options: RecurrentOptions) {
    checkArgument("recurrent", "neuron", neuron, neuronKind, NeuronError);
    const what = `recurrent(${neuron.name})`;
    checkOptions<RecurrentOptions>(what, options, { ...spikingKinds, weights: oneOf("dense", "elementwise"), bias: flag, init: initKind });
    const { weights = "dense", bias = true, init = "uniform", learn = neuron.learnable, perChannel = [], fixed } = options;
    if (neuron.inputs.length !== 1) throw new NeuronError(`${what}: a layer gives its neurons one input, this one has ${neuron.inputs.length} (${neuron.inputs.join(", ")})`);
    const taken = (learn || []).find((name) => name === "weight" || (bias && name === "bias"));
    if (taken) throw new NeuronError(`${what}: the neuron learns a parameter called ${taken}, as the layer's own is called; call it otherwise`);
    const names = recurrentNames(neuron);
    const connection = [...(weights === "dense" ? [] : [names.weight]), ...(bias ? [names.bias] : [])];
    super(withRecurrence(neuron, weights, bias, names), { learn: [...(learn || []), ...connection], perChannel: [...perChannel, ...connection], fixed }, "recurrent");
    this.#own = neuron;
    this.#names = names;
    this.#weights = weights;
    this.#hasBias = bias;
    this.#init = init;
  }

  override get options(): Readonly<Record<string, LayerOption>> {
    return { ...super.options, weights: this.#weights, bias: this.#hasBias };
  }

  override get own(): Neuron {
    return this.#own;
  }

  override readableStates(): readonly string[] {
    return Object.keys(this.#own.state);
  }

  override get mix() {
    return this.#weights === "dense" ? { input: this.#names.mixed, state: this.#names.previous, weight: this.#connection[0] } : undefined;
  }

  override parameters(): Parameter[] {
    return [...new Set([...this.#connection, ...super.parameters()])];
  }

  protected override setUp(shape: Shape, context: BuildContext): Shape {
    if (this.#weights === "dense") this.expectShape(shape, ["H"]);
    const channels = shape[shape.length - 1];
    this.#connection = this.#weights === "dense" ? initialParameters(context, [channels, channels], this.#hasBias, this.#init) : elementwise(context, channels, this.#hasBias, this.#init);
    return super.setUp(shape, context);
  }

  protected override makeParameter(context: BuildContext, name: string, length: number): Parameter {
    if (name === this.#names.bias && this.#hasBias) return this.#connection[1];
    if (name === this.#names.weight && this.#weights === "elementwise") return this.#connection[0];
    return super.makeParameter(context, name, length);
  }
}

/** The weight [channels] and, if wanted, the bias [channels] of neurons with one connection each: their fans are 1. */
function elementwise(context: BuildContext, channels: number, hasBias: boolean, init: Init): Parameter[] {
  const deviation = typeof init === "number" ? init : Math.SQRT2;
  const weight = init === "uniform" ? uniformParameter(context, "weight", [channels], 1, true) : normalParameter(context, "weight", [channels], deviation, true);
  if (!hasBias) return [weight];
  return [weight, init === "uniform" ? uniformParameter(context, "bias", [channels], 1, false) : constantParameter(context, "bias", channels, 0)];
}
