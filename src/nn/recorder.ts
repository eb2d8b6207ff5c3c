import "../dispose.ts";
import { checkArgument, checkOptions, flag, integer, object, type OptionKinds, required, text } from "../check.ts";
import { type Tensor, tensorKind } from "../device/device.ts";
import { type Neuron, neuronKind } from "../neuron/define.ts";
import { fires, firing } from "../neuron/firing.ts";
import { SynapseCounter, type SynapticOperations } from "./synapses.ts";
import type { Shape } from "./variable.ts";

export interface RecorderOptions {
  /** Keep all spikes, besides counting them. Default false. */
  spikes?: boolean;
  /**
   * With `spikes`: keep this state of the neurons that have it, as each step returns it: "v". Of the neurons that reset at once (`lif`, `integrateAndFire`,
   * `parametricLif`) that is the membrane after the reset; of those whose reset belongs to the next step (`leaky`, `synaptic`), the membrane before it.
   * Default: none.
   */
  membrane?: string;
  /** With `spikes`: keep what decides each spike, the membrane before its reset and the threshold that it is compared with. Default false. */
  firing?: boolean;
  /** Count the spikes of each neuron, besides those of the layer. Default false. */
  perNeuron?: boolean;
  /** Count the operations of the layers with weights. Default false. */
  operations?: boolean;
}

export interface FiringRate {
  /** The layer's name: "1: spiking(lif)". */
  layer: string;
  /** Spikes per neuron and valid step. */
  rate: number;
}

export interface NeuronRates {
  /** The layer's name. */
  layer: string;
  /** Without time and batch. */
  shape: Shape;
  /** Spikes per valid step of each neuron, in the order of `shape`. */
  rates: Float32Array;
}

/** What decides whether a neuron fires: it does where the potential reaches the threshold (exceeds it: `leaky`, `synaptic`). */
export interface FiringRecord {
  /** [T, B, ...]. */
  potential: Float32Array;
  /** [T, B, ...]. */
  threshold: Float32Array;
  /**
   * Whether the potential is the membrane before its reset. Else the neuron calls spike(u, …) with a u that cannot be taken apart into a
   * membrane and a threshold: the potential is u and the threshold 0.
   */
  isMembrane: boolean;
}

export interface LayerRecord {
  layer: string;
  /** T. */
  steps: number;
  batch: number;
  /** Without time and batch. */
  shape: Shape;
  /** Valid steps of each sample, [B]; undefined if all are. */
  lengths?: Int32Array;
  /** [T, B, ...]. */
  spikes: Float32Array;
  /** [T, B, ...]; undefined if none was asked for, or the neuron has no such state. */
  membrane?: Float32Array;
  /** Undefined unless asked for. */
  firing?: FiringRecord;
}

/** What a spiking layer hands to a recorder, each [T, B, ...]. */
export interface Recorded {
  /** Where samples have lengths: those, and how many of the valid steps have a spike, [B, ...]. */
  valid?: { spikes: Tensor; lengths: Int32Array };
  spikes: Tensor;
  membrane: Tensor | undefined;
  potential: Tensor | undefined;
  threshold: Tensor | undefined;
}

const RECORDED: OptionKinds<Recorded> = { valid: object, spikes: required(tensorKind), membrane: tensorKind, potential: tensorKind, threshold: tensorKind };

interface Kept extends Pick<LayerRecord, "layer" | "steps" | "batch" | "shape" | "lengths"> {
  tensors: Omit<Recorded, "valid">;
  isMembrane: boolean;
}

