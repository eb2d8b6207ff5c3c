import { checkArgument, integer } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import type { NamedBytes } from "../idx.ts";
import { checkEvents, type Events } from "./events.ts";
import { first, type Found, room, wholeRecords } from "./found.ts";

const RECORD = 5;
/** A record with this y is no event: the clock has gone on by 2¹³ µs beyond its 23 bits. */
const OVERFLOW = 240;
const OVERFLOW_STEP = 2 ** 13;
const SENSOR = 34;

/**
 * The format of N-MNIST and N-Caltech101 (G. Orchard, A. Jayawant, G. Cohen and N. Thakor, 2015), without a header: five bytes for each event, x, y, then
 * big-endian the polarity in one bit and the time in 23.
 */
export function readNmnist({ file, bytes }: NamedBytes): Found {
  const warnings: string[] = [];
  const records = wholeRecords(file, bytes, 0, RECORD, warnings);
  const found = room(records);
  const { x, y, t, p } = found;
  let count = 0;
  let overflow = 0;
  let beyond = false;
  for (let at = 0; at < records * RECORD; at += RECORD) {
    const row = bytes[at + 1];
    if (row === OVERFLOW) {
      overflow += OVERFLOW_STEP;
      continue;
    }
    x[count] = bytes[at];
    y[count] = row;
    p[count] = bytes[at + 2] >> 7;
    t[count] = (((bytes[at + 2] & 0x7f) << 16) | (bytes[at + 3] << 8) | bytes[at + 4]) + overflow;
    if (bytes[at] >= SENSOR || row >= SENSOR) beyond = true;
    count++;
  }
  // Recordings of N-Caltech101 are of many sizes.
  return { ...first(found, count), warnings, ...(beyond ? {} : { size: [SENSOR, SENSOR] }) };
}

/** Whether bytes without a header may be such a file: few times go back. */
export function looksLikeNmnist(bytes: Uint8Array): boolean {
  const records = Math.min(Math.floor(bytes.length / RECORD), 1000);
  if (records < 8 && bytes.length % RECORD !== 0) return false;
  let last = 0;
  let backwards = 0;
  for (let at = 0; at < records * RECORD; at += RECORD) {
    const time = ((bytes[at + 2] & 0x7f) << 16) | (bytes[at + 3] << 8) | bytes[at + 4];
    if (time < last && bytes[at + 1] !== OVERFLOW) backwards++;
    last = time;
  }
  return records > 0 && backwards <= records / 8;
}

/**
 * The bytes of a file in the format of N-MNIST, as `readEvents` reads it. Times are rounded to whole microseconds; warnings and the sensor's size are not
 * part of the format.
 *
 * @param events on a sensor of at most 256 × 240, from a time ≥ 0 on
 * @throws OptionError for events that the format cannot hold
 */
export function writeNmnist(events: Events): Uint8Array<ArrayBuffer> {
  checkEvents("writeNmnist", events);
  const { x, y, t, p, width, height } = events;
  checkArgument("writeNmnist", "events.width", width, integer(1, 256));
  checkArgument("writeNmnist", "events.height", height, integer(1, OVERFLOW));
  if (t.length > 0 && t[0] < 0) throw new OptionError(`writeNmnist: events start at t = ${t[0]}: expected times ≥ 0`);
  const markers = (time: number): number => Math.max(0, Math.ceil((time + 1 - 2 ** 23) / OVERFLOW_STEP));
  const last = t.length > 0 ? Math.round(t[t.length - 1]) : 0;
  const bytes = new Uint8Array(RECORD * (t.length + markers(last)));
  let at = 0;
  let passed = 0;
  for (let i = 0; i < t.length; i++) {
    const time = Math.round(t[i]);
    for (const due = markers(time); passed < due; passed++, at += RECORD) bytes[at + 1] = OVERFLOW;
    const rest = time - passed * OVERFLOW_STEP;
    bytes[at] = x[i];
    bytes[at + 1] = y[i];
    bytes[at + 2] = (p[i] << 7) | (rest >> 16);
    bytes[at + 3] = rest >> 8;
    bytes[at + 4] = rest;
    at += RECORD;
  }
  return bytes;
}
