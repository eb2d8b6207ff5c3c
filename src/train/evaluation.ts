import { checkArgument, checkOptions, func, instanceOf, integer, object, type OptionKinds, required } from "../check.ts";
import type { BatchLoaderOptions } from "../data/batches.ts";
import { checkDataset } from "../data/dataset.ts";
import { Random } from "../data/random.ts";
import type { SequenceLoaderOptions } from "../data/sequenceLoader.ts";
import { checkSequences, type Dataset, elements, isSequences } from "../data/sequences.ts";
import type { Tensor } from "../device/device.ts";
import { groupKind } from "../nn/statistics.ts";
import { ShapeError } from "../errors.ts";
import { Lengths } from "../nn/lengths.ts";
import { type Model, modelKind } from "../nn/model.ts";
import { Recorder } from "../nn/recorder.ts";
import { Tape } from "../nn/tape.ts";
import { TimeChunk } from "../nn/timeChunk.ts";
import type { Variable } from "../nn/variable.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import { encoderKind, type EncoderMaker } from "./encoding.ts";
import { TrainingError } from "./error.ts";
import { requireFinite } from "./finite.ts";
import { checkedLoss, type Loss, lossKind } from "./loss.ts";
import { exchangeValues } from "./ranks.ts";
import { sourceOf } from "./source.ts";
import { checkSteps, partOf, wholeScores } from "./timeChunks.ts";
import { modelTensors } from "./weights.ts";

/** Samples that are evaluated at a time, unless asked otherwise. */
export const EVALUATION_BATCH = 256;

export interface Evaluation {
  /** Mean over all samples. */
  loss: number;
  /** Fraction 0…1. */
  accuracy: number;
  correct: number;
  samples: number;
  seconds: number;
}

/** Of `Trainer.evaluate`. */
export interface TrainerEvaluateOptions {
  /** Of images. Default: `constant`. */
  encoder?: EncoderMaker;
  /** Default 256. */
  batchSize?: number;
  normalize?: BatchLoaderOptions["normalize"];
  /** Of sequences: T of a batch is rounded up to a multiple of it. Default: to an eighth of a power of two. */
  padTo?: SequenceLoaderOptions["padTo"];
  recorder?: Recorder;
  /** Called after each batch with the samples done so far. */
  onBatch?: (samples: number) => void;
  /** Called with what the model says of each class for the samples of a batch, [B, K], and with their labels, [B]. */
  onScores?: (scores: Float32Array, labels: Int32Array) => void;
}

export interface EvaluateOptions extends TrainerEvaluateOptions {
  encoder: EncoderMaker;
  loss: Loss;
  /** The encoder's randomness is forked from it by batch: every evaluation sees the same spikes. */
  random: Random;
  /** Of ranks that share the samples: all call it, and have the same result. Default: this process has all samples. */
  group?: ProcessGroup;
}

export const evaluateKinds: OptionKinds<TrainerEvaluateOptions> = {
  encoder: encoderKind, batchSize: integer(1), normalize: object, padTo: integer(1), recorder: instanceOf(Recorder, "a Recorder: new Recorder()"), onBatch: func, onScores: func,
};
const kinds: OptionKinds<EvaluateOptions> = {
  ...evaluateKinds, encoder: required(encoderKind), loss: required(lossKind), random: required(instanceOf(Random, "a Random: new Random(seed)")), group: groupKind,
};

/**
 * Runs a model over a data set as after training: running statistics, no dropout.
 * @throws TrainingError if a weight or the loss is not finite; OptionError and ShapeError for data or options that are not as they should be.
 */
export async function evaluate(model: Model, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  return evaluateOn(undefined, model, dataset, options);
}

