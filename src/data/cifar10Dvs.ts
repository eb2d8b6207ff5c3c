import { oneOf } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import { type CachedDataset, checkEventDataset, eventDataset, type EventDatasetOptions } from "./events/dataset.ts";
import { readEvents } from "./events/read.ts";

const { readdir } = nodeModule("node:fs/promises");
const { join } = nodeModule("node:path");

const CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];
const TRAIN_SHARE = 0.9;

/**
 * CIFAR10-DVS (H. Li et al., "CIFAR10-DVS: an event-stream dataset for object classification", Frontiers in Neuroscience 11, 2017): 10 000 recordings of moving
 * images, frames [T, 128, 128, 2]. The data set has no split of its own. Here, as in most papers, the first 900 recordings of each class by their numbers are
 * for training, the last 100 for testing; of a part of the files nine tenths and one tenth.
 *
 * @param directory holds a folder for each class with .aedat files
 * @throws FileFormatError if files are missing or malformed, OptionError if an argument or option is wrong
 */
export async function loadCifar10Dvs(directory: string, options: EventDatasetOptions): Promise<CachedDataset> {
  checkEventDataset("loadCifar10Dvs", directory, options, oneOf("train", "test"));
  const lists = await Promise.all(CLASSES.map(async (name, label) => {
    const files = (await readdir(join(directory, name)).catch(() => [])).filter((file) => /\.aedat4?$/.test(file)).map((file) => ({ file, number: Number(/(\d+)\.\w+$/.exec(file)?.[1]) }));
    if (files.length === 0) {
      throw new FileFormatError(`${join(directory, name)} has no .aedat files: download CIFAR10-DVS, ${name}.zip and the others, from https://figshare.com/articles/dataset/CIFAR10-DVS_New/4724671 and unpack them in ${directory}`);
    }
    files.sort((a, b) => a.number - b.number || (a.file < b.file ? -1 : 1));
    const split = Math.ceil(TRAIN_SHARE * files.length);
    const taken = options.split === "train" ? files.slice(0, split) : files.slice(split);
    return taken.map(({ file }, place) => ({ file: join(directory, name, file), label, place }));
  }));
  // Class after class by turns: any first part of the data set has all of them.
  const samples = lists.flat().sort((a, b) => a.place - b.place || a.label - b.label).map(({ file, label }) => ({ file, label }));
  return eventDataset({
    name: `CIFAR10-DVS ${options.split}`, directory, classNames: CLASSES, samples, parallel: 4,
    read: ({ file }) => readEvents(file, { width: 128, height: 128 }),
  }, options);
}
