import type { Dataset, Group } from "h5wasm";
import { withMethods } from "../../check.ts";
import { loadH5wasm } from "../../data/hdf5.ts";
import { FileFormatError } from "../../errors.ts";

/** The package h5wasm, for bundlers that must see what they take along. */
export interface H5wasm {
  readonly ready: Promise<unknown>;
  readonly File: abstract new (...given: never[]) => unknown;
}

export const h5wasmKind = withMethods("the package h5wasm: import * as h5wasm from \"h5wasm\"", "File");

/** Numbers with their axes, none for a single one; integers where `isInteger`, which is how they are written. */
export interface NumberArray {
  readonly shape: readonly number[];
  readonly data: Float32Array | Float64Array;
  readonly isInteger?: boolean;
}

/** A data set of texts, in rows. */
export interface TextArray {
  readonly shape: readonly number[];
  readonly texts: readonly string[];
}

/** What a group of an HDF5 file holds, by name. */
export interface Tree {
  readonly [name: string]: Leaf | Tree;
}

export type Leaf = string | NumberArray | TextArray;

export const isNumbers = (x: Leaf | Tree | undefined): x is NumberArray => typeof x === "object" && "data" in x && ArrayBuffer.isView(x.data);
export const isTexts = (x: Leaf | Tree | undefined): x is TextArray => typeof x === "object" && "texts" in x && Array.isArray(x.texts);
export const isTree = (x: Leaf | Tree | undefined): x is Tree => typeof x === "object" && !isNumbers(x) && !isTexts(x);

/** Beyond these a file is no network: links in a circle, or sizes that nothing is stored for. */
const DEEPEST = 32;
const MOST_OBJECTS = 1_000_000;
const MOST_VALUES = 2 ** 28;

let files = 0;

/** Opens a file in h5wasm's memory, which `use` may read or write; it is gone afterwards. */
async function inMemory<T>(given: H5wasm | undefined, use: (path: string, module: typeof import("h5wasm"), fs: FileSystem) => T): Promise<T> {
  const module = (given as typeof import("h5wasm") | undefined) ?? await loadH5wasm("h5wasm");
  const ready = await module.ready;
  // Otherwise HDF5 prints its errors and goes on.
  ready.activate_throwing_error_handler();
  const { FS } = ready as unknown as { FS: FileSystem };
  const path = `/spikefold-${files++}.h5`;
  try {
    return use(path, module, FS);
  } finally {
    if (FS.analyzePath(path).exists) FS.unlink(path);
  }
}

interface FileSystem {
  writeFile(path: string, bytes: Uint8Array): void;
  readFile(path: string): Uint8Array;
  unlink(path: string): void;
  analyzePath(path: string): { exists: boolean };
}

/**
 * All that an HDF5 file holds.
 * @param name of the file, for errors
 * @throws FileFormatError if h5wasm is not installed, or the bytes are no such file
 */
export async function readTree(bytes: Uint8Array, name: string, h5wasm?: H5wasm): Promise<Tree> {
  return inMemory(h5wasm, (path, { File }, fs) => {
    fs.writeFile(path, bytes);
    let file: InstanceType<typeof File> | undefined;
    try {
      file = new File(path, "r");
      return groupTree(file, name, "", { objects: 0 }, 0);
    } catch (error) {
      throw error instanceof FileFormatError ? error : new FileFormatError(`${name} is no HDF5 file that can be read: ${reasonOf(error)}`, { cause: error });
    } finally {
      file?.close();
    }
  });
}

/** An HDF5 file that holds the tree. */
export async function writeTree(tree: Tree, h5wasm?: H5wasm): Promise<Uint8Array> {
  return inMemory(h5wasm, (path, { File }, fs) => {
    const file = new File(path, "w");
    try {
      writeGroup(file, tree);
      file.flush();
    } finally {
      file.close();
    }
    return fs.readFile(path);
  });
}

function groupTree(group: Group, file: string, path: string, seen: { objects: number }, depth: number): Tree {
  if (depth > DEEPEST) throw new FileFormatError(`${file}: ${path} lies more than ${DEEPEST} groups deep`);
  return Object.fromEntries(group.keys().map((name) => {
    const here = `${path}/${name}`;
    if (++seen.objects > MOST_OBJECTS) throw new FileFormatError(`${file} has more than ${MOST_OBJECTS} objects`);
    const found = group.get(name);
    if (found && "keys" in found) return [name, groupTree(found, file, here, seen, depth + 1)];
    if (found && "slice" in found) return [name, datasetLeaf(found, `${file}: ${here}`)];
    throw new FileFormatError(`${file}: ${here} is a link or a type: expected a group or a data set`);
  }));
}

const INTEGER = 0;
const FLOAT = 1;
const TEXT = 3;

function datasetLeaf(dataset: Dataset, where: string): Leaf {
  const { metadata, shape } = dataset;
  const wrong = (what: string): never => {
    throw new FileFormatError(`${where} ${what}`);
  };
  if (!shape) return wrong("is empty: expected values");
  if (shape.reduce((product, length) => product * length, 1) > MOST_VALUES) wrong(`has the shape [${shape.join(", ")}]: expected at most ${MOST_VALUES} values`);
  const { type, size } = metadata;
  if (type === TEXT) {
    const { value } = dataset;
    return typeof value === "string" ? value : { shape, texts: [value].flat().map(String) };
  }
  if (type === FLOAT && size === 2) wrong("has floats of 16 bits, which h5wasm cannot read: store them as float32");
  if (type !== INTEGER && type !== FLOAT) wrong("is of a type that networks have no use for: expected numbers or texts");
  const { value } = dataset;
  if (value instanceof Float32Array || value instanceof Float64Array) return { shape, data: value };
  const values = typeof value === "number" || typeof value === "bigint" ? [value] : (value as ArrayLike<number | bigint>);
  return { shape, data: Float64Array.from(values as ArrayLike<number>, Number), isInteger: type === INTEGER };
}

function writeGroup(group: Group, tree: Tree): void {
  for (const [name, item] of Object.entries(tree)) {
    if (typeof item === "string") group.create_dataset({ name, data: item });
    else if (isNumbers(item)) group.create_dataset({ name, data: item.isInteger ? BigInt64Array.from(item.data, BigInt) : item.data, shape: [...item.shape] });
    else if (isTexts(item)) group.create_dataset({ name, data: [...item.texts], shape: [...item.shape] });
    else writeGroup(group.create_group(name), item);
  }
}

/** HDF5 tells of every function that it comes through; the first says what it wanted. */
function reasonOf(error: unknown): string {
  const message = String(error instanceof Error ? error.message : error);
  return /\(\): (.*)/.exec(message)?.[1] ?? message;
}
