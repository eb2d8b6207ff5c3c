import { fromBfloat16, fromFloat16 } from "../data/float16.ts";
import { FileFormatError, OptionError, ShapeError } from "../errors.ts";

export type TensorData = Float32Array | Int32Array | Uint8Array | Uint32Array;

export interface NamedTensor {
  /** Row-major; [] is a scalar. */
  shape: number[];
  data: TensorData;
}

export interface SafetensorsFile {
  tensors: Record<string, NamedTensor>;
  metadata: Record<string, string>;
}

/** What can be written: besides ours, the 64-bit integers that other programs' files must have. */
export interface WritableTensor {
  shape: readonly number[];
  data: TensorData | BigInt64Array;
}

/** A tensor of any type that other programs write. */
export interface ForeignTensor {
  shape: number[];
  /** Halves as f32, 64-bit integers as f64. */
  data: TensorData | Float64Array | Int8Array | Int16Array | Uint16Array;
  /** As the file has it: "BF16". */
  dtype: string;
}

const arrayTypes = { F32: Float32Array, I32: Int32Array, U32: Uint32Array, U8: Uint8Array, I64: BigInt64Array } as const;
type DTypeName = keyof typeof arrayTypes;

interface Type<T> {
  bytes: number;
  /** The values in a tensor's bytes, which it may keep. */
  read(own: ArrayBuffer): T;
}

const ownTypes: Readonly<Record<string, Type<TensorData>>> = {
  F32: { bytes: 4, read: (own) => new Float32Array(own) }, I32: { bytes: 4, read: (own) => new Int32Array(own) },
  U32: { bytes: 4, read: (own) => new Uint32Array(own) }, U8: { bytes: 1, read: (own) => new Uint8Array(own) },
};
const foreignTypes: Readonly<Record<string, Type<ForeignTensor["data"]>>> = {
  ...ownTypes,
  F64: { bytes: 8, read: (own) => new Float64Array(own) },
  F16: { bytes: 2, read: (own) => Float32Array.from(new Uint16Array(own), fromFloat16) }, BF16: { bytes: 2, read: (own) => Float32Array.from(new Uint16Array(own), fromBfloat16) },
  I64: { bytes: 8, read: (own) => Float64Array.from(new BigInt64Array(own), Number) }, U64: { bytes: 8, read: (own) => Float64Array.from(new BigUint64Array(own), Number) },
  I16: { bytes: 2, read: (own) => new Int16Array(own) }, U16: { bytes: 2, read: (own) => new Uint16Array(own) },
  I8: { bytes: 1, read: (own) => new Int8Array(own) }, BOOL: { bytes: 1, read: (own) => new Uint8Array(own) },
};

const lengthBytes = 8;
/** The reference implementation's limit, against absurd allocations. */
const maxHeaderBytes = 100_000_000;
const metadataKey = "__metadata__";

const sizeOf = (shape: readonly number[]) => shape.reduce((size, n) => size * n, 1);
const isCount = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/**
 * A safetensors file (https://huggingface.co/docs/safetensors): u64 header length, JSON header, raw little-endian data.
 * Wide types come before narrow ones, then by name, so that every tensor is aligned and equal contents give equal files.
 * Throws ShapeError when a shape does not fit its data, OptionError for the reserved name "__metadata__".
 */
export function encodeSafetensors(tensors: Record<string, WritableTensor>, metadata: Record<string, string> = {}): Uint8Array {
  const entries = Object.entries(tensors).sort(
    ([nameA, a], [nameB, b]) => b.data.BYTES_PER_ELEMENT - a.data.BYTES_PER_ELEMENT || (nameA < nameB ? -1 : 1),
  );
  const fields: string[] = [];
  if (Object.keys(metadata).length > 0) fields.push(`"${metadataKey}":${JSON.stringify(metadata)}`);
  let end = 0;
  for (const [name, { shape, data }] of entries) {
    if (name === metadataKey) throw new OptionError(`a tensor cannot be named "${metadataKey}": the format reserves that name; rename it`);
    if (!shape.every(isCount) || sizeOf(shape) !== data.length)
      throw new ShapeError(`tensor "${name}": shape [${shape.join(", ")}] does not hold its ${data.length} values`);
    const begin = end;
    end += data.byteLength;
    fields.push(`${JSON.stringify(name)}:${JSON.stringify({ dtype: dtypeOf(data), shape, data_offsets: [begin, end] })}`);
  }
  const json = new TextEncoder().encode(`{${fields.join(",")}}`);
  const headerBytes = Math.ceil(json.length / 8) * 8;
  const bytes = new Uint8Array(lengthBytes + headerBytes + end);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(headerBytes), true);
  bytes.fill(0x20, lengthBytes, lengthBytes + headerBytes);
  bytes.set(json, lengthBytes);
  let at = lengthBytes + headerBytes;
  for (const [, { data }] of entries) {
    bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), at);
    at += data.byteLength;
  }
  return bytes;
}

function dtypeOf(data: WritableTensor["data"]): DTypeName {
  const found = (Object.keys(arrayTypes) as DTypeName[]).find((name) => data instanceof arrayTypes[name]);
  if (!found) throw new OptionError(`a tensor's data must be a Float32Array, Int32Array, Uint32Array, Uint8Array or BigInt64Array, got ${typeof data}`);
  return found;
}

/**
 * Reads a whole safetensors file with dtypes F32, I32, U32 and U8; every array owns its memory.
 * Throws FileFormatError, naming `fileName` and the byte offset, for anything but a file whose header is
 * well-formed and whose tensors cover its data exactly, without gap or overlap.
 */
