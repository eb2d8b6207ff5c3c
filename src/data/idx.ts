import { checkArgument, integer, kind, object } from "../check.ts";
import { FileFormatError } from "../errors.ts";

/** A file's contents with its name, for errors. */
export interface NamedBytes {
  file: string;
  bytes: Uint8Array;
}

export const namedBytes = kind("a file's contents with its name: { file, bytes: Uint8Array }", (x) => {
  const { file, bytes } = (object.accepts(x) ? x : {}) as Partial<NamedBytes>;
  return typeof file === "string" && bytes instanceof Uint8Array;
});

/** The contents of an IDX file of unsigned bytes. */
export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major, one byte for each element. */
  readonly data: Uint8Array;
}

const UNSIGNED_BYTE = 0x08;

const ELEMENT_TYPES: Readonly<Record<number, string>> = {
  [UNSIGNED_BYTE]: "unsigned bytes",
  0x09: "signed bytes",
  0x0b: "16-bit integers",
  0x0c: "32-bit integers",
  0x0d: "32-bit floats",
  0x0e: "64-bit floats",
};

/** A FileFormatError that names the file and the offset. */
export function fileFormatError(file: string, offset: number, problem: string, options?: ErrorOptions): FileFormatError {
  return new FileFormatError(`${file}, byte ${offset}: ${problem}`, options);
}

/**
 * Parses a file in the IDX format of the MNIST database (Y. LeCun, C. Cortes and C. Burges): two zero bytes, the element
 * type, the number of dimensions, each dimension as a big-endian 32-bit integer, then the elements in row-major order.
 * A file that starts with the gzip magic 1f 8b is decompressed first; offsets in errors are those of the decompressed data.
 *
 * @param source the file; the result is a view of its contents unless they were gzipped
 * @param rank how many dimensions it must have: 3 for images [count, height, width], 1 for labels [count]
 * @throws FileFormatError if the file is truncated, goes on after its last element, is not IDX, or holds another
 *   element type or another number of dimensions; OptionError for an argument of the wrong kind
 */
export async function parseIdx(source: NamedBytes, rank: number): Promise<IdxArray> {
  checkArgument("parseIdx", "source", source, namedBytes);
  checkArgument("parseIdx", "rank", rank, integer(1, 255));
  const { file, bytes } = source;
  const gzipped = bytes[0] === 0x1f && bytes[1] === 0x8b;
  // Not `bytes` itself: it may be a Node Buffer, whose slice() is a view.
  const contents = gzipped ? await gunzipIdx(bytes, file, rank) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { shape, start, end } = parseHeader(contents, file, rank);
  if (contents.length < end) {
    throw fileFormatError(file, contents.length, `the file is truncated: expected ${end} bytes for shape [${shape.join(", ")}]`);
  }
  if (contents.length > end) throw trailingBytes(file, end, shape);
  return { shape, data: contents.subarray(start, end) };
}

interface IdxHeader {
  shape: readonly number[];
  /** Offsets of the first element and past the last. */
  start: number;
  end: number;
}

const headerLength = (rank: number) => 4 + 4 * rank;

function parseHeader(bytes: Uint8Array, file: string, rank: number): IdxHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const uint32 = (offset: number, what: string): number => {
    if (offset + 4 > bytes.length) {
      throw fileFormatError(file, bytes.length, `the file is truncated: it ends within the ${what}, expected at bytes ${offset} to ${offset + 3}`);
    }
    return view.getUint32(offset);
  };

  const magic = uint32(0, "magic number");
  const expected = UNSIGNED_BYTE * 0x100 + rank;
  const type = ELEMENT_TYPES[(magic >>> 8) & 0xff];
  if (magic >>> 16 !== 0 || type === undefined) {
    throw fileFormatError(file, 0, `no IDX file: found the magic number ${hex(magic)}, expected ${hex(expected)}`);
  }
  if (magic >>> 8 !== UNSIGNED_BYTE) {
    throw fileFormatError(file, 2, `found elements of type ${hex(magic >>> 8, 2)} (${type}), expected ${hex(UNSIGNED_BYTE, 2)} (unsigned bytes)`);
  }
  if (magic !== expected) {
    throw fileFormatError(file, 3, `found ${magic & 0xff} dimensions, expected ${rank} (images have 3, labels have 1)`);
  }

  const shape = Array.from({ length: rank }, (_, axis) => uint32(4 + 4 * axis, `size of dimension ${axis}`));
  const start = headerLength(rank);
  return { shape, start, end: start + shape.reduce((product, size) => product * size, 1) };
}

/** Decompresses no further than the IDX header says there is data, so that a hostile file cannot fill the memory. */
async function gunzipIdx(bytes: Uint8Array, file: string, rank: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  let header: IdxHeader | undefined;
  for await (const chunk of gunzipChunks(bytes, file)) {
    chunks.push(chunk);
    length += chunk.length;
    if (!header && length >= headerLength(rank)) header = parseHeader(concatenate(chunks, length), file, rank);
    if (header && length > header.end) throw trailingBytes(file, header.end, header.shape);
  }
  return concatenate(chunks, length);
}

async function* gunzipChunks(bytes: Uint8Array, file: string): AsyncGenerator<Uint8Array> {
  const stream = new Blob([bytes as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  let length = 0;
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((cause: unknown) => {
        const reason = cause instanceof Error ? cause.message : String(cause);
        throw fileFormatError(file, length, `the gzip stream is truncated or corrupt from here on (${reason})`, { cause });
      });
      if (done) return;
      length += value.length;
      yield value;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
}

function concatenate(chunks: readonly Uint8Array[], length: number): Uint8Array {
  const whole = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    whole.set(chunk, offset);
    offset += chunk.length;
  }
  return whole;
}

function trailingBytes(file: string, end: number, shape: readonly number[]): FileFormatError {
  return fileFormatError(file, end, `found trailing bytes: expected the file to end here, after elements of shape [${shape.join(", ")}]`);
}

const hex = (value: number, digits = 8) => `0x${value.toString(16).padStart(digits, "0")}`;
