import { fileFormatError, type NamedBytes } from "../idx.ts";
import { readAedatHeader, type SensorName, SENSORS, sensorNamed } from "./aedatHeader.ts";
import { first, type Found, room, unwrapper, wholeRecords } from "./found.ts";

const RECORD = 8;

/**
 * AEDAT 2.0, of jAER (https://docs.inivation.com/software/software-advanced-usage/file-formats/aedat-2.0.html): lines of text, then an address and a time
 * for each event, both big-endian in 32 bits. What an address means depends on the sensor: the given one, else the header's AEChip, else a DVS128.
 */
export function readAedat2(source: NamedBytes, given?: SensorName): Found {
  const { file, bytes } = source;
  const header = readAedatHeader(source, /^\s*End Of ASCII Header/i);
  const chip = sensorNamed(header, /^\s*AEChip:/i);
  const sensor = given ?? chip.name ?? "dvs128";
  if (given === undefined && chip.text !== undefined && chip.name === undefined) {
    throw fileFormatError(file, 0, `found events of the chip ${JSON.stringify(chip.text)}, whose addresses are not known: pass sensor, ${Object.keys(SENSORS).join(" or ")}, if it has those of one`);
  }
  const warnings: string[] = [];
  const records = wholeRecords(file, bytes, header.start, RECORD, warnings);
  const found = room(records);
  const count = (sensor === "dvs128" ? decodeDvs128 : decodeDavis)(new DataView(bytes.buffer, bytes.byteOffset + header.start, records * RECORD), found);
  return { ...first(found, count), warnings, size: SENSORS[sensor] };
}

/** Bit 0 is the polarity, bits 1 … 7 are x, 8 … 14 y; with bit 15 it is an event of the plug. */
function decodeDvs128(view: DataView, { x, y, t, p }: Found): number {
  const unwrap = unwrapper();
  let count = 0;
  for (let at = 0; at < view.byteLength; at += RECORD) {
    const address = view.getUint32(at);
    const time = unwrap(view.getUint32(at + 4));
    if (address & 0x8000) continue;
    x[count] = (address >>> 1) & 0x7f;
    y[count] = (address >>> 8) & 0x7f;
    p[count] = address & 1;
    t[count++] = time;
  }
  return count;
}

/** Bit 11 is the polarity, bits 12 … 21 are x, 22 … 30 y; with bit 31 it is a sample of a frame or of motion, with bit 10 an event of the plug. */
function decodeDavis(view: DataView, { x, y, t, p }: Found): number {
  const unwrap = unwrapper();
  let count = 0;
  for (let at = 0; at < view.byteLength; at += RECORD) {
    const address = view.getUint32(at);
    const time = unwrap(view.getUint32(at + 4));
    if (address & 0x8000_0400) continue;
    x[count] = (address >>> 12) & 0x3ff;
    y[count] = (address >>> 22) & 0x1ff;
    p[count] = (address >>> 11) & 1;
    t[count++] = time;
  }
  return count;
}