export function decodeSafetensors(bytes: Uint8Array, fileName: string): SafetensorsFile {
  const { tensors, metadata } = decode(bytes, fileName, ownTypes);
  return { tensors: Object.fromEntries([...tensors].map(([name, { shape, data }]) => [name, { shape, data }])), metadata };
}

/** Reads a whole safetensors file of another program, as `decodeSafetensors` does, with more types: not the floats of 8 bits and fewer. */
export const decodeForeignSafetensors = (bytes: Uint8Array, fileName: string): Map<string, ForeignTensor> => decode(bytes, fileName, foreignTypes).tensors;

function decode<T>(bytes: Uint8Array, fileName: string, types: Readonly<Record<string, Type<T>>>): { tensors: Map<string, { shape: number[]; data: T; dtype: string }>; metadata: Record<string, string> } {
  const fail = (offset: number, problem: string): never => {
    throw new FileFormatError(`${fileName}: ${problem} (at byte offset ${offset}); expected a safetensors file`);
  };
  if (bytes.length < lengthBytes) return fail(0, `${bytes.length} bytes are too few to hold the header's length of ${lengthBytes} bytes`);
  const declared = new DataView(bytes.buffer, bytes.byteOffset, lengthBytes).getBigUint64(0, true);
  const available = bytes.length - lengthBytes;
  if (declared > BigInt(Math.min(available, maxHeaderBytes)))
    return fail(0, `the header claims ${declared} bytes, of which the file holds at most ${available}: it is truncated or of another format`);
  const dataStart = lengthBytes + Number(declared);
  const header = parseHeader(bytes.subarray(lengthBytes, dataStart), fail);

  const metadata = header[metadataKey] ?? {};
  if (!isRecord(metadata) || !Object.values(metadata).every((value) => typeof value === "string"))
    return fail(lengthBytes, `"${metadataKey}" must map names to strings`);
  const infos = Object.entries(header)
    .filter(([name]) => name !== metadataKey)
    .map(([name, value]) => ({ name, ...tensorInfo(name, value, types, fail) }))
    .sort((a, b) => a.begin - b.begin || a.end - b.end);

  let covered = 0;
  for (const { name, begin, end } of infos) {
    if (begin !== covered)
      fail(dataStart + begin, `tensor "${name}" ${begin < covered ? "overlaps the one before it" : `leaves a gap of ${begin - covered} bytes before it`}`);
    if (dataStart + end > bytes.length)
      fail(bytes.length, `the data of tensor "${name}" is truncated: it should end at byte ${dataStart + end}, the file at ${bytes.length}`);
    covered = end;
  }
  if (dataStart + covered !== bytes.length)
    fail(dataStart + covered, `${bytes.length - dataStart - covered} bytes follow the last tensor`);

  const tensors = infos.map(({ name, dtype, shape, begin, end }) => {
    const own = new Uint8Array(bytes.subarray(dataStart + begin, dataStart + end));
    return [name, { shape, dtype, data: types[dtype].read(own.buffer) }] as const;
  });
  return { tensors: new Map(tensors), metadata: metadata as Record<string, string> };
}

type Fail = (offset: number, problem: string) => never;

function parseHeader(bytes: Uint8Array, fail: Fail): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    header = JSON.parse(text);
  } catch (error) {
    return fail(lengthBytes, `the header is not JSON: ${(error as Error).message}`);
  }
  if (!text.startsWith("{") || !isRecord(header)) return fail(lengthBytes, "the header is not a JSON object that starts with {");
  const duplicate = findDuplicateKey(text);
  if (duplicate)
    fail(lengthBytes + new TextEncoder().encode(text.slice(0, duplicate.index)).length, `the name ${duplicate.key} occurs twice in the header`);
  return header;
}

/** JSON.parse keeps the last of two equal keys without a word; `text` is valid JSON. */
function findDuplicateKey(text: string): { key: string; index: number } | undefined {
  const open: Set<string>[] = [];
  for (const token of text.matchAll(/[{}]|("(?:[^"\\]|\\.)*")(\s*:)?/g)) {
    if (token[0] === "{") open.push(new Set());
    else if (token[0] === "}") open.pop();
    else if (token[2]) {
      const key = JSON.parse(token[1]) as string;
      const keys = open.at(-1)!;
      if (keys.has(key)) return { key: token[1], index: token.index };
      keys.add(key);
    }
  }
  return undefined;
}

function tensorInfo(name: string, value: unknown, types: Readonly<Record<string, Type<unknown>>>, fail: Fail) {
  const problem = (what: string): never => fail(lengthBytes, `tensor "${name}" in the header: ${what}`);
  if (!isRecord(value)) return problem("must be an object with dtype, shape and data_offsets");
  const { dtype, shape, data_offsets: offsets, ...others } = value;
  if (Object.keys(others).length > 0) return problem(`has the unknown field "${Object.keys(others)[0]}"`);
  if (typeof dtype !== "string" || !Object.hasOwn(types, dtype)) return problem(`dtype ${JSON.stringify(dtype)} is none of ${Object.keys(types).join(", ")}`);
  if (!Array.isArray(shape) || !shape.every(isCount)) return problem(`shape ${JSON.stringify(shape)} is no list of sizes`);
  if (!Array.isArray(offsets) || offsets.length !== 2 || !offsets.every(isCount) || offsets[0] > offsets[1])
    return problem(`data_offsets ${JSON.stringify(offsets)} is no pair [begin, end]`);
  const [begin, end] = offsets as [number, number];
  const needed = sizeOf(shape) * types[dtype].bytes;
  if (needed !== end - begin) return problem(`shape [${shape.join(", ")}] of ${dtype} needs ${needed} bytes, data_offsets give ${end - begin}`);
  return { dtype, shape: shape as number[], begin, end };
}
