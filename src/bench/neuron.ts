import "../device/jax/workers.ts";
import { Random } from "../data/random.ts";
import type { Device, Tensor } from "../device/device.ts";
import { jaxDeviceOf } from "../device/jax/stepwise.ts";
import { OptionError } from "../errors.ts";
import { plan } from "../fusion/plan.ts";
import type { Neuron } from "../neuron/define.ts";
import { Budget, type Tick } from "./budget.ts";
import { hostCost } from "./hostCost.ts";
import { measure, type Round, type Timing } from "./measure.ts";
import { type Stepper, stepper } from "./stepper.ts";

export interface NeuronBenchOptions {
  neuron: Neuron;
  /** T */
  steps: number;
  neurons: number;
  device: Device;
  seed?: number;
  /** Default 20. */
  repetitions?: number;
  /** Default 5. */
  warmUp?: number;
  /** Seconds that the stepped baseline may take, of which it does as many repetitions as fit; 0: it is left out. Default: no limit. */
  budget?: number;
  /** After each repetition, with what its runs took. */
  onRound?: (round: Round<Contestant>) => void;
  /** Some times a second while the baseline is stepped: how far a run is. */
  onStep?: (done: number, steps: number) => void;
  /** Ends the measurement with what has been measured so far. */
  signal?: AbortSignal;
}

/** What is timed, in this order in each repetition. */
export type Contestant = "copy" | "forward" | "backward" | "both" | "stepwiseForward" | "stepwiseBackward" | "stepwiseBoth";

/** One direction, fused against step by step. */
export interface Comparison {
  fusedMs: number;
  /** NaN (null in JSON) where the baseline was left out, as the speed-up is then. */
  stepwiseMs: number;
  speedup: number;
  /** What the fused kernel must move, over its time. */
  GBs: number;
  bytesPerNeuronStep: number;
}

export interface NeuronBench {
  device: string;
  /** What the fused kernels are compared with: jax-js on the same GPU for webgpu, else on wasm. */
  baseline: string;
  /** Why the baseline was left out or has fewer repetitions than were asked for. */
  baselineCut: string | null;
  repetitions: { fused: number; stepwise: number };
  neuron: string;
  steps: number;
  neurons: number;
  /** Share of neuron-steps that spiked. */
  firingRate: number;
  /** A plain copy of [steps, neurons] f32 on the same device in the same run, bytes read plus bytes written. */
  copyGBs: number;
  forward: Comparison;
  backward: Comparison;
  both: Comparison;
  /** What one call of `forward` takes of the host, µs: the median over launches of few neurons. On cpu a call computes, so its work is in it. */
  hostMicroseconds: number;
  /** Fastest and slowest repetition of each contestant, ms. */
  spread: Record<string, [number, number]>;
}

/** Inputs are scaled down until no more than this share of neuron-steps spikes. */
const MAX_RATE = 0.3;

/**
 * Times the fused kernels of a neuron against the same neuron stepped through jax-js (T launches of a jitted step, its vjp backward), on
 * random inputs; `jaxDeviceOf` says where. Medians over interleaved repetitions; compilation and uploads are excluded.
 * @throws OptionError for a neuron with more than one input; the signal's reason if it comes before anything was measured.
 */
