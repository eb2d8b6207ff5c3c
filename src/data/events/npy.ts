import { fromFloat16 } from "../float16.ts";
import { fileFormatError, type NamedBytes } from "../idx.ts";

/** Numbers in a file of NumPy's, one in each record. */
export interface NpyColumn {
  count: number;
  /** The number in record i. */
  at: (i: number) => number;
}

/** A file of NumPy's: one column, or those of a structured array by their names. */
export interface NpyArray {
  column?: NpyColumn;
  fields: ReadonlyMap<string, NpyColumn>;
}

/** A file of NumPy's that holds numbers in any number of dimensions. */
export interface NpyTensor {
  /** [] is a scalar. */
  shape: number[];
  /** Row-major: an f32 for floats of 16 and 32 bits, else an f64. */
  data: Float32Array | Float64Array;
  /** As NumPy has it, without the order of bytes: "f4". */
  dtype: string;
}

type Literal = string | number | boolean | null | Literal[] | Map<string, Literal>;
type Read = (view: DataView, at: number, little: boolean) => number;

const READERS: Record<string, { bytes: number; read: Read }> = {
  b1: { bytes: 1, read: (view, at) => view.getUint8(at) }, u1: { bytes: 1, read: (view, at) => view.getUint8(at) }, i1: { bytes: 1, read: (view, at) => view.getInt8(at) },
  u2: { bytes: 2, read: (view, at, little) => view.getUint16(at, little) }, i2: { bytes: 2, read: (view, at, little) => view.getInt16(at, little) },
  u4: { bytes: 4, read: (view, at, little) => view.getUint32(at, little) }, i4: { bytes: 4, read: (view, at, little) => view.getInt32(at, little) },
  u8: { bytes: 8, read: (view, at, little) => long(view, at, little, view.getUint32(at + (little ? 4 : 0), little)) },
  i8: { bytes: 8, read: (view, at, little) => long(view, at, little, view.getInt32(at + (little ? 4 : 0), little)) },
  f2: { bytes: 2, read: (view, at, little) => fromFloat16(view.getUint16(at, little)) }, f4: { bytes: 4, read: (view, at, little) => view.getFloat32(at, little) }, f8: { bytes: 8, read: (view, at, little) => view.getFloat64(at, little) },
};
const long: (view: DataView, at: number, little: boolean, high: number) => number = (view, at, little, high) => high * 2 ** 32 + view.getUint32(at + (little ? 0 : 4), little);

/** Parses a file of one dimension: a number, or a record of numbers, for each event. */
export function parseNpy(source: NamedBytes): NpyArray {
  const { view, descr, shape, start, headerStart, fail } = parseHeader(source);
  if (shape.length !== 1) throw fail(headerStart, `found the shape ${JSON.stringify(shape)}, expected one dimension, as of one value or record for each event`);
  const [count] = shape;
  const layout = typeof descr === "string" ? { fields: [{ name: "", offset: 0, ...typeOf(descr, fail, headerStart) }], bytes: typeOf(descr, fail, headerStart).bytes } : recordOf(descr, fail, headerStart);
  if (start + count * layout.bytes > view.byteLength) throw fail(view.byteLength, `the file is truncated: expected ${count} records of ${layout.bytes} bytes from byte ${start} on`);
  const columns = layout.fields.flatMap(({ name, offset, read, little }): [string, NpyColumn][] =>
    read ? [[name, { count, at: (i) => read(view, start + offset + i * layout.bytes, little) }]] : []);
  return typeof descr === "string" ? { column: columns[0]?.[1], fields: new Map() } : { fields: new Map(columns) };
}

/** Parses a file of numbers, of any shape and in either order of the axes in memory. */
export function parseNpyTensor(source: NamedBytes): NpyTensor {
  const { view, descr, shape, fortranOrder, start, headerStart, fail } = parseHeader(source);
  if (typeof descr !== "string") throw fail(headerStart, "found records, expected numbers");
  const { bytes, read, little } = typeOf(descr, fail, headerStart);
  if (!read) throw fail(headerStart, `found values of type ${JSON.stringify(descr)}, expected numbers`);
  const size = shape.reduce((product, length) => product * length, 1);
  if (start + size * bytes > view.byteLength) throw fail(view.byteLength, `the file is truncated: expected ${size} values of ${bytes} bytes from byte ${start} on`);
  const dtype = descr.replace(/^[<>|=]/, "");
  const data = new (/^f[24]$/.test(dtype) ? Float32Array : Float64Array)(size);
  // The first axis varies fastest in Fortran's order, the last in C's.
  const place = fortranOrder ? fortranPlaces(shape) : (i: number) => i;
  for (let i = 0; i < size; i++) data[i] = read(view, start + place(i) * bytes, little);
  return { shape, data, dtype };
}

