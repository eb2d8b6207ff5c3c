import { BatchLoader, type BatchLoaderOptions, type BatchPosition } from "../data/batches.ts";
import type { Encoded } from "../data/encode.ts";
import { constant } from "../data/encode.ts";
import type { Random } from "../data/random.ts";
import { type SequenceAugmentation, SequenceLoader, type SequenceLoaderOptions } from "../data/sequenceLoader.ts";
import { type Dataset, isSequences } from "../data/sequences.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../nn/model.ts";
import { encodeInput, type EncoderMaker } from "./encoding.ts";
import type { Loss } from "./loss.ts";

/** How samples become batches. */
export interface SourceOptions extends Pick<SequenceLoaderOptions, "bucket" | "padTo"> {
  batchSize: number;
  shuffle?: boolean;
  random?: Random;
  normalize?: BatchLoaderOptions["normalize"];
  augment?: BatchLoaderOptions["augment"] | SequenceAugmentation;
  /** Of images. Default: `constant`. */
  encoder?: EncoderMaker;
}

/** What one pass of a model is given. */
export interface SourceBatch {
  /** [T, B, ...], or [1, B, ...] that holds at all steps. */
  input: Encoded;
  /** T. */
  steps: number;
  /** Valid steps of each sample, [B]; undefined if all are. */
  lengths: Int32Array | undefined;
  /** [B]. */
  labels: Int32Array;
  /** Those that a loss takes: [B], or for a loss of steps, where they have labels of their own, [T · B]. */
  lossLabels: Int32Array;
  /** B. */
  size: number;
}

/** Batches of a data set for a model. */
export interface Source {
  readonly batchesPerEpoch: number;
  restore(position: BatchPosition): void;
  /** @param random what the encoder draws from */
  next(random: Random): Promise<SourceBatch>;
}

/** @throws OptionError for options that the kind of data does not have */
export function sourceOf(model: Model, dataset: Dataset, { encoder = constant, bucket, padTo, augment, ...options }: SourceOptions, loss: Loss): Source {
  if (!isSequences(dataset)) {
    if (bucket !== undefined || padTo !== undefined) throw new OptionError(`${bucket === undefined ? "padTo" : "bucket"} is for sequences, and data set "${dataset.name}" is of images`);
    const loader = new BatchLoader(dataset, { ...options, augment: augment as BatchLoaderOptions["augment"] });
    return {
      batchesPerEpoch: loader.batchesPerEpoch,
      restore: (position) => loader.restore(position),
      next: async (random) => {
        const { inputs, labels, size } = loader.next();
        return { input: encodeInput(model, encoder, random, inputs, size), steps: model.steps, lengths: undefined, labels, lossLabels: labels, size };
      },
    };
  }
  if (encoder !== constant) throw new OptionError(`an encoder makes a signal over time of an image, and the samples of data set "${dataset.name}" are such signals already: leave the encoder out`);
  const loader = new SequenceLoader(dataset, { ...options, bucket, padTo, augment: augment as SequenceAugmentation });
  return {
    batchesPerEpoch: loader.batchesPerEpoch,
    restore: (position) => loader.restore(position),
    next: async () => {
      const { inputs, steps, lengths, labels, stepLabels, size } = await loader.next();
      return {
        input: { data: inputs, shape: [steps, size, ...model.inputShape] }, steps, lengths: lengths.every((length) => length === steps) ? undefined : lengths,
        labels, lossLabels: loss.over === "steps" && stepLabels ? stepLabels : labels, size,
      };
    },
  };
}
