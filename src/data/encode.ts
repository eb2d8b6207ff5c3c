import { checkArgument, checkOptions, flag, instanceOf, integer, kind, listOf, type OptionKinds, positive, required } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { Random } from "./random.ts";
import { spikeEncoder } from "./spikeEncoder.ts";

/** An input over time: `data` has the time-major shape [T, B, ...]. */
export interface Encoded {
  data: Float32Array;
  shape: readonly number[];
}

/**
 * Turns one value per input, of shape [B, ...], into a signal over time, of shape [T, B, ...]. Throws a ShapeError if
 * `data` does not fit `shape`, an OptionError if a value is outside what the encoder takes.
 */
export type Encoder = (data: Float32Array, shape: readonly number[]) => Encoded;

/**
 * Direct encoding: the values themselves are the input current of every step. The result has T = 1 and stands for all
 * steps; it shares the memory of `data`. Takes any values.
 */
export function constant(): Encoder {
  return (data, shape) => {
    checkShape(data, shape);
    return { data, shape: [1, ...shape] };
  };
}

export interface PoissonRateOptions {
  /** T. */
  steps: number;
  /** The stream to draw from. It advances by a number of draws that depends on the data. */
  random: Random;
}

const stepsKind = required(integer(1));
const randomKind = instanceOf(Random, "a Random: new Random(seed)");
const poissonKinds: OptionKinds<PoissonRateOptions> = { steps: stepsKind, random: required(randomKind) };

/**
 * Rate encoding: at every step, each input spikes with its intensity, in [0, 1], as the probability.
 * @throws OptionError if an option is unknown, missing or out of range; the encoder throws one for an intensity outside [0, 1].
 */
export function poissonRate(options: PoissonRateOptions): Encoder {
  checkOptions("poissonRate", options, poissonKinds);
  const { steps, random } = options;
  return spikeEncoder((data, shape) => {
    checkShape(data, shape);
    checkIntensities("poissonRate", data);
    const size = data.length;
    const spikes = new Float32Array(steps * size);
    // Most pixels of an image are 0: only the others are visited and draw.
    const active = new Uint32Array(size);
    let count = 0;
    for (let i = 0; i < size; i++) if (data[i] > 0) active[count++] = i;
    for (let start = 0; start < spikes.length; start += size) {
      for (let k = 0; k < count; k++) {
        const i = active[k];
        if (random.uint32() < data[i] * 0x100000000) spikes[start + i] = 1;
      }
    }
    return { data: spikes, shape: [steps, ...shape] };
  });
}

export interface LatencyOptions {
  /** T. */
  steps: number;
  /** Time constant, in steps. Default: 1. */
  tau?: number;
  /** Firing threshold, in (0, 1). Default: 0.01. */
  threshold?: number;
  /** Scale the spike times so that they fill the steps. Default: false. */
  normalize?: boolean;
  /** Spike times linear in the intensity instead of logarithmic. Default: false. */
  linear?: boolean;
  /** Not used: spike times follow from the intensities. With it, `latency` itself can be given as an encoder. */
  random?: Random;
}

const latencyKinds: OptionKinds<LatencyOptions> = {
  steps: stepsKind, tau: positive, threshold: kind("a number in (0, 1) (of 32 bits)", (x) => typeof x === "number" && f32(x) > 0 && f32(x) < 1), normalize: flag, linear: flag, random: randomKind,
};

/**
 * Latency encoding: each input spikes at most once, the earlier the higher its intensity x in [0, 1]. Spike times are
 * those of snnTorch's `spikegen.latency`, in f32, rounded to the nearest step (halves to the even one):
 *
 * - logarithmic: t = tau · ln(x / (x − threshold)), when a leaky integrator under constant current x reaches the threshold;
 *   `normalize` multiplies all times of one call by (T − 1) / their maximum.
 * - linear: t = tau · (1 − x); `normalize` sets tau = T − 1.
 *
 * Intensities below the threshold spike when one just above it would, but 0 never spikes. Nor does a time past the last
 * step (snnTorch with `bypass=True`).
 * @throws OptionError if an option is unknown or out of range; the encoder throws one for an intensity outside [0, 1].
 */
export function latency(options: LatencyOptions): Encoder {
  checkOptions("latency", options, latencyKinds);
  const { steps, tau = 1, threshold = 0.01, normalize = false, linear = false } = options;
  const timesOf = linear ? linearTimes(normalize ? steps - 1 : tau, threshold) : logarithmicTimes(tau, threshold, normalize ? steps : undefined);
  return spikeEncoder((data, shape) => {
    checkShape(data, shape);
    checkIntensities("latency", data);
    const times = timesOf(data);
    const spikes = new Float32Array(steps * data.length);
    for (let i = 0; i < data.length; i++) {
      const step = roundHalfToEven(times[i]);
      if (data[i] > 0 && step < steps) spikes[step * data.length + i] = 1;
    }
    return { data: spikes, shape: [steps, ...shape] };
  });
}

type SpikeTimes = (data: Float32Array) => Float32Array;

const f32 = Math.fround;

/** Keeps x − threshold above 0; snnTorch's default. */
const EPSILON = 1e-7;

function logarithmicTimes(tau: number, threshold: number, steps?: number): SpikeTimes {
  const lowest = f32(threshold + EPSILON);
  const timeOf = (x: number) => f32(tau) * f32(Math.log(f32(x / f32(x - f32(threshold)))));
  const latest = f32(timeOf(lowest));
  return (data) => {
    const times = new Float32Array(data.length);
    let last = 0;
    for (let i = 0; i < data.length; i++) {
      times[i] = data[i] > lowest ? timeOf(data[i]) : latest;
      last = Math.max(last, times[i]);
    }
    if (steps === undefined || last === 0) return times;
    for (let i = 0; i < times.length; i++) times[i] = f32(times[i] * (steps - 1)) / last;
    return times;
  };
}

function linearTimes(tau: number, threshold: number): SpikeTimes {
  const latest = f32(-tau * (threshold - 1));
  return (data) => data.map((x) => Math.min(f32(-tau) * f32(x - 1), latest));
}

function roundHalfToEven(value: number): number {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 === 1 ? rounded - 1 : rounded;
}

const floats = kind("a Float32Array", (x) => x instanceof Float32Array);
const lengths = listOf(integer(0));

function checkShape(data: Float32Array, shape: readonly number[]): void {
  checkArgument("an encoder", "data", data, floats);
  checkArgument("an encoder", "shape", shape, lengths);
  const size = shape.reduce((product, length) => product * length, 1);
  if (data.length !== size) throw new ShapeError(`an encoder was given ${data.length} values: expected ${size} for shape [${shape.join(", ")}]`);
}

function checkIntensities(encoder: string, data: Float32Array): void {
  for (let i = 0; i < data.length; i++) {
    if (!(data[i] >= 0 && data[i] <= 1)) {
      throw new OptionError(`${encoder} was given ${data[i]} at index ${i}: expected intensities in [0, 1] (is the data normalised?)`);
    }
  }
}
