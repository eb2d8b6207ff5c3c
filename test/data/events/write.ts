// Writers of event files, byte by byte from the formats' documentation. Readers share no code with them.
import { createRequire } from "node:module";
import { crc32, deflateRawSync } from "node:zlib";

export interface Event {
  x: number;
  y: number;
  t: number;
  p: 0 | 1;
}

const lz4 = createRequire(import.meta.url)("lz4js") as { compress(bytes: Uint8Array): Uint8Array };

/** Little-endian numbers, texts and bytes, one after the other. */
class Writer {
  readonly #parts: Uint8Array[] = [];

  number(value: number, type: "u8" | "i16" | "u16" | "i32" | "u32" | "i64" | "f64", little = true): this {
    const view = new DataView(new ArrayBuffer(8));
    const size = Number(type.slice(1)) / 8;
    if (type === "i64") view.setBigInt64(0, BigInt(value), little);
    else if (type === "f64") view.setFloat64(0, value, little);
    else if (size === 1) view.setUint8(0, value);
    else if (size === 2) view.setUint16(0, value, little);
    else view.setUint32(0, value, little);
    return this.bytes(new Uint8Array(view.buffer, 0, size));
  }

  text(value: string): this {
    return this.bytes(new TextEncoder().encode(value));
  }

  bytes(value: Uint8Array): this {
    this.#parts.push(value);
    return this;
  }

  get length(): number {
    return this.#parts.reduce((sum, { length }) => sum + length, 0);
  }

