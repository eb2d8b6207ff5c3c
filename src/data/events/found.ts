import { fileFormatError } from "../idx.ts";
import { countBackwards, orderOfTime, reorder } from "./order.ts";
import type { Events } from "./events.ts";

/** Width and height. */
export type SensorSize = readonly [width: number, height: number];

/** What a reader of one format found in a file: in any order, perhaps beyond the sensor. It gives the memory away. */
export interface Found {
  x: Uint16Array;
  y: Uint16Array;
  t: Float64Array;
  p: Uint8Array;
  /** As the file or its format says, if it does. */
  size?: SensorSize;
  warnings: string[];
}

/** Room for `count` events. As many as fit into the file's bytes, not as its header promises. */
export const room = (count: number): Found => ({ x: new Uint16Array(count), y: new Uint16Array(count), t: new Float64Array(count), p: new Uint8Array(count), warnings: [] });

/** The first `count` events. */
export const first = (found: Found, count: number): Found =>
  ({ ...found, x: found.x.subarray(0, count), y: found.y.subarray(0, count), t: found.t.subarray(0, count), p: found.p.subarray(0, count) });

/** Puts the events in order and on their sensor, with a warning of each thing that had to be done. */
export function complete(file: string, found: Found, [width, height]: readonly [width?: number, height?: number]): Events {
  const warnings = [...found.warnings];
  const size: SensorSize = [width ?? found.size?.[0] ?? largest(found.x) + 1, height ?? found.size?.[1] ?? largest(found.y) + 1];
  if (!found.size && (width === undefined || height === undefined)) {
    warnings.push(`${file} does not say how large its sensor is: taken as ${size.join(" × ")}, the smallest that holds its events; pass width and height`);
  }
  const { x, y, t, p } = onSensor(file, found, size, warnings);
  const backwards = countBackwards(t);
  if (backwards > 0) {
    reorder([x, y, t, p], orderOfTime(t));
    warnings.push(`${file}: ${backwards} events are earlier than the one before: all were put in the order of time`);
  }
  return { x, y, t, p, width: size[0], height: size[1], ...(warnings.length > 0 ? { warnings } : {}) };
}

/** Leaves out events beyond the sensor, in place. */
function onSensor(file: string, found: Found, [width, height]: SensorSize, warnings: string[]): Found {
  const { x, y, t, p } = found;
  let count = 0;
  let firstBeyond = -1;
  for (let i = 0; i < t.length; i++) {
    if (x[i] >= width || y[i] >= height) {
      if (firstBeyond < 0) firstBeyond = i;
      continue;
    }
    if (count < i) {
      x[count] = x[i];
      y[count] = y[i];
      t[count] = t[i];
      p[count] = p[i];
    }
    count++;
  }
  if (firstBeyond < 0) return found;
  warnings.push(`${file}: left out ${t.length - count} events beyond the sensor of ${width} × ${height}, the first of them event ${firstBeyond}`);
  return first(found, count);
}

/** Undoes the wrapping of a counter of 32 bits, for times that are read in their order. */
export function unwrapper(): (t: number) => number {
  let last = 0;
  let offset = 0;
  return (t) => {
    if (last - t > 2 ** 31) offset += 2 ** 32;
    last = t;
    return t + offset;
  };
}

/** How many whole records there are from `start` on; a rest of one gives a warning. */
export function wholeRecords(file: string, bytes: Uint8Array, start: number, recordBytes: number, warnings: string[]): number {
  const rest = (bytes.length - start) % recordBytes;
  if (rest > 0) warnings.push(`${file}, byte ${bytes.length - rest}: the last event is cut off: ${rest} of its ${recordBytes} bytes are there; left out`);
  return (bytes.length - start - rest) / recordBytes;
}

export const truncated = (file: string, bytes: Uint8Array, what: string) => fileFormatError(file, bytes.length, `the file is truncated: it ends within ${what}`);

function largest(values: Uint16Array): number {
  let most = 0;
  for (let i = 0; i < values.length; i++) if (values[i] > most) most = values[i];
  return most;
}
