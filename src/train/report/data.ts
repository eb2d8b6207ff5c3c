/** All that a training run leaves for its report: plain JSON, written beside it and embedded in it. */
export interface RunReport {
  title: string;
  model: LayerSummary[];
  options: Record<string, string | number | boolean>;
  environment: { device: string; node: string; threads: number; date: string } & Record<string, string | number>;
  epochs: EpochReport[];
  /** Training steps in order; thousands are thinned out for drawing. */
  steps: StepReport[];
  samples: SampleReport[];
  /** Spikes per neuron and time step, 0…1, over the test set. */
  firingRates: { layer: string; rate: number }[];
  /** Milliseconds in each kind of work. */
  time?: { name: string; dense: number; neuron: number; rest: number }[];
  /** Milliseconds of each layer's forward and backward. */
  layerTime?: { name: string; forward: number; backward: number }[];
  /** One training step with time fused into one kernel, and step by step. */
  stepTime?: { fusedMs: number; stepwiseMs: number; speedup: number };
  /** Default: the class numbers. */
  classNames?: string[];
  /** What `scores` of the samples are: "firing rate", "probability". Default "score". */
  scoreName?: string;
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
}

export interface MembraneTrace {
  layer: string;
  neuron: number;
  /** Length T. */
  v: number[];
  spikes: boolean[];
  threshold: number;
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
