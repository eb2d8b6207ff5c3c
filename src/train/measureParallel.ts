import "../dispose.ts";
import { checkArgument, checkOptions, flag, func, integer, kind, type OptionKinds, required } from "../check.ts";
import { Random } from "../data/random.ts";
import type { Device, Tensor, TimeShare } from "../device/device.ts";
import { DeviceError } from "../errors.ts";
import { elements } from "../nn/axes.ts";
import { BatchNorm } from "../nn/batchNorm.ts";
import type { Layer } from "../nn/layer.ts";
import { leaves, type Model, modelKind } from "../nn/model.ts";
import { clearGradients } from "../nn/parameter.ts";
import { Spiking } from "../nn/spiking.ts";
import { Tape } from "../nn/tape.ts";
import type { ParallelStage, ParallelWorkload } from "../parallel/workload.ts";
import { yieldToEvents } from "./evaluation.ts";
import { median } from "./stepTime.ts";
import { download, modelTensors, upload } from "./weights.ts";

export interface MeasureParallelOptions {
  /** B. */
  batch: number;
  /** Whether the input is [1, B, ...] and holds at all T steps, as that of the encoder `constant`. Default: false. */
  timeConstant?: boolean;
  /** Passes that count, of each size. Default: 5. */
  repetitions?: number;
  /** After each pass that counts. */
  onPass?: (done: number, passes: number) => void;
  /** An AbortSignal: ends it after the pass that runs, with the signal's reason. */
  signal?: { throwIfAborted(): void };
}

const OPTIONS: OptionKinds<MeasureParallelOptions> = {
  batch: required(integer(1)), timeConstant: flag, repetitions: integer(1), onPass: func, signal: kind("an AbortSignal", (x) => typeof (x as AbortSignal | null)?.throwIfAborted === "function"),
};

/**
 * Measures what `planParallel` needs to know of a model: seconds of its layers forward and backward on its device, of random inputs, and what of that stays with half the time steps and half the
 * samples (of one: what does not double). Of several processes each may do so by itself. Weights and statistics are what they were, afterwards.
 * @throws DeviceError for a device that measures no time: take the cpu, or cuda with `profile: true`
 */
export async function measureParallel(model: Model, options: MeasureParallelOptions): Promise<ParallelWorkload> {
  checkArgument("measureParallel", "model", model, modelKind);
  checkOptions("measureParallel", options, OPTIONS);
  const { batch, timeConstant = false, repetitions = 5, onPass, signal } = options;
  const { steps } = model;
  const parts = partsOf(model);
  const others = { steps: other(steps), batch: other(batch) };
  const sizes = [{ steps, batch }, { steps: others.steps, batch }, { steps, batch: others.batch }];
  const before = await download(modelTensors(model));
  try {
    const [whole, ofSteps, ofBatch] = await measured(model, parts, sizes, { timeConstant, repetitions, onPass, signal });
    const stages = parts.map((layers, i): ParallelStage => ({
      ...sizesOf(layers, steps, batch), ...whole[i],
      fixed: { time: fixedShare(whole[i], ofSteps[i], others.steps / steps), batch: fixedShare(whole[i], ofBatch[i], others.batch / batch) },
    }));
    return { steps, batch, stages };
  } finally {
    upload(before, modelTensors(model), "the model");
  }
}

interface Seconds {
  forward: number;
  backward: number;
  /** Share of both in the kernels of neurons. */
  neuronShare: number;
}

/** What is measured besides: half of it, or the double of one. */
const other = (count: number): number => (count === 1 ? 2 : Math.ceil(count / 2));

/** Of seconds that are a + b·share, a as a share of the whole. */
function fixedShare(whole: Seconds, part: Seconds, share: number): number {
  const ratio = (part.forward + part.backward) / (whole.forward + whole.backward);
  return Math.min(1, Math.max(0, (ratio - share) / (1 - share)));
}

/** The innermost layers, in runs that each end with a layer of neurons; what follows the last belongs to it. */
function partsOf({ body }: Model): Layer[][] {
  const parts: Layer[][] = [[]];
  for (const layer of leaves(body)) {
    if (parts.at(-1)!.some((each) => each instanceof Spiking)) parts.push([]);
    parts.at(-1)!.push(layer);
  }
  const last = parts.at(-1)!;
  if (parts.length > 1 && !last.some((layer) => layer instanceof Spiking)) parts.at(-2)!.push(...parts.pop()!);
  return parts;
}

function sizesOf(layers: readonly Layer[], steps: number, batch: number): Omit<ParallelStage, keyof Seconds | "fixed"> {
  const neurons = layers.find((layer) => layer instanceof Spiking);
  const { name, outputShape, activationType } = neurons ?? layers.at(-1)!;
  const size = batch * elements(outputShape);
  return {
    name, batchNorm: layers.some((layer) => layer instanceof BatchNorm), neurons: outputShape.at(-1)!, stateBytes: neurons ? 4 * size * Object.keys(neurons.neuron.state).length : 0,
    parameterBytes: 4 * layers.flatMap((layer) => layer.parameters()).reduce((sum, { value }) => sum + value.size, 0), outputBytes: (activationType === "bf16" ? 2 : 4) * steps * size,
  };
}

