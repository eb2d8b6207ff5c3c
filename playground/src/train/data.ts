import type { ImageDataset } from "../../../src/data/dataset.ts";

/** The first images of a data set, or all. */
export function first<D extends ImageDataset>(dataset: D, count: number): D {
  if (count >= dataset.count) return dataset;
  const { images, labels, height, width, channels } = dataset;
  return { ...dataset, count, images: images.subarray(0, count * height * width * channels), labels: labels.subarray(0, count) };
}
