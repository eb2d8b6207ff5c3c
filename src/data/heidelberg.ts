import { checkOptions, either, finite, integer, oneOf, type OptionKinds, positive, required } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import type { Counted } from "./events/cache.ts";
import { type CachedDataset, cachedDataset, cachedKinds, type CachedOptions, checkDirectory } from "./events/dataset.ts";
import { checkFrameOptions, Counts, frameEnds } from "./events/frames.ts";
import { orderOfTime, reorder } from "./events/order.ts";
import { openSpikes } from "./hdf5.ts";

const { access } = nodeModule("node:fs/promises");
const { join } = nodeModule("node:path");

export interface HeidelbergOptions extends CachedOptions {
  /** SHD has no "valid". */
  split: "train" | "valid" | "test";
  /** T. Without `duration` they divide each sample; with it they are that many, and later spikes are left out. */
  steps?: number;
  /** Microseconds of a step: 10 000, for example. */
  duration?: number;
  /** Where the first step begins: "file" (default) when the word was played, "first" at the first spike, or a time in µs. */
  origin?: "first" | "file" | number;
  /** How many inputs the 700 channels of the cochlea are pooled to: channel c to ⌊c · units / 700⌋. Default: 700. */
  units?: number;
}

const CHANNELS = 700;
const kinds = (...splits: string[]): OptionKinds<HeidelbergOptions> => ({
  ...cachedKinds, split: required(oneOf(...splits)), steps: integer(1), duration: positive, origin: either(oneOf("first", "file"), finite), units: integer(1, CHANNELS),
});
const shdKinds = kinds("train", "test");
const sscKinds = kinds("train", "valid", "test");

/**
 * Spiking Heidelberg Digits (B. Cramer et al., "The Heidelberg spiking data sets for the systematic evaluation of spiking neural networks", IEEE TNNLS 33(7),
 * 2022): 8 156 and 2 264 spoken digits in German and English as spikes of a model of the cochlea. Counts [T, 700].
 *
 * @param directory holds shd_train.h5 and shd_test.h5, unpacked; they are read by the package h5wasm
 * @throws FileFormatError if a file or h5wasm is missing, or a file is malformed; OptionError if an argument or option is wrong
 */
export async function loadShd(directory: string, options: HeidelbergOptions): Promise<CachedDataset> {
  checkDirectory("loadShd", directory);
  checkOptions("loadShd", options, shdKinds);
  return load("loadShd", "SHD", 20, directory, options);
}

/**
 * Spiking Speech Commands (B. Cramer et al., 2022): 75 466, 9 981 and 20 382 spoken words of 35 kinds as spikes of a model of the cochlea. Counts [T, 700].
 *
 * @param directory holds ssc_train.h5, ssc_valid.h5 and ssc_test.h5, unpacked; they are read by the package h5wasm
 * @throws FileFormatError if a file or h5wasm is missing, or a file is malformed; OptionError if an argument or option is wrong
 */
export async function loadSsc(directory: string, options: HeidelbergOptions): Promise<CachedDataset> {
  checkDirectory("loadSsc", directory);
  checkOptions("loadSsc", options, sscKinds);
  return load("loadSsc", "SSC", 35, directory, options);
}

async function load(what: string, name: string, classes: number, directory: string, options: HeidelbergOptions): Promise<CachedDataset> {
  const { split, steps, duration, origin = "file", units = CHANNELS, limit = Infinity, cache, onProgress } = options;
  const frameOptions = { steps, duration, origin };
  checkFrameOptions(what, frameOptions);
  const file = join(directory, `${name.toLowerCase()}_${split}.h5`);
  await access(file).catch((cause: Error) => {
    throw new FileFormatError(`${file} is not here: download ${name.toLowerCase()}_${split}.h5.zip from https://zenkelab.org/datasets/ (the page https://zenkelab.org/resources/spiking-heidelberg-datasets-shd/) and unpack it in ${directory}`, { cause });
  });
  const spikes = await openSpikes(file, classes);
  const read = async (index: number): Promise<Counted> => {
    const { times, channels } = spikes.sample(index);
    const t = times.map((seconds) => seconds * 1e6);
    reorder([t, channels], orderOfTime(t));
    const ends = frameEnds(what, t, frameOptions, units);
    const counts = new Counts((ends.length - 1) * units);
    for (let step = 0; step + 1 < ends.length; step++) {
      for (let i = ends[step]; i < ends[step + 1]; i++) {
        if (channels[i] >= CHANNELS) throw new FileFormatError(`${file}: sample ${index} has a spike of unit ${channels[i]}: expected one in 0 … ${CHANNELS - 1}`);
        counts.add(step * units + Math.floor(channels[i] * units / CHANNELS));
      }
    }
    return { data: counts.values, shape: [ends.length - 1, units] };
  };
  return cachedDataset({
    name: `${name} ${split}`, directory, classNames: spikes.classNames, labels: spikes.labels.slice(0, limit), files: [file], options: { ...frameOptions, units }, parallel: 1, read,
  }, { cache, onProgress });
}
