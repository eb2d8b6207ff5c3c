import { checkOptions, flag, func, instanceOf, integer, object, type OptionKinds, required, show } from "../check.ts";
import { OptionError } from "../errors.ts";
import { type BatchPart, type BatchPosition, type Normalization, perChannel } from "./batches.ts";
import { Random } from "./random.ts";
import { checkSequence, checkSequences, checkStepLabels, elements, type SequenceArray, type SequenceDataset } from "./sequences.ts";

export interface SequenceLoaderOptions {
  batchSize: number;
  /** A new order each epoch. Default: false, the data set's own order. */
  shuffle?: boolean;
  /** Where shuffling and augmentation get their randomness. Only forks are used: the stream itself does not advance. */
  random?: Random;
  /** Leave out a last batch that is smaller than `batchSize`. Default: false. */
  dropLast?: boolean;
  /** Inputs are (value − mean) / std, one pair for all channels (the last axis) or one for each; padding stays 0. Default: the values. */
  normalize?: Normalization;
  augment?: SequenceAugmentation;
  /**
   * T of a batch is its longest sample's, rounded up to a multiple of this, but no more than the longest of the data set: fewer T's, so fewer kernels to compile.
   * Default: to one of eight sizes between a power of two and the next, an eighth of padding at most.
   */
  padTo?: number;
  /** With `shuffle`: batches are of samples of similar length, so that less is padding. Which samples meet then depends on their lengths. Default: false. */
  bucket?: boolean;
  /** Of a batch of so many samples, the first that is wanted and how many: what else it holds is left out. Which samples a batch has, and how they are augmented, stays the same. Default: all. */
  part?: BatchPart;
}

/** Changes one sample, of shape [T_i, ...], in place, before it is scaled: bytes or floats, as the data set has them. `random` is its own stream. */
export type SequenceAugmentation = (values: SequenceArray, shape: readonly number[], random: Random) => void;

/** A batch of sequences, padded with zeros to one length. The arrays are the caller's. */
export interface SequenceBatch {
  /** [T, B, ...shape] */
  inputs: Float32Array;
  /** T. */
  steps: number;
  /** `[B]`: how many of the T steps are the sample's own. */
  lengths: Int32Array;
  /** [B] */
  labels: Int32Array;
  /** [T · B], time-major, −1 at padding, where the data set has labels at each step. */
  stepLabels?: Int32Array;
  /** `[B]`: each sample's position in the data set. */
  indices: Uint32Array;
  /** B: the batch size, or less in the last batch of an epoch; or the size of its part. */
  size: number;
  /** Samples of the whole batch, and their valid steps together. */
  all: number;
  validSteps: number;
}

const kinds: OptionKinds<SequenceLoaderOptions> = {
  batchSize: required(integer(1)), shuffle: flag, random: instanceOf(Random, "a Random: new Random(seed)"), dropLast: flag, normalize: object, augment: func, padTo: integer(1), bucket: flag, part: func,
};
const positionKinds: OptionKinds<BatchPosition> = { epoch: required(integer(0)), batch: required(integer(0)) };

/** Batches that are read ahead. */
const PREFETCH = 2;
/** Batches among which samples are sorted by length. */
const BUCKET = 32;

/**
 * Batches of sequences, epoch after epoch, read ahead while a device computes: as `BatchLoader`, of data that may lie on disk. What a batch holds depends only on the
 * data set, the options, the origin of `random` and the batch's position. At most three batches are in memory.
 */
export class SequenceLoader {
  readonly dataset: SequenceDataset;
  readonly batchesPerEpoch: number;
  readonly #options: SequenceLoaderOptions;
  readonly #longest: number;
  readonly #size: number;
  readonly #scale: { means: readonly number[]; stds: readonly number[] } | undefined;
  readonly #order: Uint32Array;
  #orderEpoch = -1;
  /** The batch to hand out next, and those after it that are being read. */
  #position: BatchPosition = { epoch: 0, batch: 0 };
  #ahead: Promise<SequenceBatch>[] = [];