/** Where a row-major element lies in Fortran's order. */
const fortranPlaces = (shape: readonly number[]) => (i: number): number => {
  let [rest, place] = [i, 0];
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    place += (rest % shape[axis]) * shape.slice(0, axis).reduce((product, length) => product * length, 1);
    rest = Math.floor(rest / shape[axis]);
  }
  return place;
};

interface Header {
  view: DataView;
  descr: Literal | undefined;
  shape: number[];
  fortranOrder: boolean;
  /** Of the dictionary, and of the records after it. */
  headerStart: number;
  start: number;
  fail: Fail;
}

/**
 * The beginning of a file in the .npy format (https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html): a magic number, the version, and a
 * dictionary as Python writes it; the records follow.
 */
function parseHeader({ file, bytes }: NamedBytes): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const fail = (at: number, problem: string): Error => fileFormatError(file, at, problem);
  if (bytes.length < 12) throw fail(bytes.length, "the file is truncated: it ends within its header");
  if (view.getUint32(0) !== 0x934e554d || view.getUint16(4) !== 0x5059) throw fail(0, "no array of NumPy's: expected it to start with \\x93NUMPY");
  const version = bytes[6];
  if (version < 1 || version > 3) throw fail(6, `found version ${version} of the npy format, expected 1, 2 or 3`);
  const headerStart = version === 1 ? 10 : 12;
  const start = headerStart + (version === 1 ? view.getUint16(8, true) : view.getUint32(8, true));
  if (start > bytes.length) throw fail(bytes.length, "the file is truncated: it ends within its header");
  const header = parseLiteral(new TextDecoder("latin1").decode(bytes.subarray(headerStart, start)), (at, problem) => fail(headerStart + at, problem));
  const [descr, shape, order] = header instanceof Map ? [header.get("descr"), header.get("shape"), header.get("fortran_order")] : [];
  if (!Array.isArray(shape) || !shape.every((length) => Number.isSafeInteger(length) && (length as number) >= 0)) throw fail(headerStart, `found the shape ${JSON.stringify(shape)}, expected a tuple of lengths`);
  return { view, descr, shape: shape as number[], fortranOrder: order === true, headerStart, start, fail };
}

type Fail = (at: number, problem: string) => Error;

interface Type {
  bytes: number;
  little: boolean;
  /** Absent for padding and for what is no number. */
  read?: Read;
}

function typeOf(descr: string, fail: Fail, at: number): Type {
  const [, order, name, size] = /^([<>|=]?)([a-zA-Z])(\d*)$/.exec(descr) ?? [];
  const known = READERS[`${name}${size}`];
  if (known) return { ...known, little: order !== ">" };
  if (name === "V" || name === "S") return { bytes: Number(size), little: true };
  throw fail(at, `found values of type ${JSON.stringify(descr)}, expected whole numbers, floats or booleans`);
}

function recordOf(descr: Literal | undefined, fail: Fail, at: number): { fields: ({ name: string; offset: number } & Type)[]; bytes: number } {
  let bytes = 0;
  const fields = (Array.isArray(descr) ? descr : [undefined]).map((each) => {
    const [name, type] = Array.isArray(each) && each.length === 2 ? each : [];
    if (typeof name !== "string" || typeof type !== "string") throw fail(at, `found a field ${JSON.stringify(each)}, expected a name and the type of one number`);
    const field = { name, offset: bytes, ...typeOf(type, fail, at) };
    bytes += field.bytes;
    return field;
  });
  return { fields, bytes };
}

/** What Python's repr() gives for dictionaries, lists, tuples, texts, numbers, True, False and None. */
function parseLiteral(source: string, fail: Fail): Literal {
  const tokens = [...source.matchAll(/\s*([{}[\](),:]|'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+L?|True|False|None|\S)/g)];
  let next = 0;
  const peek = (): string => tokens[next]?.[1] ?? "";
  const take = (): string => tokens[next++]?.[1] ?? "";
  const problem = (): Error => fail(tokens[Math.min(next, tokens.length) - 1]?.index ?? 0, "found no dictionary of an array's type and shape");
  const items = <T>(end: string, item: () => T): T[] => {
    const list: T[] = [];
    while (peek() !== end) {
      list.push(item());
      if (peek() === ",") take();
      else if (peek() !== end) throw problem();
    }
    take();
    return list;
  };
  const literal = (depth: number): Literal => {
    const token = take();
    if (depth > 8) throw problem();
    if (token === "{") {
      return new Map(items("}", (): [string, Literal] => {
        const key = literal(depth + 1);
        if (take() !== ":") throw problem();
        return [String(key), literal(depth + 1)];
      }));
    }
    if (token === "[" || token === "(") return items(token === "[" ? "]" : ")", () => literal(depth + 1));
    if (token.length > 1 && (token[0] === "'" || token[0] === '"')) return token.slice(1, -1);
    if (/^-?\d/.test(token)) return parseInt(token, 10);
    if (token === "True" || token === "False") return token === "True";
    if (token === "None") return null;
    throw problem();
  };
  return literal(0);
}
