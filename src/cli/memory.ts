import type { Dataset } from "../data/sequences.ts";
import { DeviceError } from "../errors.ts";
import type { LayerMemory } from "../nn/memory.ts";
import type { Model } from "../nn/model.ts";
import { EVALUATION_BATCH } from "../train/evaluation.ts";
import type { Optimizer } from "../train/optimizer.ts";

export interface TrainingRequest {
  dataset: Dataset;
  testDataset: Dataset;
  batch: number;
  /** Into how many chunks time is cut. */
  timeChunks: number;
  optimizer: Optimizer;
  /** Whether the encoder's input holds at all time steps. */
  timeConstant: boolean;
  /** Whether activations are recomputed. */
  recompute: boolean;
}

/**
 * What memory a training takes, in words.
 * @throws DeviceError if that is more than the device has, with the largest batch that it has room for.
 */
export function describeMemory(model: Model, { dataset, testDataset, batch, timeChunks, optimizer, timeConstant, recompute }: TrainingRequest): string {
  const bytesTotal = model.device.allocation?.bytesTotal;
  const asked = Math.min(batch, dataset.count);
  const { training, layers } = model.memory({ batch: asked, optimizer, timeConstant, timeChunks });
  const kept = layers.reduce((sum, row) => sum + row.optimizer, 0);
  const evaluation = kept + model.memory({ batch: Math.min(EVALUATION_BATCH, testDataset.count), timeConstant, timeChunks }).evaluation;
  const largest = layers.reduce((a, b) => (bytesOf(b) > bytesOf(a) ? b : a));
  if (bytesTotal !== undefined && training > bytesTotal) {
    const fits = model.largestBatch(bytesTotal, { optimizer, timeConstant, timeChunks });
    throw new DeviceError(`a training step with ${asked} ${asked === 1 ? "sample" : "samples"} takes ${gigabytes(training)} of memory, and the device ${model.device.name} has ${gigabytes(bytesTotal)}; ` +
      `${fits > 0 ? `--batch ${fits} is the largest that fits` : "not even one sample fits"}, ${recompute ? "" : "--recompute and "}fewer time steps take less. Most takes layer ${largest.layer}: ${gigabytes(bytesOf(largest))}`);
  }
  if (bytesTotal !== undefined && evaluation > bytesTotal) {
    throw new DeviceError(`the evaluation of ${EVALUATION_BATCH} samples at a time takes ${gigabytes(evaluation)} of memory, and the device ${model.device.name} has ${gigabytes(bytesTotal)}; fewer time steps or neurons take less`);
  }
  const of = bytesTotal === undefined ? "" : ` of ${gigabytes(bytesTotal)}`;
  return `memory: ${gigabytes(training)}${of} in training, ${gigabytes(evaluation)} in evaluation; most takes layer ${largest.layer}: ${gigabytes(bytesOf(largest))}`;
}

/** What a layer holds at the end of the forward pass, and its gradients. */
const bytesOf = ({ parameters, gradients, optimizer, tape }: LayerMemory): number => parameters + gradients + optimizer + tape;

const gigabytes = (bytes: number): string => (bytes < 1e8 ? `${Math.max(0.1, bytes / 1e6).toFixed(1)} MB` : `${(bytes / 1e9).toFixed(bytes < 1e10 ? 2 : 1)} GB`);