  /** @throws as `checkSequences` does; OptionError if an option is unknown or out of range. */
  constructor(dataset: SequenceDataset, options: SequenceLoaderOptions) {
    checkSequences(dataset);
    checkOptions("SequenceLoader", options, kinds);
    const { batchSize, shuffle = false, dropLast = false, bucket = false, random, augment, normalize } = options;
    if ((shuffle || augment) && !random) throw new OptionError("shuffle and augment need `random`: a Random made from a seed");
    if (bucket && !shuffle) throw new OptionError("bucket: true needs shuffle: true; without it, samples come in the data set's own order");
    this.batchesPerEpoch = (dropLast ? Math.floor : Math.ceil)(dataset.count / batchSize);
    if (this.batchesPerEpoch === 0) throw new OptionError(`batchSize is ${batchSize}: with dropLast, expected at most ${dataset.count}, the samples of data set "${dataset.name}"`);
    this.dataset = dataset;
    this.#options = options;
    this.#longest = dataset.lengths.reduce((a, b) => Math.max(a, b));
    this.#size = elements(dataset.shape);
    this.#scale = normalize && perChannel(dataset.shape.at(-1)!, normalize);
    this.#order = new Uint32Array(dataset.count);
  }

  /** The position of the batch that `next` would give. */
  state(): BatchPosition {
    return { ...this.#position };
  }

  /** Goes on from what `state` gave on a loader with the same data set, options and seed. */
  restore(position: BatchPosition): void {
    checkOptions("SequenceLoader.restore", position, positionKinds);
    const { epoch, batch } = position;
    if (batch >= this.batchesPerEpoch) throw new OptionError(`batch is ${batch}: expected less than ${this.batchesPerEpoch}, the batches of an epoch of data set "${this.dataset.name}"`);
    this.#ahead = [];
    this.#position = { epoch, batch };
  }

  /**
   * The next batch. After the last of an epoch comes the first of the next. Await it before the next call.
   * @throws what reading a sample throws, and as `checkSequence` does; the same batch is then read again by the next call.
   */
  async next(): Promise<SequenceBatch> {
    const position = this.#position;
    try {
      const batch = await (this.#ahead.shift() ?? this.#read(position));
      this.#position = this.#after(position);
      this.#readAhead();
      return batch;
    } catch (error) {
      this.#ahead = [];
      throw error;
    }
  }

  /** The batches that are left of the current epoch. */
  async *[Symbol.asyncIterator](): AsyncGenerator<SequenceBatch, void, undefined> {
    const { epoch } = this.#position;
    while (this.#position.epoch === epoch) yield await this.next();
  }

  #after({ epoch, batch }: BatchPosition): BatchPosition {
    return batch + 1 < this.batchesPerEpoch ? { epoch, batch: batch + 1 } : { epoch: epoch + 1, batch: 0 };
  }

  #readAhead(): void {
    let position = this.#position;
    for (let i = 0; i < PREFETCH; i++, position = this.#after(position)) {
      if (this.#ahead.length > i) continue;
      const at = position;
      // Once the caller waits for its device: to copy what is in memory would hold it up.
      const reading = nextTurn().then(() => this.#read(at));
      reading.catch(() => undefined);
      this.#ahead.push(reading);
    }
  }

  async #read({ epoch, batch }: BatchPosition): Promise<SequenceBatch> {
    const { dataset } = this;
    const { batchSize, padTo, part } = this.#options;
    this.#arrange(epoch);
    const whole = this.#order.slice(batch * batchSize, Math.min((batch + 1) * batchSize, dataset.count));
    const all = whole.length;
    const ofWhole = Int32Array.from(whole, (index) => dataset.lengths[index]);
    const steps = Math.min(rounded(ofWhole.reduce((a, b) => Math.max(a, b)), padTo), this.#longest);
    const [from, size] = part ? part(all) : [0, all];
    const [indices, lengths] = [whole.subarray(from, from + size), ofWhole.subarray(from, from + size)];
    const inputs = new Float32Array(steps * size * this.#size);
    const sequences = await Promise.all(Array.from(indices, (index) => dataset.sequence(index)));
    sequences.forEach((values, row) => this.#place(values, indices[row], `epoch ${epoch}, sample ${indices[row]}`, inputs, row, size));
    return { inputs, steps, lengths, labels: Int32Array.from(indices, (index) => dataset.labels[index]), ...this.#stepLabels(indices, steps), indices, size, all, validSteps: ofWhole.reduce((a, b) => a + b) };
  }

  /** Writes a sample to its place in [T, B, ...]. */
  #place(given: SequenceArray, index: number, stream: string, inputs: Float32Array, row: number, batch: number): void {
    const { dataset } = this;
    const { augment, random, normalize } = this.#options;
    checkSequence(dataset, index, given);
    let values = given;
    if (augment) {
      values = given.slice();
      const returned: unknown = augment(values, [dataset.lengths[index], ...dataset.shape], random!.fork(`augmentation of ${stream}`));
      if (returned instanceof Promise || (ArrayBuffer.isView(returned) && returned !== values)) {
        throw new OptionError(`augment returned ${show(returned)}: expected it to change the sequence that it is given, in place, before it returns`);
      }
    }
    if (this.#scale) values = scaled(values, this.#scale);
    if (values !== given) checkSequence(dataset, index, values, ` after ${[...(augment ? ["augment"] : []), ...(normalize ? ["normalize"] : [])].join(" and ")}`);
    const size = this.#size;
    for (let t = 0; t < dataset.lengths[index]; t++) inputs.set(values.subarray(t * size, (t + 1) * size), (t * batch + row) * size);
  }

  #stepLabels(indices: Uint32Array, steps: number): { stepLabels?: Int32Array } {
    const { dataset } = this;
    if (!dataset.stepLabels) return {};
    const all = new Int32Array(steps * indices.length).fill(-1);
    indices.forEach((index, row) => {
      const labels = dataset.stepLabels!(index);
      checkStepLabels(dataset, index, labels);
      labels.forEach((label, t) => (all[t * indices.length + row] = label));
    });
    return { stepLabels: all };
  }

  /** Brings `order` to that of an epoch. */
  #arrange(epoch: number): void {
    if (this.#orderEpoch === epoch) return;
    const { shuffle, bucket, random } = this.#options;
    for (let i = 0; i < this.#order.length; i++) this.#order[i] = i;
    if (shuffle) random!.fork(`order of epoch ${epoch}`).shuffle(this.#order);
    if (bucket) this.#sortInBuckets(random!.fork(`batches of epoch ${epoch}`));
    this.#orderEpoch = epoch;
  }

  /** Sorts stretches of the order by length, then brings their batches into any order; a last one that is smaller stays last. */
  #sortInBuckets(random: Random): void {
    const { batchSize } = this.#options;
    const order = this.#order;
    for (let start = 0; start < order.length; start += BUCKET * batchSize) {
      const stretch = order.slice(start, start + BUCKET * batchSize).sort((a, b) => this.dataset.lengths[a] - this.dataset.lengths[b]);
      const batches = Uint32Array.from({ length: Math.floor(stretch.length / batchSize) }, (_, i) => i);
      random.shuffle(batches);
      batches.forEach((batch, i) => order.set(stretch.subarray(batch * batchSize, (batch + 1) * batchSize), start + i * batchSize));
      order.set(stretch.subarray(batches.length * batchSize), start + batches.length * batchSize);
    }
  }
}

/** T rounded up to a multiple of `to`; without, to an eighth of the power of two below it. */
const rounded = (steps: number, to = 2 ** Math.max(0, Math.floor(Math.log2(steps)) - 3)): number => Math.ceil(steps / to) * to;

function scaled(values: SequenceArray, { means, stds }: { means: readonly number[]; stds: readonly number[] }): Float32Array {
  const channels = means.length;
  return Float32Array.from(values, (value, i) => (value - means[i % channels]) / stds[i % channels]);
}

/** Browsers have no setImmediate. */
const nextTurn = (): Promise<void> => new Promise((resolve) => (typeof setImmediate === "function" ? setImmediate(resolve) : setTimeout(resolve)));
