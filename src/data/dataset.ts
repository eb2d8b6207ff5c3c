import { ShapeError } from "../errors.ts";

/** Labelled images of one size, in memory as bytes. */
export interface ImageDataset {
  /** For people: "MNIST train". */
  readonly name: string;
  /** [count, height, width, channels], 0 … 255. */
  readonly images: Uint8Array;
  /** [count], each below `classes`. */
  readonly labels: Uint8Array;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
  /** One name for each class, where the classes have names. */
  readonly classNames?: readonly string[];
}

/** Throws a ShapeError unless the arrays of `dataset` have the lengths that its sizes promise. */
export function checkDataset({ name, images, labels, count, height, width, channels }: ImageDataset): void {
  const sizes = [count, height, width, channels];
  const bytes = sizes.reduce((product, size) => product * size);
  if (!sizes.every((size) => Number.isSafeInteger(size) && size > 0) || images.length !== bytes || labels.length !== count) {
    throw new ShapeError(
      `data set "${name}" holds ${images.length} image bytes and ${labels.length} labels: ` +
        `expected ${bytes} and ${count} for images of shape [${sizes.join(", ")}] (count, height, width, channels, all ≥ 1)`,
    );
  }
}
