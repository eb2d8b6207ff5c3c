// Files on disk: this module needs Node.
import { checkArgument, checkOptions, func, integer, type Kind, type OptionKinds, required, text } from "../../check.ts";
import { FileFormatError, OptionError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";
import type { LabelArray } from "../dataset.ts";
import { Random } from "../random.ts";
import type { SequenceDataset } from "../sequences.ts";
import { type Counted, openCache } from "./cache.ts";
import type { Events } from "./events.ts";
import { checkFrameOptions, frameKinds, type FrameOptions, toFrames } from "./frames.ts";
import { type EventTransform, transformKind } from "./transform.ts";

const { stat } = nodeModule("node:fs/promises");
const { join, relative } = nodeModule("node:path");

/** Of a data set in files: what all loaders of events take. */
export interface CachedOptions {
  /** Take the first `limit` samples at most. Default: all. */
  limit?: number;
  /** The directory for the cache of frames; it may be deleted at any time. Default: `.spikefold` in the data set's directory. */
  cache?: string;
  /** Called while a cache is made, which takes minutes for a large data set, with the samples that are done and those in all. */
  onProgress?: (done: number, total: number) => void;
}

/** How recordings of an event camera become sequences: as `toFrames`, after a transform. */
export interface EventDatasetOptions extends FrameOptions, CachedOptions {
  split: "train" | "test";
  /** Applied to the events of each sample once, before they are counted: what it draws is the same in each epoch. It must have a `key`: see `namedTransform`. */
  transform?: EventTransform;
  /** What the transform draws follows from it and the sample's number. Default: 0. */
  seed?: number;
}

/** Sequences whose samples are read from disk as they are needed. */
export interface CachedDataset extends SequenceDataset {
  /** What was put right or left out on reading the recordings: the first hundred. */
  readonly warnings: readonly string[];
}

export const cachedKinds: OptionKinds<CachedOptions> = { limit: integer(1), cache: text, onProgress: func };

export const splitKinds = (split: Kind): OptionKinds<EventDatasetOptions> =>
  ({ ...frameKinds, ...cachedKinds, split: required(split), transform: transformKind, seed: integer(0) });

/** A sample, and the file that it is in. */
export interface EventSample {
  file: string;
  label: number;
}

export interface EventSource<Sample extends EventSample> {
  name: string;
  directory: string;
  classNames: readonly string[];
  samples: readonly Sample[];
  /** How many samples may be read at once. */
  parallel: number;
  /** Files besides the samples' that these depend on. */
  tables?: readonly string[];
  read(sample: Sample): Promise<Events>;
}

/** @throws OptionError if an argument or option is wrong, or this is no Node */
export function checkEventDataset(what: string, directory: string, options: EventDatasetOptions, split: Kind): void {
  checkDirectory(what, directory);
  checkOptions(what, options, splitKinds(split));
  const { steps, by, duration, origin, channels, transform } = options;
  checkFrameOptions(what, { steps, by, duration, origin, channels });
  if (transform && transform.key === undefined) {
    throw new OptionError(`${what}: transform has no key, which the cache of its results would be known by: expected namedTransform("mine, version 1", transform)`);
  }
}

export function checkDirectory(what: string, directory: string): void {
  checkArgument(what, "directory", directory, text);
  if (!inNode) throw new OptionError(`${what} reads files from a disk, which a page cannot: expected to be called in Node`);
}

/** The samples as frames in a cache. */
export async function eventDataset<Sample extends EventSample>(source: EventSource<Sample>, options: EventDatasetOptions): Promise<CachedDataset> {
  const { name, directory, classNames, parallel, tables = [], read } = source;
  const { transform, seed = 0, limit = Infinity, cache, onProgress, steps, by, duration, origin, channels } = options;
  const samples = source.samples.slice(0, limit);
  const random = new Random(seed);
  const frameOptions = { steps, by, duration, origin, channels };
  return cachedDataset({
    name, directory, classNames, parallel, labels: Uint8Array.from(samples, ({ label }) => label), files: [...tables, ...samples.map(({ file }) => file)],
    options: { ...frameOptions, transform: transform?.key, seed: transform && seed, samples: samples.map((sample) => ({ ...sample, file: relative(directory, sample.file) })) },
    read: async (index) => {
      const events = await read(samples[index]);
      const { data, shape } = toFrames(transform ? transform(events, random.fork(`sample ${index}`)) : events, frameOptions);
      return { data, shape, warnings: events.warnings };
    },
  }, { cache, onProgress });
}

export interface CachedSource {
  name: string;
  directory: string;
  classNames: readonly string[];
  labels: LabelArray;
  /** All that samples are read from. */
  files: readonly string[];
  /** All else that they depend on, as JSON. */
  options: object;
  parallel: number;
  read(index: number): Promise<Counted>;
}

export async function cachedDataset(source: CachedSource, { cache, onProgress }: CachedOptions): Promise<CachedDataset> {
  const { name, directory, classNames, labels, files, options, parallel, read } = source;
  const count = labels.length;
  const identity = JSON.stringify([options, await Promise.all([...new Set(files)].map((file) => identify(directory, file)))]);
  const { shape, lengths, warnings, read: sequence } = await openCache(cache ?? join(directory, ".spikefold"), { name, count, identity, parallel, read }, onProgress);
  return { name, count, classes: classNames.length, classNames, shape, lengths, labels, warnings, sequence };
}

/** Its size and time: reading all bytes would take as long as making the cache. */
async function identify(directory: string, file: string): Promise<readonly [string, number, number]> {
  try {
    const { size, mtimeMs } = await stat(file);
    return [relative(directory, file), size, mtimeMs];
  } catch (cause) {
    throw new FileFormatError(`${file} cannot be read: ${(cause as Error).message}`, { cause });
  }
}
