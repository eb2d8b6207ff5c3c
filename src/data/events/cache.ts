// Files on disk: this module needs Node.
import { FileFormatError } from "../../errors.ts";
import { nodeModule } from "../../runtime.ts";
import type { SequenceArray } from "../sequences.ts";
import { decodeCounts, encodeCounts } from "./sparse.ts";

const fs = nodeModule("node:fs");
const { mkdir, open, rename, rm } = nodeModule("node:fs/promises");
const { createHash, randomUUID } = nodeModule("node:crypto");
const { join } = nodeModule("node:path");
const { promisify } = nodeModule("node:util");
const { crc32 } = nodeModule("node:zlib");

/** Samples to be cached: counts over time, made from recordings. */
export interface CountSource {
  readonly name: string;
  readonly count: number;
  /** All that the counts depend on, as a text: files with sizes and times, options. */
  readonly identity: string;
  /** How many samples may be read at once. */
  readonly parallel: number;
  read(index: number): Promise<Counted>;
}

export interface Counted {
  data: SequenceArray;
  /** [T_i, ...]; all but T_i is the same for all samples. */
  shape: readonly number[];
  warnings?: readonly string[];
}

/** The part of a cache that is kept in memory. */
interface Contents {
  key: string;
  shape: readonly number[];
  warnings: readonly string[];
  /** [count + 1]: where each sample's bytes begin. */
  offsets: Float64Array;
  steps: Uint32Array;
  checksums: Uint32Array;
}

export interface CountCache {
  /** Of one time step. */
  readonly shape: readonly number[];
  readonly lengths: Uint32Array;
  readonly warnings: readonly string[];
  /** A sample whose bytes are damaged is made again from its recording, and the cache by the next that opens it. */
  read(index: number): Promise<SequenceArray>;
}

/** Raised when what a cache holds would come out different. */
const VERSION = 1;
const MARK = "spikefold frames\n";
/** The length of the table before it and its checksum, two u32. */
const TAIL = 8;
const LISTED_WARNINGS = 100;

/** Opens the cache of a source, made first if it is not there, is another's or is damaged. It appears whole or not at all. */
export async function openCache(directory: string, source: CountSource, onProgress?: (done: number, total: number) => void): Promise<CountCache> {
  const key = createHash("sha256").update(JSON.stringify([VERSION, source.name, source.count, source.identity])).digest("hex");
  const file = join(directory, `${source.name.toLowerCase().replaceAll(/[^a-z0-9]+/g, "-")}-${key.slice(0, 16)}.frames`);
  const contents = (await readContents(file, key, source.count)) ?? (await build(file, key, source, onProgress));
  const size = contents.shape.reduce((product, length) => product * length, 1);
  const descriptor = fs.openSync(file, "r");
  const readAt = promisify(fs.read);
  const held = { descriptor };
  // The file is open for as long as anybody can read: the function is what data sets keep.
  closing.register(held, descriptor);
  return {
    shape: contents.shape, lengths: contents.steps, warnings: contents.warnings,
    read: async (index) => {
      const bytes = new Uint8Array(contents.offsets[index + 1] - contents.offsets[index]);
      const { bytesRead } = await readAt(held.descriptor, bytes, 0, bytes.length, contents.offsets[index]);
      if (bytesRead === bytes.length && crc32(bytes) === contents.checksums[index]) return decodeCounts(bytes, contents.steps[index] * size);
      await rm(file, { force: true });
      return (await source.read(index)).data;
    },
  };
}

const closing = new FinalizationRegistry((descriptor: number) => fs.close(descriptor));

