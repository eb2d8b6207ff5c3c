import { checkOptions, either, finite, flag, func, instanceOf, integer, listOf, object, type OptionKinds, positive, required, show } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { checkDataset, describePixel, type ImageArray, type ImageDataset, isFloat } from "./dataset.ts";
import { firstNotFinite } from "./finite.ts";
import { Random } from "./random.ts";

export interface BatchLoaderOptions {
  batchSize: number;
  /** A new order each epoch. Default: false, the data set's own order. */
  shuffle?: boolean;
  /** Where shuffling and augmentation get their randomness. Only forks are used: the stream itself does not advance. */
  random?: Random;
  /** Leave out a last batch that is smaller than `batchSize`. Default: false. */
  dropLast?: boolean;
  /** Inputs are (intensity − mean) / std, one pair for all channels or one for each. The intensities: bytes divided by 255, floats as they are. Default: the intensities. */
  normalize?: Normalization;
  augment?: Augmentation;
  /** Of a batch of so many samples, the first that is wanted and how many: what else it holds is left out. Which samples a batch has, and how they are augmented, stays the same. Default: all. */
  part?: BatchPart;
}

/** Of a batch's samples, some. */
export type BatchPart = (size: number) => readonly [first: number, count: number];

export interface Normalization {
  mean: number | readonly number[];
  std: number | readonly number[];
}

/**
 * Changes the images [B, H, W, C] of one batch in place, before they are scaled: bytes or floats, as the data set has them. `random` is the
 * batch's own stream.
 */
export type Augmentation = (images: ImageArray, shape: readonly [number, number, number, number], random: Random) => void;

const kinds: OptionKinds<BatchLoaderOptions> = {
  batchSize: required(integer(1)), shuffle: flag, random: instanceOf(Random, "a Random: new Random(seed)"), dropLast: flag, normalize: object, augment: func, part: func,
};
const normalizationKinds: OptionKinds<Normalization> = { mean: required(either(finite, listOf(finite))), std: required(either(positive, listOf(positive))) };
const positionKinds: OptionKinds<BatchPosition> = { epoch: required(integer(0)), batch: required(integer(0)) };

/** Its arrays are the loader's own and valid until the next batch is asked for. */
export interface Batch {
  /** [B, H, W, C] */
  inputs: Float32Array;
  /** [B] */
  labels: Int32Array;
  /** `[B]`: each image's position in the data set. */
  indices: Uint32Array;
  /** B: the batch size, or less in the last batch of an epoch; or the size of its part. */
  size: number;
  /** Samples of the whole batch. */
  all: number;
}

/** The batch that comes next: all it takes to go on in the middle of an epoch. */
export interface BatchPosition {
  epoch: number;
  batch: number;
}

/** Batches that are ready before they are asked for. */
const PREFETCH = 2;

/**
 * Batches of a data set, epoch after epoch. What a batch holds depends only on the data set, the options, the origin of
 * `random` and the batch's position.
 *
 * Up to two batches are prepared ahead, as soon as the caller awaits something: while a device computes, if it computes
 * off this thread.
 *
 * ```ts
 * const loader = new BatchLoader(dataset, { batchSize: 128, shuffle: true, random });
 * for (let epoch = 0; epoch < 10; epoch++) {
 *   for (const { inputs, labels } of loader) await trainStep(inputs, labels);
 * }
 * ```
 */
export class BatchLoader {
  readonly dataset: ImageDataset;
  readonly batchesPerEpoch: number;
  private readonly options: BatchLoaderOptions;
  private readonly imageSize: number;
  /** Writes the inputs of one image. */
  private readonly toInputs: ToInputs;
  /** The images of a batch while it is augmented. */
  private readonly scratch: ImageArray;
  private readonly order: Uint32Array;
  private orderEpoch = -1;

  /** The batch in the caller's hands, those that are ready, in order, and the buffers of those to come. */
  private current: Batch | undefined;
  private readonly ready: Batch[] = [];
  private readonly free: Batch[];
  /** The batch to hand out next, and the one to prepare next. */
  private position: BatchPosition = { epoch: 0, batch: 0 };
  private ahead: BatchPosition = this.position;
  private prefetchQueued = false;

