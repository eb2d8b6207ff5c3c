import { checkArgument, checkOptions, func, instanceOf, integer, kind, object, type OptionKinds, required, show } from "../check.ts";
import { BatchLoader, type BatchLoaderOptions } from "../data/batches.ts";
import { checkDataset, type ImageDataset } from "../data/dataset.ts";
import type { Encoded, Encoder } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import type { Tensor } from "../device/device.ts";
import { isSpikeEncoder } from "../data/spikeEncoder.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { type Model, modelKind } from "../nn/model.ts";
import { Recorder } from "../nn/recorder.ts";
import { Tape } from "../nn/tape.ts";
import type { Variable } from "../nn/variable.ts";
import { TrainingError } from "./error.ts";
import { describeFault, requireFinite } from "./finite.ts";
import { checkedLoss, type Loss, lossKind } from "./loss.ts";
import { modelTensors } from "./weights.ts";

/** Images that are evaluated at a time, unless asked otherwise. */
export const EVALUATION_BATCH = 256;

/** Makes the encoder of one batch; `constant`, `poissonRate` and `latency` are such makers. */
export type EncoderMaker = (options: { steps: number; random: Random }) => Encoder;

export const encoderKind = kind("an encoder: encode.constant, encode.poissonRate, or a function of { steps, random } that returns one", func.accepts);

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
  /** Default: `constant`. */
  encoder?: EncoderMaker;
  /** Default 256. */
  batchSize?: number;
  normalize?: BatchLoaderOptions["normalize"];
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
}

export const evaluateKinds: OptionKinds<TrainerEvaluateOptions> = {
  encoder: encoderKind, batchSize: integer(1), normalize: object, recorder: instanceOf(Recorder, "a Recorder: new Recorder()"), onBatch: func, onScores: func,
};
const kinds: OptionKinds<EvaluateOptions> = {
  ...evaluateKinds, encoder: required(encoderKind), loss: required(lossKind), random: required(instanceOf(Random, "a Random: new Random(seed)")),
};

/**
 * Runs a model over a data set as after training: running statistics, no dropout.
 * @throws TrainingError if a weight or the loss is not finite; OptionError and ShapeError for data or options that are not as they should be.
 */
export async function evaluate(model: Model, dataset: ImageDataset, options: EvaluateOptions): Promise<Evaluation> {
  checkArgument("evaluate", "model", model, modelKind);
  checkOptions("evaluate", options, kinds);
  const { batchSize = EVALUATION_BATCH, encoder, loss, random, normalize, recorder, onBatch, onScores } = options;
  const { device, steps } = model;
  checkFit(model, dataset);
  // A spike is 0 or 1 whatever the weights are: that scores are finite says little.
  await requireFinite(modelTensors(model), "evaluate");
  const loader = new BatchLoader(dataset, { batchSize, normalize });
  const start = performance.now();
  let [lossSum, correct, samples] = [0, 0, 0];
  for (const batch of loader) {
    const { inputs, labels, size } = batch;
    using tape = new Tape(device, { steps, training: false, recorder });
    using input = encodeBatch(model, encoder, random.fork(`encoding of evaluation batch ${samples / batchSize}`), inputs, size);
    const scores = classScores(model.forward(tape, onTape(tape, input)));
    const value = checkedLoss(loss, scores, loss.evaluate(scores, labels, steps));
    onScores?.((await device.read(scores)) as Float32Array, labels);
    const [batchLoss, batchCorrect] = await readScalars(value.loss, value.correct);
    for (const tensor of [value.loss, value.gradient, value.correct]) tensor.dispose();
    if (!Number.isFinite(batchLoss)) {
      throw new TrainingError(`evaluate: the loss ${loss.name} of images ${samples} … ${samples + size - 1} of data set "${dataset.name}" is ${batchLoss}, though all weights are finite: are the model's outputs, or the loss, beyond the numbers of 32 bits?`);
    }
    lossSum += batchLoss * size;
    correct += batchCorrect;
    samples += size;
    onBatch?.(samples);
    await yieldToEvents();
  }
  return { loss: lossSum / samples, accuracy: correct / samples, correct, samples, seconds: (performance.now() - start) / 1000 };
}

/** Encodes a batch of images as `encodeInput` does and uploads it. */
export function encodeBatch(model: Model, encoder: EncoderMaker, random: Random, inputs: Float32Array, size: number): Tensor {
  const { data, shape } = encodeInput(model, encoder, random, inputs, size);
  return model.device.tensor(data, shape);
}

/**
 * Encodes a batch of images in the shape that the model takes, [T, B, ...] or [1, B, ...].
 * @throws OptionError, naming the encoder, if it returns other than finite values of that shape.
 */
export function encodeInput({ inputShape, steps }: Model, encoder: EncoderMaker, random: Random, inputs: Float32Array, size: number): Encoded {
  const encode: unknown = encoder({ steps, random });
  const fail = (problem: string): never => {
    throw new OptionError(`encoder ${encoder.name || "without a name"} ${problem}`);
  };
  if (typeof encode !== "function") return fail(`returned ${show(encode)}: expected a function of (data, shape) that returns { data, shape }`);
  const { data, shape } = Object((encode as Encoder)(inputs, [size, ...inputShape])) as Partial<Encoded>;
  const expected = [size, ...inputShape].join(", ");
  const fits = Array.isArray(shape) && (shape[0] === steps || shape[0] === 1) && shape.slice(1).join(", ") === expected;
  if (!fits) return fail(`gave an input of shape ${show(shape)}: expected [${steps}, ${expected}], or [1, ${expected}] that holds at all steps`);
  if (!(data instanceof Float32Array) || data.length !== shape.reduce((product, length) => product * length, 1)) return fail(`gave data ${show(data)}: expected a Float32Array of shape [${shape.join(", ")}]`);
  // The loader's inputs are finite.
  const fault = data === inputs || isSpikeEncoder(encode as Encoder) ? undefined : describeFault("its input", data, shape);
  return fault === undefined ? { data, shape } : fail(`gave what is not finite: ${fault}`);
}

/** @throws as `checkDataset` does; ShapeError unless the model takes images of the data set, flat or not, and tells its classes apart. */
export function checkFit({ inputShape, outputShape }: Model, dataset: ImageDataset): void {
  checkDataset(dataset);
  const { name, height, width, channels, classes } = dataset;
  const image = [height, width, channels];
  const flat = inputShape.length === 1 && inputShape[0] === height * width * channels;
  if (!flat && inputShape.join() !== image.join()) {
    throw new ShapeError(`the model takes inputs of shape [${inputShape.join(", ")}]; data set "${name}" has images [${image.join(", ")}]`);
  }
  if (outputShape.length !== 1 || outputShape[0] < classes) {
    throw new ShapeError(`the model's output is [${outputShape.join(", ")}] per sample; data set "${name}" needs one value for each of ${classes} classes`);
  }
}

/** Puts an encoded batch on a tape. */
export const onTape = (tape: Tape, input: Tensor): Variable => tape.input(input, { timeConstant: input.shape[0] === 1 && tape.steps > 1 });

/** What a model says of each class, [B, K]. Throws ShapeError for a model without a read-out. */
export function classScores(output: Variable): Tensor {
  if (output.time !== "none") {
    throw new ShapeError(`the model's output is [${output.value.shape}]: expected [B, classes]; end it with a read-out, rate() for example`);
  }
  return output.value;
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
