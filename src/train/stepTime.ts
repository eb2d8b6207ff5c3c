import { checkArgument, checkOptions, func, instanceOf, integer, kind, type OptionKinds, positive } from "../check.ts";
import { BatchLoader } from "../data/batches.ts";
import { checkDataset, type ImageDataset } from "../data/dataset.ts";
import { constant } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import type { Tensor, TimeShare } from "../device/device.ts";
import { clearGradients } from "../nn/parameter.ts";
import { stepwiseForwardBackward } from "../nn/stepwise.ts";
import { Tape } from "../nn/tape.ts";
import { encodeBatch, type EncoderMaker } from "./encoding.ts";
import { classScores, onTape, yieldToEvents } from "./evaluation.ts";
import { OptimizerRun } from "./optimizer.ts";
import { Trainer } from "./trainer.ts";
import { download, modelTensors, upload } from "./weights.ts";

/** One training step (forward, loss, backward, update), in milliseconds. */
export interface StepTime {
  /** Median, with all time steps in one kernel for each spiking layer. */
  fusedMs: number;
  /** Median, one time step after the other. */
  stepwiseMs: number;
  /** stepwiseMs / fusedMs. */
  speedup: number;
  /** Where the time of the device goes: means per training step. */
  fused: TimeShare;
  stepwise: TimeShare;
}

export interface StepTimeOptions {
  /** Default 128. */
  batchSize?: number;
  encoder?: EncoderMaker;
  /** Of each of the two, taken in turn after a warm-up. Default 9. */
  repetitions?: number;
  /** Called after each pair, so that another contestant can take its turn between them. */
  alternate?: () => Promise<void>;
  /** Seconds that all of it may take: then there are fewer repetitions, and none if not even one pass step by step can be done. Default: no limit. */
  budget?: number;
  /** An AbortSignal, which ends it early, as the budget does. */
  signal?: { readonly aborted: boolean };
}

type Unlimited = Omit<StepTimeOptions, "budget" | "signal">;

/** Pairs that are not counted, where there is time for more. */
const WARM_UPS = 2;

const kindsOfOptions: OptionKinds<StepTimeOptions> = {
  batchSize: integer(1), encoder: func, repetitions: integer(1), alternate: func, budget: positive, signal: kind("an AbortSignal", (x) => typeof (x as AbortSignal | null)?.aborted === "boolean"),
};

/**
 * Times a training step with time fused and step by step, on the trainer's model as it is and one batch of the data set.
 * The model's weights and statistics are what they were, afterwards.
 * @returns undefined if the budget or the signal left no time for one pass of each.
 */
export function compareStepTime(trainer: Trainer, dataset: ImageDataset, options?: Unlimited): Promise<StepTime>;
export function compareStepTime(trainer: Trainer, dataset: ImageDataset, options: StepTimeOptions): Promise<StepTime | undefined>;
export async function compareStepTime(trainer: Trainer, dataset: ImageDataset, options: StepTimeOptions = {}): Promise<StepTime | undefined> {
  checkArgument("compareStepTime", "trainer", trainer, instanceOf(Trainer, "a Trainer: new Trainer(model, { optimizer })"));
  checkDataset(dataset);
  checkOptions("compareStepTime", options, kindsOfOptions);
  const { batchSize = 128, encoder = constant, repetitions = 9, alternate, budget = Infinity, signal } = options;
  const deadline = performance.now() + budget * 1000;
  const hasTimeFor = (ms: number): boolean => performance.now() + ms < deadline && signal?.aborted !== true;
  const { model, loss, optimizer } = trainer;
  const { device, steps } = model;
  const random = new Random(0);
  const batch = new BatchLoader(dataset, { batchSize: Math.min(batchSize, dataset.count), shuffle: true, random }).next();
  const parameters = model.parameters();
  const weights = await download(modelTensors(model));
  const update = new OptimizerRun(optimizer.optimizer, parameters, device);
  const input = encodeBatch(model, encoder, random, batch.inputs, batch.size);
  const slices = input.shape[0] === 1 ? [] : await timeSlices(input);

  const gradientOf = (output: Tensor): Tensor => {
    const { loss: value, correct, gradient } = loss.evaluate(output, batch.labels, steps);
    value.dispose();
    correct.dispose();
    return gradient;
  };
  const fused = (): boolean => {
    using tape = new Tape(device, { steps, training: true, random: random.fork("dropout") });
    const output = model.forward(tape, onTape(tape, input));
    using gradient = gradientOf(classScores(output));
    tape.backward(output, gradient);
    return true;
  };
  const stepwise = (): boolean =>
    stepwiseForwardBackward(model, slices.length > 0 ? slices : input, gradientOf, { random: random.fork("dropout"), goOn: () => hasTimeFor(0) });

  const measure = async (pass: () => boolean): Promise<Measured | undefined> => {
    await yieldToEvents();
    await device.synchronize();
    const before = device.time;
    const start = performance.now();
    const isWhole = pass();
    if (isWhole) update.step(0);
    clearGradients(parameters);
    await device.synchronize();
    const after = device.time;
    return isWhole ? { ms: performance.now() - start, share: { dense: after.dense - before.dense, neuron: after.neuron - before.neuron, rest: after.rest - before.rest } } : undefined;
  };
  const pairs: [fused: Measured, stepwise: Measured][] = [];
  try {
    while (pairs.length < WARM_UPS + repetitions && hasTimeFor(pairs.length === 0 ? 0 : msOf(pairs[pairs.length - 1]))) {
      const [a, b] = [await measure(fused), await measure(stepwise)];
      if (!a || !b) break;
      pairs.push([a, b]);
      if (pairs.length > WARM_UPS) await alternate?.();
    }
  } finally {
    for (const tensor of [input, ...slices]) tensor.dispose();
    update.dispose();
    upload(weights, modelTensors(model), "the model");
  }
  if (pairs.length === 0) return undefined;
  const counted = pairs.slice(Math.min(WARM_UPS, pairs.length - 1));
  const [a, b] = [counted.map(([each]) => each), counted.map(([, each]) => each)];
  const [fusedMs, stepwiseMs] = [a, b].map((all) => median(all.map(({ ms }) => ms)));
  return { fusedMs, stepwiseMs, speedup: stepwiseMs / fusedMs, fused: meanShare(a), stepwise: meanShare(b) };
}

interface Measured {
  ms: number;
  share: TimeShare;
}

const msOf = ([a, b]: [Measured, Measured]): number => a.ms + b.ms;

const meanShare = (all: readonly Measured[]): TimeShare => {
  const mean = (kind: keyof TimeShare): number => all.reduce((sum, { share }) => sum + share[kind], 0) / all.length;
  return { dense: mean("dense"), neuron: mean("neuron"), rest: mean("rest") };
};

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((x, y) => x - y);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** [T, B, ...] as T tensors [1, B, ...]. */
async function timeSlices(input: Tensor): Promise<Tensor[]> {
  const { device, shape: [steps, ...rest] } = input;
  const data = await device.read(input);
  const size = data.length / steps;
  return Array.from({ length: steps }, (_, t) => device.tensor(data.slice(t * size, (t + 1) * size), [1, ...rest]));
}
