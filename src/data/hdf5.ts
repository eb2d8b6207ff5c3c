// Files on disk: this module needs Node.
import type { Dataset } from "h5wasm";
import { FileFormatError } from "../errors.ts";

/** The spikes of a Heidelberg file: spikes/times and spikes/units, a list of each for each sample, and labels. */
export interface SpikeFile {
  readonly labels: Uint8Array;
  readonly classNames: readonly string[];
  sample(index: number): { times: Float64Array; channels: Uint16Array };
}

/** @throws FileFormatError if h5wasm is not installed, or the file is not such a file */
export async function openSpikes(file: string, classes: number): Promise<SpikeFile> {
  const { File, ready } = await loadH5wasm("h5wasm/node");
  // Otherwise HDF5 prints its errors and goes on.
  (await ready).activate_throwing_error_handler();
  const wrong = (what: string, cause?: unknown) => new FileFormatError(`${file}: ${what}`, { cause });
  try {
    const opened = new File(file, "r");
    const get = (path: string): Dataset => {
      const found = opened.get(path) as Dataset | null;
      if (!found || !("slice" in found)) throw wrong(`has no data set ${path}: expected a file of the Spiking Heidelberg data sets`);
      return found;
    };
    const [times, units, labels] = [get("spikes/times"), get("spikes/units"), get("labels")];
    const given = Array.from(labels.value as ArrayLike<number | bigint>, Number);
    const strange = given.findIndex((label) => !(Number.isInteger(label) && label >= 0 && label < classes));
    if (strange >= 0) throw wrong(`labels[${strange}] is ${given[strange]}: expected a class in 0 … ${classes - 1}`);
    const counts = [times, units].map(({ shape }) => shape?.[0]);
    if (given.length === 0 || counts.some((count) => count !== given.length)) throw wrong(`has ${given.length} labels, times of ${counts[0]} samples and units of ${counts[1]}: expected as many of each`);
    const keys = opened.get("extra/keys") as Dataset | null;
    const names = keys && "value" in keys ? (keys.value as string[]) : [];
    return {
      labels: Uint8Array.from(given),
      classNames: names.length === classes ? names.map(String) : Array.from({ length: classes }, (_, i) => String(i)),
      sample: (index) => {
        try {
          const [seconds, channels] = [list(times, index), list(units, index)];
          if (seconds.length !== channels.length) throw wrong(`sample ${index} has ${seconds.length} times and ${channels.length} units: expected as many of each`);
          const bad = seconds.findIndex((t) => !Number.isFinite(t));
          if (bad >= 0) throw wrong(`sample ${index} has the time ${seconds[bad]}: expected seconds`);
          return { times: Float64Array.from(seconds), channels: Uint16Array.from(channels) };
        } catch (error) {
          throw error instanceof FileFormatError ? error : wrong(`sample ${index} cannot be read: ${String(error)}`, error);
        }
      },
    };
  } catch (error) {
    throw error instanceof FileFormatError ? error : wrong(`is no HDF5 file that can be read: ${String(error)}`, error);
  }
}

/** The list at one place of a data set of lists. */
function list(dataset: Dataset, index: number): number[] {
  const { metadata } = dataset;
  const { vlen_type: element } = metadata;
  if (!element) throw new Error(`${dataset.path} holds no lists of numbers`);
  const half = element.type === FLOAT && element.size === 2;
  // h5wasm does not know floats of 16 bits: they are read as integers.
  const readable: Dataset = half ? Object.create(dataset, { metadata: { value: { ...metadata, vlen_type: { ...element, type: INTEGER, signed: false } } } }) : dataset;
  const [values] = readable.slice([[index, index + 1]]) as unknown as [ArrayLike<number | bigint>];
  return Array.from(values, half ? (bits) => fromHalf(Number(bits)) : Number);
}

/** HDF5's classes of types. */
const INTEGER = 0;
const FLOAT = 1;

/** IEEE 754 binary16. */
function fromHalf(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const mantissa = bits & 1023;
  const size = exponent === 0 ? mantissa * 2 ** -24 : exponent === 31 ? (mantissa === 0 ? Infinity : NaN) : (1 + mantissa / 1024) * 2 ** (exponent - 15);
  return bits & 0x8000 ? -size : size;
}

/**
 * The package for files on disk, or, without "/node", for files in memory.
 * @throws FileFormatError if it is not installed
 */
export async function loadH5wasm(name: "h5wasm" | "h5wasm/node"): Promise<typeof import("h5wasm")> {
  try {
    return (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as typeof import("h5wasm");
  } catch (cause) {
    throw new FileFormatError("files of HDF5 are read and written by the package h5wasm: npm install h5wasm", { cause });
  }
}
