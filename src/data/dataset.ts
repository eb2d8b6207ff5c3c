import { checkArgument, integer, kind, listOf, object, show, text } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import { firstNotFinite, positionOf } from "./finite.ts";

/** Pictures: bytes are intensities 0 … 255, which are divided by 255; floats are taken as they are. */
export type ImageArray = Uint8Array | Float32Array;
export type LabelArray = Uint8Array | Uint16Array | Int32Array | Uint32Array;

/** Labelled images of one size, in memory. */
export interface ImageDataset {
  /** For people: "MNIST train". */
  readonly name: string;
  /** `[count, height, width, channels]`: bytes 0 … 255, or floats, usually in [0, 1]. */
  readonly images: ImageArray;
  /** [count], each below `classes`. */
  readonly labels: LabelArray;
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly classes: number;
  /** One name for each class, where the classes have names. */
  readonly classNames?: readonly string[];
}

/** A data set of bytes, as the IDX files of MNIST give one. */
export interface ByteDataset extends ImageDataset {
  readonly images: Uint8Array;
  readonly labels: Uint8Array;
}

/** Float images whose values were looked at: a data set is checked by each of its users. */
const finiteImages = new WeakSet<Float32Array>();

/**
 * @throws OptionError for a field of the wrong type, a label that is no class, a float that is not finite; ShapeError if the arrays have not the lengths
 * that the sizes promise.
 */
export function checkDataset(dataset: ImageDataset): void {
  if (!object.accepts(dataset) || ArrayBuffer.isView(dataset)) {
    throw new OptionError(`a data set is ${show(dataset)}: expected an object { name, images, labels, count, height, width, channels, classes }`);
  }
  const { name, images, labels, count, height, width, channels, classes, classNames } = dataset;
  checkArgument("data set", "name", name, text);
  const what = `data set ${JSON.stringify(name)}`;
  checkArgument(what, "images", images, imagesKind(images));
  checkArgument(what, "labels", labels, labelsKind(labels));
  const sizes = [count, height, width, channels];
  const values = sizes.reduce((product, size) => product * size);
  if (!sizes.every((size) => Number.isSafeInteger(size) && size > 0) || images.length !== values || labels.length !== count) {
    throw new ShapeError(
      `${what} holds ${images.length} values of images and ${labels.length} labels: ` +
        `expected ${values} and ${count} for images of shape [${sizes.join(", ")}] (count, height, width, channels, all ≥ 1)`,
    );
  }
  checkArgument(what, "classes", classes, integer(1));
  if (classNames !== undefined) {
    checkArgument(what, "classNames", classNames, listOf(text));
    if (classNames.length !== classes) throw new ShapeError(`${what} has ${classNames.length} classNames: expected one for each of ${classes} classes`);
  }
  const wrong = labels.findIndex((label) => !(label >= 0 && label < classes));
  if (wrong >= 0) throw new OptionError(`${what}: labels[${wrong}] is ${labels[wrong]}: expected a class in 0 … ${classes - 1}`);
  if (isFloat(images) && !finiteImages.has(images)) {
    const at = firstNotFinite(images);
    if (at >= 0) throw new OptionError(`${what}: ${describePixel(at, dataset)} is ${images[at]}: expected finite values`);
    finiteImages.add(images);
  }
}

/** "image 17 at [3, 4, 0] (row, column, channel)". */
export function describePixel(index: number, { height, width, channels }: Pick<ImageDataset, "height" | "width" | "channels">): string {
  const size = height * width * channels;
  return `image ${Math.floor(index / size)} at [${positionOf(index % size, [height, width, channels]).join(", ")}] (row, column, channel)`;
}

export const isFloat = (images: ImageArray): images is Float32Array => typeName(images) === "Float32Array";

/** By its tag, as arrays of another realm are no instances of this one's classes. */
const typeName = (x: unknown): string | undefined => (ArrayBuffer.isView(x) ? (x as Uint8Array)[Symbol.toStringTag] : undefined);

const isOneOf = (...names: string[]) => (x: unknown): boolean => names.includes(typeName(x)!);

const imagesKind = (given: unknown) => kind(
  `a Uint8Array (0 … 255, which is divided by 255) or a Float32Array (taken as it is): ${imageConversions[typeName(given)!] ?? "Float32Array.from(images, (value) => value / largest)"}`,
  isOneOf("Uint8Array", "Float32Array"),
);

const imageConversions: Record<string, string> = {
  Uint8ClampedArray: "new Uint8Array(images.buffer, images.byteOffset, images.length) is a view of the same bytes",
  Uint16Array: "Float32Array.from(images, (value) => value / 65535)",
  Float64Array: "Float32Array.from(images)",
};

export const labelsKind = (given: unknown) => kind(
  `the numbers of classes in a Uint8Array, Uint16Array, Int32Array or Uint32Array: ${Array.isArray(given) && typeof given[0] === "string"
    ? "Int32Array.from(labels, (label) => classNames.indexOf(label))" : typeof given === "string" ? "Int32Array.from(labels, Number)" : "Int32Array.from(labels)"}`,
  isOneOf("Uint8Array", "Uint16Array", "Int32Array", "Uint32Array"),
);

