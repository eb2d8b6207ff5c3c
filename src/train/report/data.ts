import type { TimeShare } from "../../device/device.ts";

/** Names and values, for readers. */
export type Settings = Record<string, string | number | boolean>;

/** All that a training run leaves for its report: plain JSON, written beside it and embedded in it. */
export interface RunReport {
  title: string;
  model: LayerSummary[];
  /** What the run was asked for. */
  options: Settings;
  /** The optimiser, the loss, the schedule, the seed. */
  training: Settings;
  /** Where it ran. */
  environment: { device: string; date: string } & Record<string, string | number>;
  epochs: EpochReport[];
  /** Training steps in order; thousands are thinned out. */
  steps: StepReport[];
  samples: SampleReport[];
  /** On the test set, by layer. */
  firingRates: LayerRate[];
  /** Of the layers with weights, for a test sample. */
  operations?: LayerOperations[];
  /** Test images of each class (row) by the class that they were taken for (column). */
  confusion?: number[][];
  /** One training step with time fused into one kernel, and step by step. */
  stepTime?: StepTimeReport;
  /** Default: the class numbers. */
  classNames?: string[];
  /** What `scores` of the samples are: "firing rate", "probability". Default "score". */
  scoreName?: string;
  /** What the training complained of. */
  warnings?: string[];
  notes?: string[];
}

export interface LayerSummary {
  name: string;
  /** Without time and batch. */
  outputShape: number[];
  parameters: number;
}

export interface EpochReport {
  /** From 1. */
  epoch: number;
  /** Training steps done by its end; default: the recorded steps spread evenly over the epochs. */
  step?: number;
  trainLoss: number;
  /** Fractions 0…1. */
  trainAccuracy: number;
  testLoss: number;
  testAccuracy: number;
  seconds: number;
  samplesPerSecond: number;
}

export interface StepReport {
  /** From 1, over all epochs. */
  step: number;
  loss: number;
  accuracy: number;
}

export interface LayerRate {
  layer: string;
  /** Spikes per neuron and time step, 0…1. */
  rate: number;
  neurons?: NeuronRates;
}

export interface LayerOperations {
  layer: string;
  /** Multiply-accumulates without spikes. */
  macs: number;
  /** Share of the inputs that are not zero. */
  density: number;
  /** Over all steps. */
  operations: number;
  /** Whether each is an addition, as inputs are 0 or 1. */
  additions: boolean;
}

/** How the rates of a layer's neurons are spread. */
export interface NeuronRates {
  count: number;
  /** Never fired. */
  dead: number;
  /** Fired in nearly every step. */
  saturated: number;
  /** Neurons by their rate, in ranges of equal width that cover 0…1. */
  histogram: number[];
}

/** Milliseconds. */
export interface StepTimeReport {
  fusedMs: number;
  stepwiseMs: number;
  speedup: number;
  /** Where the device's time goes; all 0 on a device that does not measure it. */
  fused: TimeShare;
  stepwise: TimeShare;
}

export interface SampleReport {
  /** Grey values 0…255, row-major. */
  image: { width: number; height: number; pixels: number[] };
  label: number;
  prediction: number;
  /** One per class, not negative. */
  scores: number[];
  layers: Raster[];
  membranes: MembraneTrace[];
}

export interface Raster {
  name: string;
  /** T. */
  steps: number;
  /** Neurons shown, of `totalNeurons`. */
  neurons: number;
  totalNeurons: number;
  /** One [t, neuron] per spike. */
  spikes: [t: number, neuron: number][];
  /** Whether neuron k stands for class k. */
  classes?: boolean;
}

export interface MembraneTrace {
  layer: string;
  neuron: number;
  /** The membrane before its reset, length T; of a neuron whose spike cannot be split into membrane and threshold, u of spike(u, …). */
  v: number[];
  spikes: boolean[];
  /** At each step, if it is not the same at all. */
  threshold: number | number[];
  /** Whether `v` is the membrane. Default true. */
  isMembrane?: boolean;
}

/**
 * The raster of a layer's spikes [T, size], of at most `shown` neurons that lie evenly spaced.
 */
export function rasterOf(name: string, spikes: ArrayLike<number>, steps: number, shown = 64): Raster {
  const totalNeurons = spikes.length / steps;
  const neurons = Math.min(shown, totalNeurons);
  const pairs: Raster["spikes"] = [];
  for (let t = 0; t < steps; t++)
    for (let row = 0; row < neurons; row++)
      if (spikes[t * totalNeurons + Math.floor((row * totalNeurons) / neurons)] !== 0) pairs.push([t, row]);
  return { name, steps, neurons, totalNeurons, spikes: pairs };
}

const RANGES = 50;
/** Of the steps. */
const NEARLY_ALL = 0.95;

/** How rates in 0…1, one for each neuron, are spread. */
export function spreadOf(rates: ArrayLike<number>): NeuronRates {
  const histogram = Array.from({ length: RANGES }, () => 0);
  let [dead, saturated] = [0, 0];
  for (let i = 0; i < rates.length; i++) {
    histogram[Math.max(0, Math.min(RANGES - 1, Math.floor(rates[i] * RANGES)))]++;
    if (rates[i] === 0) dead++;
    if (rates[i] >= NEARLY_ALL) saturated++;
  }
  return { count: rates.length, dead, saturated, histogram };
}

/** How often each class (row) was taken for each (column). */
export function confusionMatrix(labels: ArrayLike<number>, predictions: ArrayLike<number>, classes: number): number[][] {
  const matrix = Array.from({ length: classes }, () => Array.from({ length: classes }, () => 0));
  for (let i = 0; i < labels.length; i++) matrix[labels[i]][predictions[i]]++;
  return matrix;
}
