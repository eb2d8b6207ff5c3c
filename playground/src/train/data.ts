import type { ImageDataset } from "../../../src/data/dataset.ts";
import { parseImages } from "../../../src/data/mnist.ts";
import { FileFormatError } from "../../../src/errors.ts";
import { files, type SplitName } from "./files.ts";

/** Loads a part of MNIST from the page's own directory. */
export async function loadSplit(split: SplitName, directory: string): Promise<ImageDataset> {
  const [images, labels] = await Promise.all(files[split].map(async (file) => {
    const url = new URL(file, directory);
    const response = await fetch(url);
    if (!response.ok) throw new FileFormatError(`${url} could not be loaded: HTTP ${response.status}`);
    return { file, bytes: new Uint8Array(await response.arrayBuffer()) };
  }));
  return parseImages({ name: `MNIST ${split}`, images, labels, classes: 10 });
}

/** The first images of a data set, or all. */
export function first(dataset: ImageDataset, count: number): ImageDataset {
  if (count >= dataset.count) return dataset;
  const { images, labels, height, width, channels } = dataset;
  return { ...dataset, count, images: images.subarray(0, count * height * width * channels), labels: labels.subarray(0, count) };
}
