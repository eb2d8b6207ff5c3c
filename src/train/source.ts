import { BatchLoader, type BatchLoaderOptions, type BatchPosition } from "../data/batches.ts";
import type { Encoded } from "../data/encode.ts";
import { constant } from "../data/encode.ts";
import type { Random } from "../data/random.ts";
import { type SequenceAugmentation, SequenceLoader, type SequenceLoaderOptions } from "../data/sequenceLoader.ts";
import { type Dataset, isSequences } from "../data/sequences.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../nn/model.ts";
import { type BatchShare, cut } from "../nn/share.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import { shareOf } from "../parallel/shares.ts";
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
  /** Of ranks that share each batch. Default: this process has all of it. */
  group?: ProcessGroup;
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
  /** B; of the whole batch where it lies on several ranks. All else is then of this rank's share. */
  size: number;
  share: BatchShare | undefined;
  /** Valid steps of all samples of the whole batch. */
  validSteps: number;
}

/** Batches of a data set for a model. */
export interface Source {
  readonly batchesPerEpoch: number;
  restore(position: BatchPosition): void;
  /** @param random what the encoder draws from */
  next(random: Random): Promise<SourceBatch>;
}

/** @throws OptionError for options that the kind of data does not have */
export function sourceOf(model: Model, dataset: Dataset, { encoder = constant, bucket, padTo, augment, group, ...options }: SourceOptions, loss: Loss): Source {
  const shareFor = (all: number): BatchShare | undefined => {
    if (!group) return undefined;
    const { first, own } = shareOf(all, group);
    return { group, all, own, first: own === 0 ? 0 : first, passed: Math.max(own, 1) };
  };
  const part = group && ((all: number): [number, number] => {
    const { first, passed } = shareFor(all)!;
    return [first, passed!];
  });
  if (!isSequences(dataset)) {
    if (bucket !== undefined || padTo !== undefined) throw new OptionError(`${bucket === undefined ? "padTo" : "bucket"} is for sequences, and data set "${dataset.name}" is of images`);
    // What else an encoder draws for a sample may depend on the samples before it: the whole batch is encoded, and cut.
    const early = encoder === constant;
    const loader = new BatchLoader(dataset, { ...options, augment: augment as BatchLoaderOptions["augment"], part: early ? part : undefined });
    return {
      batchesPerEpoch: loader.batchesPerEpoch,
      restore: (position) => loader.restore(position),
      next: async (random) => {
        const { inputs, labels: given, size, all } = loader.next();
        const share = shareFor(all);
        const encoded = encodeInput(model, encoder, random, inputs, size);
        const labels = share && !early ? cut(given, share, 1) : given;
        return { input: share && !early ? cutSamples(encoded, share) : encoded, steps: model.steps, lengths: undefined, labels, lossLabels: labels, size: all, share, validSteps: all * model.steps };
      },
    };
  }
  if (encoder !== constant) throw new OptionError(`an encoder makes a signal over time of an image, and the samples of data set "${dataset.name}" are such signals already: leave the encoder out`);
  const loader = new SequenceLoader(dataset, { ...options, bucket, padTo, part, augment: augment as SequenceAugmentation });
  return {
    batchesPerEpoch: loader.batchesPerEpoch,
    restore: (position) => loader.restore(position),
    next: async () => {
      const { inputs, steps, lengths, labels, stepLabels, size, all, validSteps } = await loader.next();
      return {
        input: { data: inputs, shape: [steps, size, ...model.inputShape] }, steps, lengths: validSteps === all * steps ? undefined : lengths,
        labels, lossLabels: loss.over === "steps" && stepLabels ? stepLabels : labels, size: all, share: shareFor(all), validSteps,
      };
    },
  };
}

/** The samples of a share, of [T, B, ...]. */
function cutSamples({ data, shape: [steps, all, ...shape] }: Encoded, share: BatchShare): Encoded {
  const perStep = data.length / steps;
  const parts = Array.from({ length: steps }, (_, t) => cut(data.subarray(t * perStep, (t + 1) * perStep), share, perStep / all));
  const own = new Float32Array(steps * parts[0].length);
  parts.forEach((part, t) => own.set(part, t * part.length));
  return { data: own, shape: [steps, Math.max(share.own, 1), ...shape] };
}
