import { fileFormatError, type NamedBytes } from "../idx.ts";
import { type Found, room, type SensorSize, truncated, unwrapper, wholeRecords } from "./found.ts";

const RECORD = 8;
const EVENT_2D = 0;
const EVENT_CD = 12;

/**
 * Prophesee's .dat of contrast detection (CD) events (https://docs.prophesee.ai/stable/data/file_formats/dat.html): lines of text that start with %, a byte
 * for the kind of events and one for their size, then for each event its time and its address, both little-endian in 32 bits.
 */
export function readDat({ file, bytes }: NamedBytes): Found {
  const { fields, end } = readHeader(file, bytes);
  const version = Number(fields.get("Version") ?? 0);
  // Files of the first version may have no header at all, and then no bytes for kind and size.
  if (fields.size > 0 && bytes.length < end + 2) throw truncated(file, bytes, "its header");
  if (fields.size > 0) {
    const [type, size] = [bytes[end], bytes[end + 1]];
    if (type !== EVENT_2D && type !== EVENT_CD) throw fileFormatError(file, end, `found events of type ${type}: expected ${EVENT_CD} (CD) or ${EVENT_2D} (2D)`);
    if (size !== RECORD) throw fileFormatError(file, end + 1, `found events of ${size} bytes: expected ${RECORD}`);
  }
  const start = fields.size > 0 ? end + 2 : end;
  const warnings: string[] = [];
  const records = wholeRecords(file, bytes, start, RECORD, warnings);
  const found = room(records);
  const { x, y, t, p } = found;
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, records * RECORD);
  const unwrap = unwrapper();
  const [xBits, yBits] = version >= 2 ? [14, 14] : [9, 8];
  for (let i = 0; i < records; i++) {
    const address = view.getUint32(i * RECORD + 4, true);
    t[i] = unwrap(view.getUint32(i * RECORD, true));
    x[i] = address & ((1 << xBits) - 1);
    y[i] = (address >>> xBits) & ((1 << yBits) - 1);
    p[i] = (address >>> (xBits + yBits)) & 1;
  }
  return { ...found, warnings, ...sizeOf(fields) };
}

/** Whether the first line is a comment of such a file. */
export const looksLikeDat = (bytes: Uint8Array): boolean => bytes[0] === PERCENT && /^% [\x20-\x7e]*\r?(\n|$)/.test(decoder.decode(bytes.subarray(0, 200)));

function readHeader(file: string, bytes: Uint8Array): { fields: Map<string, string>; end: number } {
  const fields = new Map<string, string>();
  let at = 0;
  while (bytes[at] === PERCENT) {
    const end = bytes.indexOf(LINE_FEED, at);
    if (end < 0) throw truncated(file, bytes, "its header of lines that start with %");
    const line = decoder.decode(bytes.subarray(at, end));
    const [, key, value] = /^%\s*(Data file containing|\w+)\s*(.*?)\s*$/.exec(line) ?? [];
    if (key === "evt" || key === "format" || value?.startsWith("EVT")) {
      throw fileFormatError(file, at, `found ${JSON.stringify(line)}: this is a RAW file of Prophesee's; convert it with metavision_file_to_dat`);
    }
    if (key !== undefined) fields.set(key, value);
    at = end + 1;
  }
  return { fields, end: at };
}

function sizeOf(fields: Map<string, string>): { size?: SensorSize } {
  const [width, height] = ["Width", "Height"].map((name) => Number(fields.get(name)));
  return width >= 1 && height >= 1 && width <= 2 ** 14 && height <= 2 ** 14 ? { size: [Math.floor(width), Math.floor(height)] } : {};
}

const decoder = new TextDecoder("latin1");
const PERCENT = 0x25;
const LINE_FEED = 0x0a;
