import { oneOf } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import { type CachedDataset, checkEventDataset, eventDataset, type EventDatasetOptions } from "./events/dataset.ts";
import { readEvents } from "./events/read.ts";

const { readdir } = nodeModule("node:fs/promises");
const { join } = nodeModule("node:path");

const FOLDERS = { train: "Train", test: "Test" } as const;
const DIGITS = Array.from({ length: 10 }, (_, digit) => String(digit));

/**
 * N-MNIST (G. Orchard et al., "Converting static image datasets to spiking neuromorphic datasets using saccades", Frontiers in Neuroscience 9, 2015): MNIST's
 * 60 000 training and 10 000 test digits, shown to an event camera that moved three times. Frames [T, 34, 34, 2], in the order of the files' numbers.
 *
 * @param directory holds the unpacked folders Train and Test, in each of them 0 … 9 with .bin files
 * @throws FileFormatError if files are missing or malformed, OptionError if an argument or option is wrong
 */
export async function loadNmnist(directory: string, options: EventDatasetOptions): Promise<CachedDataset> {
  checkEventDataset("loadNmnist", directory, options, oneOf("train", "test"));
  const folder = join(directory, FOLDERS[options.split]);
  const lists = await Promise.all(DIGITS.map(async (digit, label) => {
    const names = await readdir(join(folder, digit)).catch(() => []);
    return names.filter((name) => name.endsWith(".bin")).map((name) => ({ name, label, file: join(folder, digit, name) }));
  }));
  // Numbers go across the digits: any first part of the data set has all of them.
  const samples = lists.flat().sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.label - b.label)).map(({ label, file }) => ({ label, file }));
  if (samples.length === 0) {
    throw new FileFormatError(`${folder} has no folders 0 … 9 with .bin files: download ${FOLDERS[options.split]}.zip of N-MNIST from https://www.garrickorchard.com/datasets/n-mnist and unpack it in ${directory}`);
  }
  return eventDataset({
    name: `N-MNIST ${options.split}`, directory, classNames: DIGITS, samples, parallel: 32,
    read: ({ file }) => readEvents(file, { format: "nmnist", width: 34, height: 34 }),
  }, options);
}