  /** @throws as `checkDataset` does; OptionError if an option is unknown or out of range. */
  constructor(dataset: ImageDataset, options: BatchLoaderOptions) {
    checkDataset(dataset);
    checkOptions("BatchLoader", options, kinds);
    const { batchSize, dropLast = false, shuffle = false, random, augment, normalize } = options;
    const { name, count, height, width, channels } = dataset;
    if ((shuffle || augment) && !random) throw new OptionError("shuffle and augment need `random`: a Random made from a seed");
    this.batchesPerEpoch = (dropLast ? Math.floor : Math.ceil)(count / batchSize);
    if (this.batchesPerEpoch === 0) {
      throw new OptionError(`batchSize is ${batchSize}: with dropLast, expected at most ${count}, the images of data set "${name}"`);
    }
    this.dataset = dataset;
    this.options = options;
    this.imageSize = height * width * channels;
    this.toInputs = (isFloat(dataset.images) ? floatInputs : byteInputs)(channels, this.imageSize, normalize);
    this.order = new Uint32Array(count);
    const rows = Math.min(batchSize, count);
    this.scratch = new (isFloat(dataset.images) ? Float32Array : Uint8Array)(augment ? rows * this.imageSize : 0);
    this.free = Array.from({ length: PREFETCH + 1 }, () => ({
      inputs: new Float32Array(rows * this.imageSize),
      labels: new Int32Array(rows),
      indices: new Uint32Array(rows),
      size: rows,
      all: rows,
    }));
  }

  /** The position of the batch that `next` would give. */
  state(): BatchPosition {
    return { ...this.position };
  }

  /** Goes on from what `state` gave on a loader with the same data set, options and seed. */
  restore(position: BatchPosition): void {
    checkOptions("BatchLoader.restore", position, positionKinds);
    const { epoch, batch } = position;
    if (batch >= this.batchesPerEpoch) {
      throw new OptionError(`batch is ${batch}: expected less than ${this.batchesPerEpoch}, the batches of an epoch of data set "${this.dataset.name}"`);
    }
    this.free.push(...this.ready.splice(0));
    this.orderEpoch = -1;
    this.position = this.ahead = { epoch, batch };
  }

  /** The next batch; the one before becomes invalid. After the last batch of an epoch comes the first of the next. */
  next(): Batch {
    if (this.current) this.free.push(this.current);
    this.current = undefined;
    if (this.ready.length === 0) this.prepare();
    this.current = this.ready.shift()!;
    this.position = this.after(this.position);
    this.queuePrefetch();
    const { inputs, labels, indices, size, all } = this.current;
    if (size === labels.length) return { inputs, labels, indices, size, all };
    return {
      inputs: inputs.subarray(0, size * this.imageSize),
      labels: labels.subarray(0, size),
      indices: indices.subarray(0, size),
      size,
      all,
    };
  }

  /** The batches that are left of the current epoch. */
  *[Symbol.iterator](): Generator<Batch, void, undefined> {
    const { epoch } = this.position;
    while (this.position.epoch === epoch) yield this.next();
  }

  private after({ epoch, batch }: BatchPosition): BatchPosition {
    return batch + 1 < this.batchesPerEpoch ? { epoch, batch: batch + 1 } : { epoch: epoch + 1, batch: 0 };
  }

  private queuePrefetch(): void {
    if (this.prefetchQueued) return;
    this.prefetchQueued = true;
    queueMicrotask(() => {
      this.prefetchQueued = false;
      try {
        while (this.free.length > 0) this.prepare();
      } catch {
        // `next` prepares the batch again and throws where the caller can catch it.
      }
    });
  }

  private prepare(): void {
    this.fill(this.free.at(-1)!, this.ahead);
    this.ready.push(this.free.pop()!);
    this.ahead = this.after(this.ahead);
  }

