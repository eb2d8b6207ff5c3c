import { checkOptions, func, integer, type OptionKinds } from "../check.ts";
import { BatchLoader } from "../data/batches.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { constant } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import type { Tensor, TimeShare } from "../device/device.ts";
import { clearGradients } from "../nn/parameter.ts";
import { stepwiseForwardBackward } from "../nn/stepwise.ts";
import { Tape } from "../nn/tape.ts";
import { classScores, encodeBatch, type EncoderMaker, onTape } from "./evaluation.ts";
import { OptimizerRun } from "./optimizer.ts";
import type { Trainer } from "./trainer.ts";
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
}

const kindsOfOptions: OptionKinds<StepTimeOptions> = { batchSize: integer(1), encoder: func, repetitions: integer(1), alternate: func };

/**
 * Times a training step with time fused and step by step, on the trainer's model as it is and one batch of the data set.
 * The model's weights and statistics are what they were, afterwards.
 */
export async function compareStepTime({ model, loss, optimizer }: Trainer, dataset: ImageDataset, options: StepTimeOptions = {}): Promise<StepTime> {
  checkOptions("compareStepTime", options, kindsOfOptions);
  const { batchSize = 128, encoder = constant, repetitions = 9, alternate } = options;
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
  const fused = (): void => {
    using tape = new Tape(device, { steps, training: true, random: random.fork("dropout") });
    const output = model.forward(tape, onTape(tape, input));
    using gradient = gradientOf(classScores(output));
    tape.backward(output, gradient);
  };
  const stepwise = (): void =>
    stepwiseForwardBackward(model, slices.length > 0 ? slices : input, gradientOf, { random: random.fork("dropout") });

  const measure = async (pass: () => void, into: Measured): Promise<void> => {
    await device.synchronize();
    const before = device.time;
    const start = performance.now();
    pass();
    update.step(0);
    clearGradients(parameters);
    await device.synchronize();
    into.ms.push(performance.now() - start);
    for (const kind of kinds) into.share[kind] += device.time[kind] - before[kind];
  };
  const [a, b] = [measured(), measured()];
  try {
    for (let i = 0; i < 2; i++) for (const pass of [fused, stepwise]) await measure(pass, measured());
    for (let i = 0; i < repetitions; i++) {
      await measure(fused, a);
      await measure(stepwise, b);
      await alternate?.();
    }
  } finally {
    for (const tensor of [input, ...slices]) tensor.dispose();
    update.dispose();
    upload(weights, modelTensors(model), "the model");
  }
  const [fusedMs, stepwiseMs] = [median(a.ms), median(b.ms)];
  return { fusedMs, stepwiseMs, speedup: stepwiseMs / fusedMs, fused: mean(a), stepwise: mean(b) };
}

interface Measured {
  ms: number[];
  share: { dense: number; neuron: number; rest: number };
}

const kinds = ["dense", "neuron", "rest"] as const;
const measured = (): Measured => ({ ms: [], share: { dense: 0, neuron: 0, rest: 0 } });
const mean = ({ ms, share }: Measured): TimeShare => ({ dense: share.dense / ms.length, neuron: share.neuron / ms.length, rest: share.rest / ms.length });

function median(values: readonly number[]): number {
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
