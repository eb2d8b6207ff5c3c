import { fileFormatError, type NamedBytes } from "../idx.ts";
import { readAedatHeader, type SensorName, SENSORS, sensorNamed } from "./aedatHeader.ts";
import { first, type Found, room } from "./found.ts";

const PACKET_HEADER = 28;
const POLARITY = 1;
const EVENT = 8;

/**
 * AEDAT 3.1, as of DVS128 Gesture (https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-3.1.html): lines of text, then packets,
 * all little-endian. Packets of other things than polarity events, and events that are marked as not valid, are left out.
 */
export function readAedat3(source: NamedBytes, given?: SensorName): Found {
  const { file, bytes } = source;
  const header = readAedatHeader(source, /^!END-HEADER/, true);
  const sensor = given ?? sensorNamed(header, /^Source \d+:/).name;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const found = room(Math.floor((bytes.length - header.start) / EVENT));
  const warnings: string[] = [];
  let count = 0;
  for (let at = header.start; at < bytes.length; ) {
    if (bytes.length - at < PACKET_HEADER) {
      warnings.push(`${file}, byte ${at}: the file is truncated: it ends within the header of a packet`);
      break;
    }
    const type = view.getInt16(at, true);
    const [size, timeOffset, overflow, capacity, number] = [4, 8, 12, 16, 20].map((field) => view.getInt32(at + field, true));
    if (size < 1 || overflow < 0 || number < 0 || capacity < number || timeOffset < 0 || timeOffset > size - 4) {
      throw fileFormatError(file, at, `found a packet of ${number} events in room for ${capacity} of ${size} bytes, with their times at byte ${timeOffset}: no header of a packet`);
    }
    const start = at + PACKET_HEADER;
    const there = Math.min(number, Math.floor((bytes.length - start) / size));
    if (type === POLARITY) {
      if (size !== EVENT) throw fileFormatError(file, at + 4, `found polarity events of ${size} bytes: expected ${EVENT}`);
      count = decode(view, start, there, overflow * 2 ** 31, found, count);
    }
    if (start + capacity * size > bytes.length) warnings.push(`${file}, byte ${bytes.length}: the file is truncated: ${there} of the ${number} events of its last packet are there`);
    at = start + capacity * size;
  }
  return { ...first(found, count), warnings, ...(sensor ? { size: SENSORS[sensor] } : {}) };
}

/** Bit 0 says that the event is valid, bit 1 is the polarity, bits 2 … 16 are y, 17 … 31 x; then the lower 31 bits of the time. */
function decode(view: DataView, start: number, number: number, offset: number, { x, y, t, p }: Found, count: number): number {
  for (let at = start; at < start + number * EVENT; at += EVENT) {
    const data = view.getUint32(at, true);
    if (!(data & 1)) continue;
    x[count] = data >>> 17;
    y[count] = (data >>> 2) & 0x7fff;
    p[count] = (data >>> 1) & 1;
    t[count++] = view.getUint32(at + 4, true) + offset;
  }
  return count;
}