async function build(file: string, key: string, source: CountSource, onProgress?: (done: number, total: number) => void): Promise<Contents> {
  const { name, count, parallel } = source;
  const temporary = `${file}.${randomUUID()}`;
  const contents = { key, shape: [] as readonly number[], warnings: [] as string[], offsets: new Float64Array(count + 1), steps: new Uint32Array(count), checksums: new Uint32Array(count) };
  try {
    await mkdir(join(file, ".."), { recursive: true });
    const output = await open(temporary, "wx");
    try {
      let at = (await output.write(new TextEncoder().encode(MARK))).bytesWritten;
      for (let start = 0; start < count; start += parallel) {
        const length = Math.min(parallel, count - start);
        const samples = await Promise.all(Array.from({ length }, (_, i) => source.read(start + i)));
        const records = samples.map(({ data, shape: [steps, ...shape], warnings = [] }, i) => {
          const index = start + i;
          if (index === 0) contents.shape = shape;
          else if (shape.join() !== contents.shape.join()) throw new FileFormatError(`${name}: sample ${index} has frames of [${shape.join(", ")}]: expected [${contents.shape.join(", ")}] as of the first; is its sensor another?`);
          contents.warnings.push(...warnings.slice(0, LISTED_WARNINGS - contents.warnings.length));
          const bytes = encodeCounts(data);
          contents.steps[index] = steps;
          contents.checksums[index] = crc32(bytes);
          contents.offsets[index] = at;
          at += bytes.length;
          return bytes;
        });
        await output.writev(records);
        onProgress?.(start + length, count);
      }
      contents.offsets[count] = at;
      const table = tableOf(contents);
      await output.writev([table, new Uint8Array(Uint32Array.of(table.length, crc32(table)).buffer)]);
      await output.sync();
    } finally {
      await output.close();
    }
    await rename(temporary, file);
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    const { code, syscall, message } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    const advice = code === "ENOSPC" ? "free some, or pass the option cache" : "pass the option cache";
    throw new FileFormatError(`${file}, the cache of ${name}, cannot be written: ${message}: ${advice}, a directory that can be written to`, { cause: error });
  }
  return contents;
}

/** A text, its length and the arrays after it, each from a multiple of 8. */
function tableOf({ offsets, steps, checksums, ...rest }: Contents): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(rest));
  const padded = Math.ceil(text.length / 8) * 8;
  const count = steps.length;
  const table = new Uint8Array(8 + padded + 8 * (count + 1) + 8 * count);
  new Uint32Array(table.buffer, 0, 1)[0] = text.length;
  table.set(text, 8);
  new Float64Array(table.buffer, 8 + padded, count + 1).set(offsets);
  new Uint32Array(table.buffer, 8 + padded + 8 * (count + 1), 2 * count).set(steps);
  new Uint32Array(table.buffer, 8 + padded + 8 * (count + 1) + 4 * count, count).set(checksums);
  return table;
}

/** Nothing where there is no such file, or one that is damaged or of something else. */
async function readContents(file: string, key: string, count: number): Promise<Contents | undefined> {
  const handle = await open(file, "r").catch(() => undefined);
  if (!handle) return undefined;
  try {
    const { size } = await handle.stat();
    const read = async (length: number, from: number): Promise<ArrayBuffer | undefined> => {
      if (from < 0 || from + length > size) return undefined;
      const bytes = new Uint8Array(length);
      return (await handle.read(bytes, 0, length, from)).bytesRead === length ? bytes.buffer : undefined;
    };
    const tail = await read(TAIL, size - TAIL);
    const [length, checksum] = new Uint32Array(tail ?? new ArrayBuffer(8));
    const table = length >= 8 ? await read(length, size - TAIL - length) : undefined;
    if (!table || crc32(new Uint8Array(table)) !== checksum) return undefined;
    const [textLength] = new Uint32Array(table, 0, 1);
    const rest = JSON.parse(new TextDecoder().decode(new Uint8Array(table, 8, textLength))) as Pick<Contents, "key" | "shape" | "warnings">;
    if (rest.key !== key) return undefined;
    const arrays = 8 + Math.ceil(textLength / 8) * 8;
    const offsets = new Float64Array(table, arrays, count + 1);
    if (offsets[count] !== size - TAIL - length) return undefined;
    const [steps, checksums] = [0, 4 * count].map((from) => new Uint32Array(table, arrays + 8 * (count + 1) + from, count));
    return { ...rest, offsets, steps, checksums };
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

