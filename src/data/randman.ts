import { checkOptions, integer, type OptionKinds, positive, required } from "../check.ts";
import { OptionError } from "../errors.ts";
import { Random } from "./random.ts";
import { elements, type SequenceDataset } from "./sequences.ts";

export interface RandmanOptions {
  /** One manifold for each. */
  classes: number;
  /** Of the manifolds: how many numbers say where on one a sample lies. Default: 2. */
  dimension?: number;
  /** Inputs, each of which spikes once. Default: 100. */
  units?: number;
  /** Of all classes together: the first is of class 0, the second of class 1 and so on. */
  samples: number;
  /** How smooth manifolds are: sines of k periods have amplitudes up to k^−alpha. Default: 2. */
  alpha?: number;
  /** T. Default: 100. */
  steps?: number;
  /** Of the manifolds. Default: 0. */
  seed?: number;
  /** Of the samples on them: "train" and "test" give others of the same manifolds. Default: "train". */
  split?: string;
}

const kinds: OptionKinds<RandmanOptions> = {
  classes: required(integer(1, 65536)), dimension: integer(1), units: integer(1), samples: required(integer(1)), alpha: positive, steps: integer(1), seed: integer(0),
  split: { expected: "the name of a part: \"train\" or \"test\"", accepts: (x) => typeof x === "string" && x !== "" },
};

/** Sines with smaller amplitudes are left out. */
const PRECISION = 1e-3;
const MOST_SINES = 1000;
/** Points of a manifold that its range is taken from. */
const PROBES = 1000;
const LARGEST = 2 ** 31;

/**
 * Randman (F. Zenke and T. P. Vogels, "The remarkable robustness of surrogate gradient learning for instilling complex function in spiking neural networks", Neural
 * Computation 33(4), 2021): a class is a smooth random manifold in the space of spike times, and a sample is a random point on it. Each unit spikes exactly once:
 * the times alone carry the class. Sequences [T, units].
 *
 * Unit j of a class spikes at Π_d Σ_k a_jdk · (k + 1)^−alpha · sin(2π(k · b_jdk · x_d + c_jdk)), with a, b, c and the point x
 * uniform in [0, 1) and k = 1 … ⌈1000^(1/alpha)⌉ − 1 (at most 999), scaled so that the manifold fills the T steps. The range is that of 1000 points drawn for it; the paper's code takes it from the samples themselves,
 * so that their number changes each of them.
 * @throws OptionError if an option is wrong
 */
export function randman(options: RandmanOptions): SequenceDataset {
  checkOptions("randman", options, kinds);
  const { classes, dimension = 2, units = 100, samples, alpha = 2, steps = 100, seed = 0, split = "train" } = options;
  const size = elements([steps, units]);
  if (size > LARGEST || elements([classes, units, dimension, sinesOf(alpha)]) > LARGEST) {
    throw new OptionError(`randman: steps is ${steps}, units is ${units}, dimension is ${dimension} and alpha is ${alpha}: expected less, sequences and manifolds of at most 2^31 values`);
  }
  const source = new Random(seed);
  const manifolds = Array.from({ length: classes }, (_, c) => manifold(source.fork(`manifold ${c}`), units, dimension, alpha));
  const points = source.fork(`points of ${split}`);
  const times = Array.from({ length: samples }, (_, i) => manifolds[i % classes](point(points, dimension)));
  return {
    name: `Randman ${split}`, count: samples, classes, shape: [units], lengths: new Uint32Array(samples).fill(steps), labels: Uint16Array.from(times, (_, i) => i % classes),
    sequence: (index) => {
      const spikes = new Uint8Array(size);
      times[index].forEach((time, unit) => (spikes[Math.min(steps - 1, Math.floor(time * steps)) * units + unit] = 1));
      return spikes;
    },
  };
}

const sinesOf = (alpha: number): number => Math.min(MOST_SINES, Math.ceil(PRECISION ** (-1 / alpha)));

const point = (source: Random, dimension: number): Float64Array => Float64Array.from({ length: dimension }, () => source.uniform());

/** The spike times in [0, 1] of a point on it. */
function manifold(source: Random, units: number, dimension: number, alpha: number): (x: Float64Array) => Float32Array {
  const sines = sinesOf(alpha);
  const draws = Float64Array.from({ length: units * dimension * sines * 3 }, () => source.uniform());
  // No constant term, as in the paper's code.
  for (let at = 0; at < draws.length; at += sines * 3) draws[at] = 0;
  const amplitudes = Float64Array.from({ length: sines }, (_, k) => (k + 1) ** -alpha);
  const value = (unit: number, x: Float64Array): number => {
    let product = 1;
    for (let d = 0; d < dimension; d++) {
      const from = (unit * dimension + d) * sines * 3;
      let sum = 0;
      for (let k = 0; k < sines; k++) {
        const at = from + k * 3;
        sum += draws[at] * amplitudes[k] * Math.sin(2 * Math.PI * (k * draws[at + 1] * x[d] + draws[at + 2]));
      }
      product *= sum;
    }
    return product;
  };
  const probes = Array.from({ length: PROBES }, () => point(source, dimension));
  const ranges = Array.from({ length: units }, (_, unit) => {
    const values = probes.map((x) => value(unit, x));
    return [Math.min(...values), Math.max(...values)];
  });
  return (x) => Float32Array.from(ranges, ([least, most], unit) => Math.min(1, Math.max(0, (value(unit, x) - least) / (most - least || 1))));
}
