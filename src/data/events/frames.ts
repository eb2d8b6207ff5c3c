import { checkOptions, either, finite, integer, oneOf, type OptionKinds, positive } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { checkEvents, type Events } from "./events.ts";

/** Values over time, channels last: row-major [T, H, W, C], or [T, units]. Bytes are counts, taken as they are. */
export interface Frames<Data extends Uint8Array | Float32Array = Uint8Array | Float32Array> {
  data: Data;
  shape: readonly number[];
}

export interface FrameOptions {
  /** T, the number of frames. Without `duration` they divide the recording, `by` time or count. */
  steps?: number;
  /**
   * "time" (default): each frame is ⌊(last time − origin) / steps⌋ µs long. "count": each frame takes ⌊events / steps⌋ events.
   * The last frame takes the rest as well.
   */
  by?: "time" | "count";
  /** Microseconds of a frame. Without `steps` there are as many frames as the recording needs; with it that many, and later events are left out. */
  duration?: number;
  /**
   * Where the first frame begins: "first" (default) at the first event, "file" at time 0 of the file, or a time in µs. Events before are left out.
   * By count, frames begin at the first event.
   */
  origin?: "first" | "file" | number;
  /** 2 (default): channel 0 counts the events of polarity 0 (off), channel 1 those of polarity 1 (on). 1: one channel counts both. */
  channels?: 1 | 2;
}

/** @internal */
export const frameKinds: OptionKinds<FrameOptions> = {
  steps: integer(1), by: oneOf("time", "count"), duration: positive, origin: either(oneOf("first", "file"), finite), channels: integer(1, 2),
};

/** Values of an array; for more, `duration` was wrong. */
const LARGEST = 2 ** 31;

/**
 * Counts the events of a recording in frames [T, H, W, 2]: what a spiking network takes as its input of T steps. A frame in which nothing happened is empty:
 * gaps of a recording stay.
 *
 * Frames of `steps` and of `duration` are those of SpikingJelly's `integrate_events_by_fixed_frames_number` ("time", and "number" for `by: "count"`) and
 * `integrate_events_by_fixed_duration`, channels last and with empty frames where SpikingJelly stops with an error. Tonic's `ToFrame` (`n_time_bins`,
 * `n_event_bins`, `time_window`) has the same windows, but leaves out the events after its last full one, that at the very end included.
 *
 * @returns counts as bytes, or as floats where one exceeds 255
 * @throws OptionError if neither `steps` nor `duration` is given, or an option or the events are wrong
 */
export function toFrames(events: Events, options: FrameOptions): Frames {
  checkEvents("toFrames", events);
  checkFrameOptions("toFrames", options);
  const { channels = 2 } = options;
  const { x, y, p, width, height } = events;
  const size = width * height * channels;
  const ends = frameEnds("toFrames", events.t, options, size);
  const frames = ends.length - 1;
  const counts = new Counts(frames * size);
  for (let frame = 0; frame < frames; frame++) {
    const base = frame * size;
    if (channels === 2) for (let i = ends[frame]; i < ends[frame + 1]; i++) counts.add(base + ((y[i] * width + x[i]) << 1 | p[i]));
    else for (let i = ends[frame]; i < ends[frame + 1]; i++) counts.add(base + y[i] * width + x[i]);
  }
  return { data: counts.values, shape: [frames, height, width, channels] };
}

/** @internal */
export function checkFrameOptions(what: string, options: FrameOptions): void {
  checkOptions(what, options, frameKinds);
  const { steps, duration, by } = options;
  if (steps === undefined && duration === undefined) throw new OptionError(`${what} needs the option steps (a number of frames) or duration (µs of a frame)`);
  if (by !== undefined && duration !== undefined) throw new OptionError(`${what} was given by and duration: frames of a duration are by time already`);
}

/**
 * Counts in bytes until one exceeds 255, then in floats.
 * @internal
 */
export class Counts {
  values: Uint8Array | Float32Array;

  constructor(length: number) {
    this.values = new Uint8Array(length);
  }

  add(place: number): void {
    if (++this.values[place] === 256 && this.values instanceof Uint8Array) {
      this.values = Float32Array.from(this.values);
      this.values[place] = 256;
    }
  }
}

/**
 * Which events each frame takes, for times in order: frame i those at ends[i] … ends[i + 1] − 1.
 * @param size values of a frame
 * @internal
 */
export function frameEnds(what: string, t: Float64Array, { steps, by = "time", duration, origin = "first" }: FrameOptions, size: number): Uint32Array {
  const count = t.length;
  checkFrameCount(what, "steps", steps, steps ?? 0, size);
  if (duration === undefined && by === "count") {
    const each = Math.floor(count / steps!);
    return Uint32Array.from({ length: steps! + 1 }, (_, i) => (i === steps ? count : i * each));
  }
  const start = origin === "first" ? t[0] ?? 0 : origin === "file" ? 0 : origin;
  const span = count === 0 ? 0 : Math.max(0, t[count - 1] - start);
  const frames = steps ?? Math.max(1, Math.ceil(span / duration!));
  checkFrameCount(what, "duration", duration, frames, size);
  // A recording of less than a microsecond for each frame has no whole ones.
  const length = duration ?? (Math.floor(span / frames) || span / frames);
  const ends = new Uint32Array(frames + 1);
  for (let i = 0; i < frames; i++) ends[i] = lowerBound(t, start + i * length, i === 0 ? 0 : ends[i - 1]);
  ends[frames] = duration !== undefined && steps !== undefined ? lowerBound(t, start + steps * duration, ends[frames - 1]) : count;
  return ends;
}

/**
 * The first place from `low` whose time is not before `time`.
 * @internal
 */
export function lowerBound(t: Float64Array, time: number, low = 0): number {
  let high = t.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (t[middle] < time) low = middle + 1;
    else high = middle;
  }
  return low;
}

function checkFrameCount(what: string, name: string, value: number | undefined, frames: number, size: number): void {
  if (frames * size > LARGEST) throw new OptionError(`${what}: ${name} is ${value}: that makes ${frames} frames of ${size} values, more than an array should hold`);
}