/** As `evaluate`, where `chunks` are processes that have a chunk of time each: all make the same call and are told the same. */
export async function evaluateOn(chunks: ProcessGroup | undefined, model: Model, dataset: Dataset, options: EvaluateOptions): Promise<Evaluation> {
  checkArgument("evaluate", "model", model, modelKind);
  checkOptions("evaluate", options, kinds);
  const { batchSize = EVALUATION_BATCH, encoder, loss, random, normalize, padTo, recorder, onBatch, onScores, group: ranks } = options;
  const group = ranks && ranks.size > 1 ? ranks : undefined;
  const { device } = model;
  checkFit(model, dataset);
  // A spike is 0 or 1 whatever the weights are: that scores are finite says little.
  await requireFinite(modelTensors(model), "evaluate");
  const source = sourceOf(model, dataset, { batchSize, normalize, encoder, padTo, group }, loss);
  const start = performance.now();
  let [lossSum, correct, samples] = [0, 0, 0];
  for (let i = 0; i < source.batchesPerEpoch; i++) {
    const { input: encoded, steps, lengths, labels, lossLabels, size: all, share } = await source.next(random.fork(`encoding of evaluation batch ${i}`));
    const size = share?.own ?? all;
    if (size === 0) continue;
    using valid = lengths && new Lengths(device, lengths);
    if (chunks) checkSteps(steps, chunks, "evaluate: a batch has");
    using chunk = chunks && new TimeChunk(chunks, steps);
    const { data, shape } = chunk ? partOf(encoded, chunk.own, { from: 0, count: size }) : encoded;
    using tape = new Tape(device, { steps: chunk?.count ?? steps, training: false, recorder, lengths: valid, carry: chunk });
    using input = device.tensor(data, shape);
    const own = classScores(model.forward(tape, onTape(tape, input)), loss.over);
    using whole = chunks && wholeScores(chunks, own, steps, loss.over);
    const scores = whole ?? own;
    const value = checkedLoss(loss, scores, loss.evaluate(scores, lossLabels, steps, lengths));
    onScores?.(await scoresOfSamples(scores, size, lengths), labels);
    const [batchLoss, batchCorrect] = await readScalars(value.loss, value.correct);
    for (const tensor of [value.loss, value.gradient, value.correct]) tensor.dispose();
    if (!Number.isFinite(batchLoss)) {
      throw new TrainingError(`evaluate: the loss ${loss.name} of ${isSequences(dataset) ? "samples" : "images"} ${samples} … ${samples + size - 1} of data set "${dataset.name}" is ${batchLoss}, though all weights are finite: are the model's outputs, or the loss, beyond the numbers of 32 bits?`);
    }
    lossSum += batchLoss * size;
    correct += batchCorrect;
    samples += size;
    onBatch?.(samples);
    await yieldToEvents();
  }
  if (group) {
    const all = await exchangeValues(group, () => [lossSum, correct, samples]);
    [lossSum, correct, samples] = [0, 1, 2].map((i) => all.reduce((sum, values) => sum + values[i], 0));
  }
  return { loss: lossSum / samples, accuracy: correct / samples, correct, samples, seconds: (performance.now() - start) / 1000 };
}

/** @throws as `checkDataset` and `checkSequences` do; ShapeError unless the model takes images or steps of the data set, flat or not, and tells its classes apart. */
export function checkFit({ inputShape, outputShape }: Model, dataset: Dataset): void {
  const ofSequences = isSequences(dataset);
  if (ofSequences) checkSequences(dataset);
  else checkDataset(dataset);
  const { name, classes } = dataset;
  const shape = ofSequences ? dataset.shape : [dataset.height, dataset.width, dataset.channels];
  const flat = inputShape.length === 1 && inputShape[0] === elements(shape);
  if (!flat && inputShape.join() !== shape.join()) {
    throw new ShapeError(`the model takes inputs of shape [${inputShape.join(", ")}]; data set "${name}" has ${ofSequences ? "steps" : "images"} [${shape.join(", ")}]`);
  }
  if (outputShape.length !== 1 || outputShape[0] < classes) {
    throw new ShapeError(`the model's output is [${outputShape.join(", ")}] per sample; data set "${name}" needs one value for each of ${classes} classes`);
  }
}

/** Puts an encoded batch on a tape. */
export const onTape = (tape: Tape, input: Tensor): Variable => tape.input(input, { timeConstant: input.shape[0] === 1 && tape.steps > 1 });

/**
 * What a model says of each class, for a loss: [B, K], or of steps [T, B, K].
 * @throws ShapeError for a model whose read-out the loss is not for.
 */
export function classScores(output: Variable, over: Loss["over"] = "samples"): Tensor {
  const given = (): string => `the model's output is [${output.value.shape}]`;
  if (over === "steps") {
    if (output.time !== "varying") throw new ShapeError(`${given()}, and the loss is over steps: expected [T, B, classes]; end the model with a read-out that keeps time, everyStep() or membranes()`);
  } else if (output.time !== "none") {
    throw new ShapeError(`${given()}: expected [B, classes]; end it with a read-out, rate() for example${output.time === "varying" ? ', or give it a loss over steps: crossEntropy({ over: "steps" })' : ""}`);
  }
  return output.value;
}

/** Σ over the valid steps of scores [T, B, K] → [B, K]; those of a model without time as they are. */
export async function scoresOfSamples(scores: Tensor, size: number, lengths: Int32Array | undefined): Promise<Float32Array> {
  const values = (await scores.device.read(scores)) as Float32Array;
  if (scores.shape.length === 2) return values;
  const [steps, batch, classes] = scores.shape;
  const sums = new Float32Array(size * classes);
  for (let t = 0; t < steps; t++)
    for (let sample = 0; sample < batch; sample++)
      if (t < (lengths?.[sample] ?? steps)) for (let k = 0; k < classes; k++) sums[sample * classes + k] += values[(t * batch + sample) * classes + k];
  return sums;
}

export async function readScalars(...tensors: Tensor[]): Promise<number[]> {
  return (await Promise.all(tensors.map((tensor) => tensor.device.read(tensor)))).map((values) => values[0]);
}

/** Lets timers, signals and drawing have their turn. Browsers make nested timers wait 4 ms; a message arrives at once. */
export const yieldToEvents = (): Promise<void> =>
  new Promise((resolve) => {
    if (typeof setImmediate === "function") return void setImmediate(resolve);
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