type Passes = Required<Pick<MeasureParallelOptions, "timeConstant" | "repetitions">> & Pick<MeasureParallelOptions, "onPass" | "signal">;

/** Seconds of each part for each size: medians over passes, one of each size in turn, so that a noisy machine disturbs all alike; the first of each does not count. */
async function measured(model: Model, parts: readonly Layer[][], sizes: readonly { steps: number; batch: number }[], { timeConstant, repetitions, onPass, signal }: Passes): Promise<Seconds[][]> {
  const random = new Random(0);
  const all = sizes.map((): Seconds[][] => []);
  let done = 0;
  for (let round = -1; round < repetitions; round++) {
    for (const [i, { steps, batch }] of sizes.entries()) {
      await yieldToEvents();
      signal?.throwIfAborted();
      using input = uniform(model.device, random, [timeConstant ? 1 : steps, batch, ...model.inputShape]);
      const seconds = await pass(model, parts, steps, input, random);
      if (round < 0) continue;
      all[i].push(seconds);
      onPass?.(++done, sizes.length * repetitions);
    }
  }
  const of = (passes: Seconds[][], part: number, name: keyof Seconds): number => median(passes.map((each) => each[part][name]));
  return all.map((passes) => parts.map((_, i) => ({ forward: of(passes, i, "forward"), backward: of(passes, i, "backward"), neuronShare: of(passes, i, "neuronShare") })));
}

async function pass(model: Model, parts: readonly Layer[][], steps: number, input: Tensor, random: Random): Promise<Seconds[]> {
  const { device } = model;
  const parameters = model.parameters();
  const names = new Map(parts.flatMap((layers, i) => layers.map(({ name }) => [name, i] as const)));
  using tape = new TimedTape(device, { steps, training: true, random: random.fork("dropout") }, names);
  const timeConstant = input.shape[0] === 1 && steps > 1;
  const run = async (work: () => void): Promise<Spent[]> => {
    await device.synchronize();
    const start = performance.now();
    const spent = tape.timed(work);
    await device.synchronize();
    const seconds = (performance.now() - start) / 1000;
    const total = spent.reduce((sum, { all }) => sum + all, 0);
    if (!(total > 0)) throw new DeviceError(`measureParallel: the device ${device.name} measures no time of its own; take the cpu, or cuda opened with profile: true`);
    return spent.map(({ all, neuron }) => ({ all: (seconds * all) / total, neuron: (seconds * neuron) / total }));
  };
  try {
    const x = tape.input(input, { timeConstant, requiresGradient: parameters.length === 0 });
    let output = x;
    const forward = await run(() => {
      output = model.forward(tape, x);
      // What is pending is computed now.
      void output.value;
    });
    using seed = uniform(device, random, output.value.shape, 1e-3);
    const backward = await run(() => tape.backward(output, seed, parameters.length === 0 ? [x] : []).forEach((gradient) => gradient?.dispose()));
    return parts.map((_, i) => {
      const all = forward[i].all + backward[i].all;
      return { forward: forward[i].all, backward: backward[i].all, neuronShare: all > 0 ? Math.min(1, (forward[i].neuron + backward[i].neuron) / all) : 1 };
    });
  } finally {
    clearGradients(parameters);
  }
}

/** Of a part. */
interface Spent {
  all: number;
  /** In the kernels of neurons. */
  neuron: number;
}

/** Reads the device's time where the work of one part ends and that of another begins. */
class TimedTape extends Tape {
  readonly #parts: ReadonlyMap<string, number>;
  #spent: Spent[] = [];
  #part = 0;
  #since: Readonly<TimeShare>;

  constructor(device: Device, options: ConstructorParameters<typeof Tape>[1], parts: ReadonlyMap<string, number>) {
    super(device, options);
    this.#parts = parts;
    this.#since = device.time;
  }

  /** Milliseconds of the device that `work` took in each part. Layers that are made of others count as the part before. */
  timed(work: () => void): Spent[] {
    this.#spent = Array.from({ length: 1 + Math.max(...this.#parts.values()) }, () => ({ all: 0, neuron: 0 }));
    this.#since = this.device.time;
    work();
    this.#enter(this.#part);
    return this.#spent;
  }

  override within<T>(layer: string | undefined, work: () => T, what?: string): T {
    const outer = this.#part;
    this.#enter((layer === undefined ? undefined : this.#parts.get(layer)) ?? outer);
    try {
      return super.within(layer, work, what);
    } finally {
      this.#enter(outer);
    }
  }

  #enter(part: number): void {
    const { dense, neuron, rest } = this.device.time;
    const spent = this.#spent[this.#part];
    spent.neuron += neuron - this.#since.neuron;
    spent.all += dense + neuron + rest - this.#since.dense - this.#since.neuron - this.#since.rest;
    this.#since = { dense, neuron, rest };
    this.#part = part;
  }
}

/** Values that are drawn; more repeat them. */
const DRAWN = 65521;

function uniform(device: Device, random: Random, shape: readonly number[], bound = 1): Tensor {
  const data = new Float32Array(elements(shape));
  random.uniformInto(data.subarray(0, DRAWN), bound < 1 ? -bound : 0, bound);
  for (let filled = DRAWN; filled < data.length; filled *= 2) data.copyWithin(filled, 0, filled);
  return device.tensor(data, shape);
}