export async function benchNeuron({ neuron, steps, neurons, device, seed = 0, repetitions = 20, warmUp = 5, budget: seconds = Infinity, onRound, onStep, signal }: NeuronBenchOptions): Promise<NeuronBench> {
  if (neuron.inputs.length !== 1) throw new OptionError(`bench neuron: ${neuron.name} has ${neuron.inputs.length} inputs, one was expected`);
  const size = steps * neurons;
  const random = new Random(seed);
  const input = new Float32Array(size);
  const spikeGrad = new Float32Array(size);
  random.uniformInto(input, -1, 2.2);
  random.uniformInto(spikeGrad, -1, 1);

  const kernels = plan({ neuron, steps, gradients: [neuron.inputs[0]] });
  const kernel = device.kernel(kernels);
  const owned: Tensor[] = [];
  const own = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
  const x = own(device.tensor(input, [steps, neurons]));
  const spikes = own(device.empty([steps, neurons]));
  const buffers: Record<string, Tensor> = {
    [neuron.inputs[0]]: x, spike: spikes, "d.spike": own(device.tensor(spikeGrad, [steps, neurons])), [`grad.${neuron.inputs[0]}`]: own(device.empty([steps, neurons])),
  };
  for (const [name, value] of Object.entries(neuron.params)) buffers[name] = own(device.tensor(Float32Array.of(value), [1]));
  const { checkpointEvery, states } = kernels;
  const checkpoints = checkpointEvery === null ? 0 : Math.ceil(steps / checkpointEvery) - 1;
  if (checkpoints > 0) for (const name of states) buffers[`checkpoint.${name}`] = own(device.empty([checkpoints, neurons]));
  const launch = { steps, size: neurons, buffers };

  let baseline: Stepper | undefined;
  try {
    const rate = async (): Promise<number> => {
      kernel.forward(launch);
      return ((await device.read(spikes)) as Float32Array).reduce((sum, spike) => sum + spike, 0) / size;
    };
    // A neuron that does not divide its input by a time constant takes less of it.
    let firingRate = await rate();
    for (let tries = 0; firingRate > MAX_RATE && tries < 12; tries++) {
      for (let i = 0; i < size; i++) input[i] *= 0.75;
      device.write(x, input);
      firingRate = await rate();
    }
    const jaxDevice = jaxDeviceOf(device);
    // A round runs each direction twice, alone and after the other.
    const budget = new Budget({ seconds, runs: 4, signal, onTick: onStep });
    if (budget.exhausted === undefined) baseline = stepper(neuron, input, spikeGrad, steps, neurons, jaxDevice);
    const stepped = (run: (tick: Tick) => Promise<void>) => (round: number) => {
      const rounds = round + warmUp;
      const isSpare = round < 0 && rounds > 0 && (budget.spent / rounds) * (warmUp + repetitions) > seconds;
      return isSpare ? false : budget.spend(run);
    };
    const fused = async (work: () => void): Promise<void> => { work(); await device.synchronize(); };
    const times = await measure<Contestant>({
      copy: () => fused(() => device.copy(x, buffers[`grad.${neuron.inputs[0]}`])),
      forward: () => fused(() => kernel.forward(launch)),
      backward: () => fused(() => kernel.backward(launch)),
      both: () => fused(() => { kernel.forward(launch); kernel.backward(launch); }),
      stepwiseForward: stepped((tick) => baseline!.forward(tick)),
      stepwiseBackward: stepped((tick) => baseline!.backward(tick)),
      stepwiseBoth: stepped(async (tick) => {
        await baseline!.forward(tick);
        await baseline!.backward(tick);
      }),
    }, { repetitions, warmUp, onRound, signal });
    if (times.both.repetitions === 0) signal?.throwIfAborted();
    const saved = (4 * checkpoints * states.length) / steps;
    const compare = (fusedTime: Timing, stepwiseTime: Timing, bytes: number): Comparison => ({
      fusedMs: fusedTime.median, stepwiseMs: stepwiseTime.median, speedup: stepwiseTime.median / fusedTime.median,
      GBs: (bytes * size) / fusedTime.median / 1e6, bytesPerNeuronStep: bytes,
    });
    return {
      device: `${device.name}: ${device.description}`, baseline: `jax-js on ${jaxDevice}, one launch a step`,
      baselineCut: budget.exhausted ?? null, repetitions: { fused: times.both.repetitions, stepwise: times.stepwiseBoth.repetitions },
      neuron: neuron.name, steps, neurons, firingRate,
      copyGBs: (8 * size) / times.copy.median / 1e6,
      forward: compare(times.forward, times.stepwiseForward, 8 + saved),
      backward: compare(times.backward, times.stepwiseBackward, 12 + saved),
      both: compare(times.both, times.stepwiseBoth, 20 + 2 * saved),
      hostMicroseconds: await hostCost(device, kernel, steps),
      spread: Object.fromEntries(Object.entries(times).map(([name, { minimum, maximum }]) => [name, [minimum, maximum] as [number, number]])),
    };
  } finally {
    baseline?.dispose();
    for (const tensor of owned) tensor.dispose();
  }
}
