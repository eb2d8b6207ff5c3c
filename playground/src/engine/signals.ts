import { Random } from "../../../src/data/random.ts";
import type { InputSettings } from "./protocol.ts";

/**
 * The input of all neurons, [steps, size]: a signal that they share (a Poisson train is each neuron's own), and white noise of each one's own.
 * The same settings give the same numbers.
 */
export function makeInput({ kind, amplitude, period, rate, jitter, seed }: InputSettings, steps: number, size: number): Float32Array {
  const random = new Random(seed);
  const shared = random.fork("shared");
  const own = random.fork("own");
  const signal = signals[kind]({ steps, period, random: shared });
  const input = new Float32Array(steps * size);
  const events = random.fork("events");
  for (let t = 0; t < steps; t++) {
    for (let n = 0; n < size; n++) {
      const drive = kind === "poisson" ? Number(events.uniform() < rate) : signal[t];
      input[t * size + n] = amplitude * drive + (jitter > 0 ? jitter * own.normal() : 0);
    }
  }
  return input;
}

type Signal = (settings: { steps: number; period: number; random: Random }) => Float32Array;

const over = (steps: number, at: (t: number) => number): Float32Array => Float32Array.from({ length: steps }, (_, t) => at(t));

/** Signals of amplitude 1. */
const signals: Record<InputSettings["kind"], Signal> = {
  constant: ({ steps }) => over(steps, () => 1),
  sine: ({ steps, period }) => over(steps, (t) => (1 - Math.cos((2 * Math.PI * t) / period)) / 2),
  pulses: ({ steps, period }) => over(steps, (t) => Number(t % period < Math.max(1, period / 5))),
  poisson: ({ steps }) => over(steps, () => 0),
  /** Noise with mean 1/2 and standard deviation 1/2 that decorrelates over the period: a first-order autoregression. */
  noise: ({ steps, period, random }) => {
    const keep = Math.exp(-4 / period);
    let y = random.normal();
    return over(steps, () => {
      y = keep * y + Math.sqrt(1 - keep * keep) * random.normal();
      return (1 + y) / 2;
    });
  },
};
