import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import type { Shape } from "./variable.ts";

export interface RecorderOptions {
  /** Keep all spikes, besides counting them. */
  spikes?: boolean;
  /** Keep this state of the neurons that have it, after each step (and its reset): "v". */
  membrane?: string;
}

export interface FiringRate {
  /** The layer's name: "1: spiking(lif)". */
  layer: string;
  /** Spikes per neuron and step. */
  rate: number;
}

export interface LayerRecord {
  layer: string;
  /** T. */
  steps: number;
  batch: number;
  /** Without time and batch. */
  shape: Shape;
  /** [T, B, ...]. */
  spikes: Float32Array;
  /** [T, B, ...]; undefined if none was asked for, or the neuron has no such state. */
  membrane?: Float32Array;
}

interface Kept extends Omit<LayerRecord, "spikes" | "membrane"> {
  spikes: Tensor;
  membrane: Tensor | undefined;
}

/**
 * Collects what the spiking layers do while passes run whose tapes have it: firing rates over all passes, and if asked
 * for spikes and membranes. They outlive the tapes, until `dispose`.
 */
export class Recorder {
  readonly #options: RecorderOptions;
  readonly #counts: { layer: string; neuronSteps: number; spikes: Tensor }[] = [];
  readonly #kept: Kept[] = [];

  constructor(options: RecorderOptions = {}) {
    this.#options = options;
  }

  /** States to be recorded of a neuron. */
  traces(states: readonly string[]): readonly string[] {
    const { membrane } = this.#options;
    return membrane !== undefined && states.includes(membrane) ? [membrane] : [];
  }

  /** Called by spiking layers. The tensors, [T, B, ...], stay the tape's. */
  add(layer: string, spikes: Tensor, membrane: Tensor | undefined): void {
    const column = spikes.reshape([spikes.size, 1]);
    this.#counts.push({ layer, neuronSteps: spikes.size, spikes: spikes.device.dense.channelSums(column) });
    column.dispose();
    if (!this.#options.spikes) return;
    const [steps, batch, ...shape] = spikes.shape;
    this.#kept.push({ layer, steps, batch, shape, spikes: spikes.reshape(spikes.shape), membrane: membrane?.reshape(membrane.shape) });
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

  /** What was kept, pass by pass and in each in the order in which layers ran. Empty without `spikes: true`. */
  async records(): Promise<LayerRecord[]> {
    const read = async (tensor: Tensor): Promise<Float32Array> => (await tensor.device.read(tensor)) as Float32Array;
    return Promise.all(this.#kept.map(async ({ spikes, membrane, ...rest }) => ({ ...rest, spikes: await read(spikes), membrane: membrane && (await read(membrane)) })));
  }

  dispose(): void {
    for (const { spikes } of this.#counts) spikes.dispose();
    for (const { spikes, membrane } of this.#kept) {
      spikes.dispose();
      membrane?.dispose();
    }
    this.#counts.length = 0;
    this.#kept.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
