import { checkArgument, checkOptions, object, show } from "../check.ts";
import { type ImageArray } from "../data/dataset.ts";
import { Random } from "../data/random.ts";
import { type Dataset, isSequences, type SequenceDataset } from "../data/sequences.ts";
import { ShapeError } from "../errors.ts";
import { Lengths } from "../nn/lengths.ts";
import { type Model, modelKind } from "../nn/model.ts";
import { Tape } from "../nn/tape.ts";
import { checkFit, classScores, evaluateKinds, onTape, type TrainerEvaluateOptions, yieldToEvents } from "./evaluation.ts";
import { requireFinite } from "./finite.ts";
import { crossEntropy } from "./losses/crossEntropy.ts";
import { sourceOf } from "./source.ts";
import { modelTensors } from "./weights.ts";

export interface Prediction {
  /** The class of the largest score of each sample, the first of several: [count]. */
  classes: Int32Array;
  /** What the read-out gives, firing rates for `rate()`: [count, K]. */
  scores: Float32Array;
}

/**
 * Runs images or sequences through a model as after training: running statistics, no dropout.
 * @param samples images [count, ...inputShape], bytes, which are divided by 255, or floats, which are taken as they are; or a data set of sequences
 * @param options as they were in training: `encoder` (its randomness is always the same), `normalize`
 * @throws ShapeError if the samples are no inputs of the model; OptionError for samples or options that are not as they should be; TrainingError if a weight is not finite.
 */
export async function predict(model: Model, samples: ImageArray | SequenceDataset, options: TrainerEvaluateOptions = {}): Promise<Prediction> {
  checkArgument("predict", "model", model, modelKind);
  checkOptions("predict", options, evaluateKinds);
  const { encoder, batchSize = 256, normalize, padTo, recorder, onBatch } = options;
  const { device, outputShape: [classes] } = model;
  const dataset = datasetOf(model, samples);
  await requireFinite(modelTensors(model), "predict");
  const source = sourceOf(model, dataset, { batchSize, normalize, encoder, padTo }, crossEntropy());
  const random = new Random(0);
  const { count } = dataset;
  const scores = new Float32Array(count * classes);
  for (let done = 0; done < count;) {
    const { input: encoded, steps, lengths, size } = await source.next(random.fork(`encoding from image ${done}`));
    using valid = lengths && new Lengths(device, lengths);
    using tape = new Tape(device, { steps, training: false, recorder, lengths: valid });
    using input = device.tensor(encoded.data, encoded.shape);
    scores.set((await device.read(classScores(model.forward(tape, onTape(tape, input))))) as Float32Array, done * classes);
    done += size;
    onBatch?.(done);
    await yieldToEvents();
  }
  const largest = (row: Float32Array): number => row.indexOf(row.reduce((a, b) => Math.max(a, b)));
  return { classes: Int32Array.from({ length: count }, (_, i) => largest(scores.subarray(i * classes, (i + 1) * classes))), scores };
}

function datasetOf(model: Model, samples: ImageArray | SequenceDataset): Dataset {
  if (object.accepts(samples) && !ArrayBuffer.isView(samples) && isSequences(samples)) {
    checkFit(model, samples);
    return samples;
  }
  const { inputShape, outputShape: [classes] } = model;
  const images = samples as ImageArray;
  const size = inputShape.reduce((product, length) => product * length, 1);
  if (!ArrayBuffer.isView(images) || images.length === 0 || images.length % size !== 0) {
    throw new ShapeError(`predict: images is ${show(images)}: expected a Uint8Array or Float32Array of [count, ${inputShape.join(", ")}], a positive multiple of ${size} values, or a data set of sequences`);
  }
  const count = images.length / size;
  const [height, width, channels] = inputShape.length === 3 ? inputShape : [1, size, 1];
  return { name: "images", images, labels: new Uint8Array(count), count, height, width, channels, classes };
}
