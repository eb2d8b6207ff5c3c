import { fileFormatError, type NamedBytes } from "../idx.ts";
import { type SensorSize, truncated } from "./found.ts";

/** The sensors that record AEDAT files. */
export type SensorName = "dvs128" | "davis128" | "davis208" | "davis240" | "davis346" | "davis640";

export const SENSORS: Readonly<Record<SensorName, SensorSize>> = {
  dvs128: [128, 128], davis128: [128, 128], davis208: [208, 192], davis240: [240, 180], davis346: [346, 260], davis640: [640, 480],
};

export interface AedatHeader {
  /** Without their # and line ends. */
  lines: string[];
  /** Where the data begin. */
  start: number;
}

/** The lines of text that start with #, up to `last` if there is such a line, which must be there if it is `required`. */
export function readAedatHeader({ file, bytes }: NamedBytes, last: RegExp, required = false): AedatHeader {
  const lines: string[] = [];
  let start = 0;
  while (bytes[start] === HASH) {
    const end = endOfLine(bytes, start);
    if (end === bytes.length) throw truncated(file, bytes, "its header of lines that start with #");
    // Data may start with the byte of # too.
    if (end < 0) break;
    const line = decoder.decode(bytes.subarray(start + 1, end)).trimEnd();
    lines.push(line);
    start = end + 1;
    if (last.test(line)) return { lines, start };
  }
  if (required) throw fileFormatError(file, start, `expected a line of the header, up to #!END-HEADER`);
  return { lines, start };
}

/** The sensor that a line of the header names, by what stands behind `key`; undefined for another's name, or none. */
export function sensorNamed({ lines }: AedatHeader, key: RegExp): { name?: SensorName; text?: string } {
  const text = lines.find((line) => key.test(line))?.replace(key, "").trim();
  if (text === undefined) return {};
  const davis = /davis\D*?(\d{3})/i.exec(text)?.[1];
  const name = /dvs128|tmpdiff128/i.test(text) ? "dvs128" : `davis${davis}`;
  return name in SENSORS ? { name: name as SensorName, text } : { text };
}

/** The place of the line's feed; the file's end if it is cut off within text; −1 if the line is no text. */
function endOfLine(bytes: Uint8Array, start: number): number {
  for (let at = start; at < bytes.length; at++) {
    if (bytes[at] === LINE_FEED) return at;
    if (bytes[at] < 0x20 && bytes[at] !== TAB && bytes[at] !== CARRIAGE_RETURN) return -1;
  }
  return bytes.length;
}

const decoder = new TextDecoder("latin1");
const HASH = 0x23;
const TAB = 0x09;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
