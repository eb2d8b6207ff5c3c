import { checkArgument, checkOptions, show } from "../check.ts";
import { BatchLoader } from "../data/batches.ts";
import type { ImageArray } from "../data/dataset.ts";
import { constant } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import { ShapeError } from "../errors.ts";
import { type Model, modelKind } from "../nn/model.ts";
import { Tape } from "../nn/tape.ts";
import { encodeBatch } from "./encoding.ts";
import { classScores, evaluateKinds, onTape, type TrainerEvaluateOptions, yieldToEvents } from "./evaluation.ts";
import { requireFinite } from "./finite.ts";
import { modelTensors } from "./weights.ts";

export interface Prediction {
  /** The class of the largest score of each image, the first of several: [count]. */
  classes: Int32Array;
  /** What the read-out gives, firing rates for `rate()`: [count, K]. */
  scores: Float32Array;
}

/**
 * Runs images through a model as after training: running statistics, no dropout.
 * @param images [count, ...inputShape]: bytes, which are divided by 255, or floats, which are taken as they are
 * @param options as they were in training: `encoder` (its randomness is always the same), `normalize`
 * @throws ShapeError if the images are not a whole number of inputs of the model; OptionError for images or options that are not as they should be; TrainingError if
 * a weight is not finite.
 */
export async function predict(model: Model, images: ImageArray, options: TrainerEvaluateOptions = {}): Promise<Prediction> {
  checkArgument("predict", "model", model, modelKind);
  checkOptions("predict", options, evaluateKinds);
  const { encoder = constant, batchSize = 256, normalize, recorder, onBatch } = options;
  const { device, steps, inputShape, outputShape } = model;
  const size = inputShape.reduce((product, length) => product * length, 1);
  const [classes] = outputShape;
  if (!ArrayBuffer.isView(images) || images.length === 0 || images.length % size !== 0) {
    throw new ShapeError(`predict: images is ${show(images)}: expected a Uint8Array or Float32Array of [count, ${inputShape.join(", ")}], a positive multiple of ${size} values`);
  }
  await requireFinite(modelTensors(model), "predict");
  const count = images.length / size;
  const [height, width, channels] = inputShape.length === 3 ? inputShape : [1, size, 1];
  const loader = new BatchLoader({ name: "images", images, labels: new Uint8Array(count), count, height, width, channels, classes }, { batchSize, normalize });
  const random = new Random(0);
  const scores = new Float32Array(count * classes);
  let done = 0;
  for (const { inputs, size: rows } of loader) {
    using tape = new Tape(device, { steps, training: false, recorder });
    using input = encodeBatch(model, encoder, random.fork(`encoding from image ${done}`), inputs, rows);
    scores.set((await device.read(classScores(model.forward(tape, onTape(tape, input))))) as Float32Array, done * classes);
    done += rows;
    onBatch?.(done);
    await yieldToEvents();
  }
  const largest = (row: Float32Array): number => row.indexOf(row.reduce((a, b) => Math.max(a, b)));
  return { classes: Int32Array.from({ length: count }, (_, i) => largest(scores.subarray(i * classes, (i + 1) * classes))), scores };
}
