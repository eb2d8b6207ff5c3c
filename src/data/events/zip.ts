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