  private fill(target: Batch, { epoch, batch }: BatchPosition): void {
    const { images, labels, count, height, width, channels } = this.dataset;
    const { batchSize, random, augment, part } = this.options;
    const { imageSize, scratch } = this;
    this.arrange(epoch);
    const first = batch * batchSize;
    const all = Math.min(batchSize, count - first);
    const [from, size] = part ? part(all) : [0, all];
    Object.assign(target, { size, all });
    for (let row = 0; row < size; row++) {
      const index = this.order[first + from + row];
      target.indices[row] = index;
      target.labels[row] = labels[index];
      if (!augment) this.toInputs(images, index * imageSize, target.inputs, row * imageSize);
    }
    if (augment) {
      for (let row = 0; row < all; row++) {
        const index = this.order[first + row];
        scratch.set(images.subarray(index * imageSize, (index + 1) * imageSize), row * imageSize);
      }
      applyAugment(augment, scratch.subarray(0, all * imageSize), [all, height, width, channels], random!.fork(`augmentation of epoch ${epoch}, batch ${batch}`));
      for (let row = 0; row < size; row++) this.toInputs(scratch, (from + row) * imageSize, target.inputs, row * imageSize);
    }
    if (isFloat(images)) this.requireFinite(target);
  }

  /** Bytes cannot but give finite inputs. */
  private requireFinite({ inputs, indices, size }: Batch): void {
    const { imageSize, dataset, options: { augment, normalize } } = this;
    const at = firstNotFinite(inputs.subarray(0, size * imageSize));
    if (at < 0) return;
    const pixel = indices[Math.floor(at / imageSize)] * imageSize + (at % imageSize);
    const after = [...(augment ? ["augment"] : []), ...(normalize ? ["normalize"] : [])].join(" and ");
    throw new OptionError(`data set "${dataset.name}": ${describePixel(pixel, dataset)} is ${inputs[at]}${after && ` after ${after}`}: expected finite values`);
  }

  /** Brings `order` to that of an epoch. */
  private arrange(epoch: number): void {
    if (this.orderEpoch === epoch) return;
    for (let i = 0; i < this.order.length; i++) this.order[i] = i;
    if (this.options.shuffle) this.options.random!.fork(`order of epoch ${epoch}`).shuffle(this.order);
    this.orderEpoch = epoch;
  }
}

/** Writes to `target` from `to` on the inputs of the image that begins at `from`. */
type ToInputs = (source: ImageArray, from: number, target: Float32Array, to: number) => void;

function byteInputs(channels: number, imageSize: number, normalize?: Normalization): ToInputs {
  const { means, stds } = perChannel(channels, normalize);
  const inputOfByte = Float32Array.from({ length: channels * 256 }, (_, i) => ((i & 0xff) / 255 - means[i >> 8]) / stds[i >> 8]);
  if (firstNotFinite(inputOfByte) >= 0) throw new OptionError(`normalize.std is ${Math.min(...stds)}: with it, inputs exceed the numbers of 32 bits`);
  return (source, from, target, to) => {
    for (let channel = 0; channel < channels; channel++) {
      for (let i = channel; i < imageSize; i += channels) target[to + i] = inputOfByte[(channel << 8) | source[from + i]];
    }
  };
}

function floatInputs(channels: number, imageSize: number, normalize?: Normalization): ToInputs {
  const { means, stds } = perChannel(channels, normalize);
  return (source, from, target, to) => {
    for (let channel = 0; channel < channels; channel++) {
      for (let i = channel; i < imageSize; i += channels) target[to + i] = (source[from + i] - means[channel]) / stds[channel];
    }
  };
}

export function perChannel(channels: number, normalize: Normalization = { mean: 0, std: 1 }): { means: readonly number[]; stds: readonly number[] } {
  checkOptions("normalize", normalize, normalizationKinds);
  const of = (name: "mean" | "std"): readonly number[] => {
    const value = normalize[name];
    const values = typeof value === "number" ? Array.from({ length: channels }, () => value) : value;
    if (values.length !== channels) {
      throw new ShapeError(`normalize.${name} has ${values.length} values: expected one number, or one for each of the ${channels} channels`);
    }
    return values;
  };
  return { means: of("mean"), stds: of("std") };
}

/** @throws OptionError if an augmentation returns images, which are not used, or a promise, which is not awaited. */
function applyAugment(augment: Augmentation, images: ImageArray, shape: readonly [number, number, number, number], random: Random): void {
  const returned: unknown = augment(images, shape, random);
  if (returned instanceof Promise || (ArrayBuffer.isView(returned) && returned !== images)) {
    throw new OptionError(`augment returned ${show(returned)}: expected it to change the images that it is given, in place, before it returns`);
  }
}