/**
 * Collects what the spiking layers do while passes run whose tapes have it: firing rates over all passes, and if asked
 * for, spikes, membranes, and what decides the spikes. They outlive the tapes, until `dispose`.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #counts: { layer: string; neuronSteps: number; spikes: Tensor }[] = [];
  readonly #perNeuron = new Map<string, { shape: Shape; steps: number; spikes: Tensor }>();
  readonly #kept: Kept[] = [];
  readonly #synapses = new SynapseCounter();

  constructor(options: RecorderOptions = {}) {
    checkOptions<RecorderOptions>("Recorder", options, { spikes: flag, membrane: text, firing: flag, perNeuron: flag, operations: flag });
    this.#options = options;
  }

  /** What is to be recorded of a neuron besides its spikes: a state, and what decides whether it fires. */
  wants(neuron: Neuron): { membrane: string | undefined; firing: boolean } {
    checkArgument("recorder.wants", "neuron", neuron, neuronKind);
    const { state } = neuron;
    const { spikes = false, membrane, firing = false } = this.#options;
    return { membrane: spikes && membrane !== undefined && Object.hasOwn(state, membrane) ? membrane : undefined, firing: spikes && firing && fires(neuron) };
  }

  /** Called by spiking layers. The tensors stay the tape's. */
  add(layer: string, neuron: Neuron, recorded: Recorded): void {
    checkArgument("recorder.add", "layer", layer, text);
    checkArgument("recorder.add", "neuron", neuron, neuronKind);
    checkOptions("recorder.add: recorded", recorded, RECORDED);
    const { next, state } = neuron;
    const { spikes, valid } = recorded;
    const counted = valid?.spikes ?? spikes;
    const [steps, batch, ...shape] = spikes.shape;
    const validSteps = valid ? valid.lengths.reduce((sum, length) => sum + length, 0) : steps * batch;
    {
      using column = counted.reshape([counted.size, 1]);
      this.#counts.push({ layer, neuronSteps: (spikes.size / (steps * batch)) * validSteps, spikes: spikes.device.dense.channelSums(column) });
    }
    if (this.#options.perNeuron) this.#countEach(layer, shape, counted, validSteps);
    if (!this.#options.spikes) return;
    const kept = (tensor: Tensor | undefined): Tensor | undefined => (tensor?.dtype === "bf16" ? tensor.device.dense.cast(tensor, "f32") : tensor?.reshape(tensor.shape));
    this.#kept.push({
      layer, steps, batch, shape, lengths: valid?.lengths, isMembrane: fires(neuron) && firing(next, Object.keys(state)).isMembrane,
      tensors: { spikes: kept(spikes)!, membrane: kept(recorded.membrane), potential: kept(recorded.potential), threshold: kept(recorded.threshold) },
    });
  }

  /** Called by layers with weights: `macs` as the layer says, `x` its input, [T, B, ...] or [1, B, ...]. The tensor stays the tape's. */
  addInput(layer: string, macs: number, x: Tensor): void {
    checkArgument("recorder.addInput", "layer", layer, text);
    checkArgument("recorder.addInput", "macs", macs, integer(1));
    checkArgument("recorder.addInput", "x", x, tensorKind);
    if (this.#options.operations) this.#synapses.add(layer, macs, x);
  }

  #countEach(layer: string, shape: Shape, spikes: Tensor, steps: number): void {
    const { dense } = spikes.device;
    const size = shape.reduce((product, length) => product * length, 1);
    using rows = spikes.reshape([spikes.size / size, size]);
    const counts = dense.sumFirst(rows, 1);
    const before = this.#perNeuron.get(layer);
    if (before) {
      dense.addInto(counts, before.spikes, 1);
      before.spikes.dispose();
    }
    this.#perNeuron.set(layer, { shape, steps: steps + (before?.steps ?? 0), spikes: counts });
  }

  /** The mean rate of each layer, over all passes. */
  async firingRates(): Promise<FiringRate[]> {
    const totals = new Map<string, { spikes: number; neuronSteps: number }>();
    for (const { layer, neuronSteps, spikes } of this.#counts) {
      const total = totals.get(layer) ?? { spikes: 0, neuronSteps: 0 };
      const [count] = await spikes.device.read(spikes);
      totals.set(layer, { spikes: total.spikes + count, neuronSteps: total.neuronSteps + neuronSteps });
    }
    return [...totals].map(([layer, { spikes, neuronSteps }]) => ({ layer, rate: spikes / neuronSteps }));
  }

  /** The rate of each neuron, over all passes and samples. Empty without `perNeuron: true`. */
  async neuronRates(): Promise<NeuronRates[]> {
    const read = async ([layer, { shape, steps, spikes }]: [string, { shape: Shape; steps: number; spikes: Tensor }]): Promise<NeuronRates> =>
      ({ layer, shape, rates: Float32Array.from(await spikes.device.read(spikes), (count) => count / steps) });
    return Promise.all([...this.#perNeuron].map(read));
  }

  /** What the layers with weights compute for a sample, on average over all passes. Empty without `operations: true`. */
  synapticOperations(): Promise<SynapticOperations[]> {
    return this.#synapses.read();
  }

  /** What was kept, pass by pass and in each in the order in which layers ran. Empty without `spikes: true`. */
  async records(): Promise<LayerRecord[]> {
    const read = async (tensor: Tensor | undefined) => tensor && ((await tensor.device.read(tensor)) as Float32Array);
    return Promise.all(this.#kept.map(async ({ layer, steps, batch, shape, lengths, isMembrane, tensors }) => {
      const [spikes, membrane, potential, threshold] = await Promise.all([tensors.spikes, tensors.membrane, tensors.potential, tensors.threshold].map(read));
      return { layer, steps, batch, shape, ...(lengths && { lengths }), spikes: spikes!, membrane, firing: potential && threshold && { potential, threshold, isMembrane } };
    }));
  }

  dispose(): void {
    const tensors = [...this.#counts.map(({ spikes }) => spikes), ...[...this.#perNeuron.values()].map(({ spikes }) => spikes), ...this.#kept.flatMap((kept) => Object.values(kept.tensors))];
    for (const tensor of tensors) tensor?.dispose();
    this.#synapses.dispose();
    this.#counts.length = 0;
    this.#perNeuron.clear();
    this.#kept.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
