import { fileFormatError, type NamedBytes } from "../idx.ts";

/** One file in an archive. */
export interface ZipEntry {
  name: string;
  /** Of its header, in the archive. */
  offset: number;
  compressed: number;
  size: number;
  method: number;
  crc: number;
}

const STORED = 0;
const DEFLATED = 8;
/** A byte of a deflated stream stands for no more. */
const RATIO = 1032;

/** The directory at the end of a zip archive (https://pkware.cachefly.net/webdocs/casestudies/APPNOTE.TXT, 4.3); archives beyond 4 GB are refused. */
export function zipEntries({ file, bytes }: NamedBytes): ZipEntry[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= Math.max(0, bytes.length - 22 - 0xffff) && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0 || view.getUint32(end, true) !== 0x06054b50) throw fileFormatError(file, bytes.length, "the file is truncated: a zip archive ends with its directory");
  const count = view.getUint16(end + 10, true);
  const entries: ZipEntry[] = [];
  for (let at = view.getUint32(end + 16, true); entries.length < count; ) {
    if (at + 46 > end || view.getUint32(at, true) !== 0x02014b50) throw fileFormatError(file, at, `found no entry ${entries.length} of ${count} of the zip archive's directory`);
    const [nameLength, extraLength, commentLength] = [28, 30, 32].map((field) => view.getUint16(at + field, true));
    const [crc, compressed, size] = [16, 20, 24].map((field) => view.getUint32(at + field, true));
    const name = new TextDecoder().decode(bytes.subarray(at + 46, at + 46 + nameLength));
    entries.push({ name, offset: view.getUint32(at + 42, true), compressed, size, method: view.getUint16(at + 10, true), crc });
    at += 46 + nameLength + extraLength + commentLength;
  }
  return entries;
}

/** An entry's contents: a view where they are stored as they are. */
export async function readZipEntry({ file, bytes }: NamedBytes, { name, offset, compressed, size, method, crc }: ZipEntry): Promise<Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (offset + 30 > bytes.length || view.getUint32(offset, true) !== 0x04034b50) throw fileFormatError(file, offset, `found no header of ${name} in the zip archive`);
  const start = offset + 30 + view.getUint16(offset + 26, true) + view.getUint16(offset + 28, true);
  if (start + compressed > bytes.length) throw fileFormatError(file, offset, `${name} goes beyond the end of the zip archive`);
  if (method !== STORED && method !== DEFLATED) throw fileFormatError(file, offset, `${name} is compressed by method ${method}, expected ${STORED} (none) or ${DEFLATED} (deflate)`);
  if (method === STORED ? size !== compressed : size > compressed * RATIO) throw fileFormatError(file, offset, `${name} cannot have ${size} bytes in ${compressed}`);
  const packed = bytes.subarray(start, start + compressed);
  const contents = method === STORED ? packed : await inflate(packed, size).catch((cause: unknown) => {
    throw fileFormatError(file, start, `${name} is corrupt (${cause instanceof Error ? cause.message : String(cause)})`, { cause });
  });
  if (contents.length !== size || crc32(contents) !== crc) throw fileFormatError(file, start, `${name} is corrupt: its checksum is another`);
  return contents;
}

/** No further than to `size` bytes, and some that come with them. */
async function inflate(packed: Uint8Array, size: number): Promise<Uint8Array> {
  const reader = new Blob([packed as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("deflate-raw")).getReader();
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    while (length <= size) {
      const { done, value } = await reader.read();
      if (done) break;
      chunks.push(value);
      length += value.length;
    }
  } finally {
    await reader.cancel().catch(() => {});
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}

/** An archive of files that are stored as they are, dated 1 January 1980. */
export function encodeZip(files: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const entries = [...files].map(([name, contents]) => ({ name: new TextEncoder().encode(name), contents, crc: crc32(contents) }));
  const sizeOf = (header: number) => entries.reduce((sum, { name, contents }) => sum + header + name.length + (header === LOCAL ? contents.length : 0), 0);
  const [body, directory] = [sizeOf(LOCAL), sizeOf(CENTRAL)];
  const bytes = new Uint8Array(body + directory + END);
  const view = new DataView(bytes.buffer);
  let [at, entryAt] = [0, body];
  for (const { name, contents, crc } of entries) {
    const common = (from: number): void => {
      view.setUint16(from, VERSION, true);
      view.setUint16(from + 2, UTF8, true);
      view.setUint16(from + 8, FIRST_DAY, true);
      view.setUint32(from + 10, crc, true);
      for (const field of [14, 18]) view.setUint32(from + field, contents.length, true);
      view.setUint16(from + 22, name.length, true);
    };
    view.setUint32(at, 0x04034b50, true);
    common(at + 4);
    bytes.set(name, at + LOCAL);
    bytes.set(contents, at + LOCAL + name.length);
    view.setUint32(entryAt, 0x02014b50, true);
    view.setUint16(entryAt + 4, VERSION, true);
    common(entryAt + 6);
    view.setUint32(entryAt + 42, at, true);
    bytes.set(name, entryAt + CENTRAL);
    at += LOCAL + name.length + contents.length;
    entryAt += CENTRAL + name.length;
  }
  view.setUint32(entryAt, 0x06054b50, true);
  for (const field of [8, 10]) view.setUint16(entryAt + field, entries.length, true);
  view.setUint32(entryAt + 12, directory, true);
  view.setUint32(entryAt + 16, body, true);
  return bytes;
}

/** Bytes of an entry's header before its contents and in the directory, without its name, and of the directory's end. */
const [LOCAL, CENTRAL, END] = [30, 46, 22];
/** Of the format, 2.0; names are UTF-8; the first day that there is. */
const [VERSION, UTF8, FIRST_DAY] = [20, 0x800, 0x21];

/** Of ISO 3309, as zip has it. */
function crc32(bytes: Uint8Array): number {
  let crc = -1;
  for (let i = 0; i < bytes.length; i++) crc = CRC_TABLE[(crc ^ bytes[i]) & 0xff] ^ (crc >>> 8);
  return ~crc >>> 0;
}

const CRC_TABLE = Int32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  return crc;
});