  done(): Uint8Array {
    return new Uint8Array(Buffer.concat(this.#parts));
  }
}

export const dvs128Address = ({ x, y, p }: Event): number => (y << 8) | (x << 1) | p;
export const davisAddress = ({ x, y, p }: Event): number => ((y << 22) | (x << 12) | (p << 11)) >>> 0;

/** [address, time] of each record. */
export function aedat2(records: readonly (readonly [number, number])[], lines: readonly string[] = [" This is a raw AE data file - do not edit"]): Uint8Array {
  const file = new Writer().text(["!AER-DAT2.0", ...lines].map((line) => `#${line}\r\n`).join(""));
  for (const [address, time] of records) file.number(address, "u32", false).number(time % 2 ** 32, "u32", false);
  return file.done();
}

export interface Packet {
  events: readonly (Event & { valid?: boolean })[];
  type?: number;
  overflow?: number;
}

export function aedat3(packets: readonly Packet[], source = "DVS128"): Uint8Array {
  const file = new Writer().text(`#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: ${source}\r\n#Start-Time: 2016-10-28 14:00:00 (TZ+0200)\r\n#!END-HEADER\r\n`);
  for (const { events, type = 1, overflow = 0 } of packets) {
    file.number(type, "i16").number(1, "i16").number(8, "i32").number(4, "i32").number(overflow, "i32");
    file.number(events.length, "i32").number(events.length, "i32").number(events.filter(({ valid = true }) => valid).length, "i32");
    for (const { x, y, t, p, valid = true } of events) file.number(((x << 17) | (y << 2) | (p << 1) | Number(valid)) >>> 0, "u32").number(t, "u32");
  }
  return file.done();
}

/** A FlatBuffer of one table: `numbers`, and a vector as its last field. `offsets` are those of the fields in the table. */
function flatBuffer(identifier: string, numbers: (table: Writer) => Writer, offsets: readonly number[], vector: Uint8Array, count: number): Uint8Array {
  const vtableAt = 8;
  const tableAt = vtableAt + 4 + 2 * offsets.length;
  const table = numbers(new Writer().number(tableAt - vtableAt, "i32")).number(4, "u32").done();
  const body = new Writer().number(tableAt, "u32").text(identifier).number(4 + 2 * offsets.length, "u16").number(table.length, "u16");
  for (const offset of offsets) body.number(offset, "u16");
  body.bytes(table).number(count, "u32").bytes(vector);
  return new Writer().number(body.length, "u32").bytes(body.done()).done();
}

export interface Aedat4Options {
  compression?: number;
  /** Streams by their number, as the header names them. */
  streams?: readonly { id: number; type: string; size?: readonly [number, number] }[];
  /** Of each packet in turn; 0 by default. */
  ids?: readonly number[];
  identifier?: string;
}

export function aedat4(packets: readonly (readonly Event[])[], { compression = 0, streams = [{ id: 0, type: "EVTS", size: [40, 30] }], ids = [], identifier = "EVTS" }: Aedat4Options = {}): Uint8Array {
  const nodes = streams.map(({ id, type, size }) => `<node name="${id}" path="/mainloop/Recorder/outInfo/${id}/"><attr key="compression" type="string">LZ4</attr><attr key="typeIdentifier" type="string">${type}</attr>` +
    `<node name="info" path="/i/">${size ? `<attr key="sizeX" type="int">${size[0]}</attr><attr key="sizeY" type="int">${size[1]}</attr>` : ""}</node></node>`);
  const xml = new TextEncoder().encode(`<dv version="2.0"><node name="outInfo" path="/mainloop/Recorder/outInfo/">${nodes.join("")}</node></dv>\0`);
  const header = flatBuffer("IOHE", (table) => table.number(compression, "i32").number(-1, "i64"), [4, 8, 16], xml, xml.length - 1);
  const file = new Writer().text("#!AER-DAT4.0\r\n").bytes(header);
  packets.forEach((events, i) => {
    const vector = new Writer();
    for (const { x, y, t, p } of events) vector.number(t, "i64").number(x, "u16").number(y, "u16").number(p, "u8").bytes(new Uint8Array(3));
    const plain = flatBuffer(identifier, (table) => table, [4], vector.done(), events.length);
    const content = compression === 0 ? plain : lz4.compress(plain);
    file.number(ids[i] ?? 0, "i32").number(content.length, "i32").bytes(content);
  });
  return file.done();
}

export function dat(events: readonly Event[], { version = 2, size, type = 12 }: { version?: 1 | 2; size?: readonly [number, number]; type?: number } = {}): Uint8Array {
  const lines = ["Data file containing CD events", "Date 2020-09-14 14:18:29", `Version ${version}`, ...(size ? [`Width ${size[0]}`, `Height ${size[1]}`] : [])];
  const file = new Writer().text(lines.map((line) => `% ${line}\n`).join("")).number(type, "u8").number(8, "u8");
  const [shiftY, shiftP] = version === 2 ? [14, 28] : [9, 17];
  for (const { x, y, t, p } of events) file.number(t % 2 ** 32, "u32").number((x | (y << shiftY) | (p << shiftP)) >>> 0, "u32");
  return file.done();
}

/** A .npy file: `descr` and `shape` as Python writes them. */
export function npy(descr: string, shape: string, records: Uint8Array): Uint8Array {
  const header = `{'descr': ${descr}, 'fortran_order': False, 'shape': ${shape}, }`;
  return new Writer().bytes(Uint8Array.of(0x93)).text("NUMPY").number(1, "u8").number(0, "u8").number(header.length + 1, "u16").text(`${header}\n`).bytes(records).done();
}

export function structuredNpy(events: readonly Event[]): Uint8Array {
  const records = new Writer();
  for (const { x, y, t, p } of events) records.number(x, "u16").number(y, "u16").number(t, "i64").number(p, "u8");
  return npy("[('x', '<u2'), ('y', '<u2'), ('t', '<i8'), ('p', '|b1')]", `(${events.length},)`, records.done());
}

export function zip(files: Record<string, Uint8Array>, deflated = false): Uint8Array {
  const file = new Writer();
  const directory = new Writer();
  for (const [name, contents] of Object.entries(files)) {
    const packed = deflated ? new Uint8Array(deflateRawSync(contents)) : contents;
    const common = (to: Writer): Writer => to.number(20, "u16").number(0, "u16").number(deflated ? 8 : 0, "u16").number(0, "u32").number(crc32(contents), "u32")
      .number(packed.length, "u32").number(contents.length, "u32").number(name.length, "u16").number(0, "u16");
    common(directory.number(0x02014b50, "u32").number(20, "u16")).number(0, "u16").number(0, "u16").number(0, "u16").number(0, "u32").number(file.length, "u32").text(name);
    common(file.number(0x04034b50, "u32")).text(name).bytes(packed);
  }
  const count = Object.keys(files).length;
  const start = file.length;
  return file.bytes(directory.done()).number(0x06054b50, "u32").number(0, "u32").number(count, "u16").number(count, "u16").number(directory.length, "u32").number(start, "u32").number(0, "u16").done();
}
