import { checkNone, checkOptions, fraction, integer, notNegative, type OptionKinds, required, share } from "../../check.ts";
import type { Random } from "../random.ts";
import { concatEvents, selectEvents } from "./events.ts";
import { draw, type EventTransform, type FixedTransform, fixed, random, type Range, rangeOf } from "./transform.ts";

export interface DenoiseOptions {
  /** µs. */
  filterTime: number;
}

const denoiseKinds: OptionKinds<DenoiseOptions> = { filterTime: required(notNegative) };

/**
 * Drops an event if none of the four pixels beside its own fired in the `filterTime` before it: Tonic's `Denoise`. As there, each pixel counts as
 * having fired at time 0.
 * @throws OptionError if an option is wrong
 */
export function denoise(options: DenoiseOptions): FixedTransform {
  checkOptions("denoise", options, denoiseKinds);
  const { filterTime } = options;
  return fixed("denoise", options, (events) => {
    const { x, y, t, width, height } = events;
    const until = new Float64Array(width * height).fill(filterTime);
    const keep = new Uint8Array(t.length);
    for (let i = 0; i < t.length; i++) {
      const at = y[i] * width + x[i];
      until[at] = t[i] + filterTime;
      keep[i] = Number((x[i] > 0 && until[at - 1] > t[i]) || (x[i] < width - 1 && until[at + 1] > t[i]) || (y[i] > 0 && until[at - width] > t[i]) || (y[i] < height - 1 && until[at + width] > t[i]));
    }
    return selectEvents(events, keep);
  });
}

export interface RefractoryPeriodOptions {
  /** µs. */
  delta: number;
}

const refractoryKinds: OptionKinds<RefractoryPeriodOptions> = { delta: required(notNegative) };

/**
 * Drops an event at most `delta` after the one before it at its pixel, a dropped one too: Tonic's `RefractoryPeriod`, which also drops a pixel's first
 * event if it is at time 0.
 * @throws OptionError if an option is wrong
 */
export function refractoryPeriod(options: RefractoryPeriodOptions): FixedTransform {
  checkOptions("refractoryPeriod", options, refractoryKinds);
  const { delta } = options;
  return fixed("refractoryPeriod", options, (events) => {
    const { x, y, t, width, height } = events;
    const last = new Float64Array(width * height).fill(-Infinity);
    const keep = new Uint8Array(t.length);
    for (let i = 0; i < t.length; i++) {
      const at = y[i] * width + x[i];
      keep[i] = Number(t[i] - last[at] > delta);
      last[at] = t[i];
    }
    return selectEvents(events, keep);
  });
}

export interface DropEventOptions {
  /** The share of events to drop, or [least, most) to draw it from. */
  p: Range;
}

const dropEventKinds: OptionKinds<DropEventOptions> = { p: required(rangeOf(share)) };

/**
 * Drops ⌊p · events + ½⌋ of the events, all choices equally likely: Tonic's `DropEvent`.
 * @throws OptionError if an option is wrong
 */
export function dropEvent(options: DropEventOptions): EventTransform {
  checkOptions("dropEvent", options, dropEventKinds);
  return random("dropEvent", options, (events, source) => selectEvents(events, choose(events.t.length, draw(options.p, source), source)));
}

export interface DropEventByTimeOptions {
  /** Of the recording, or [least, most) to draw it from. Below 1. Default: 0.2. */
  durationRatio?: Range;
}

const dropByTimeKinds: OptionKinds<DropEventByTimeOptions> = { durationRatio: rangeOf(fraction) };

/**
 * Drops the events of an interval of time at a random place between the first event and the last: Tonic's `DropEventByTime`, for which a recording begins at time 0.
 * @throws OptionError if an option is wrong
 */
export function dropEventByTime(options: DropEventByTimeOptions = {}): EventTransform {
  checkOptions("dropEventByTime", options, dropByTimeKinds);
  const { durationRatio = 0.2 } = options;
  return random("dropEventByTime", options, (events, source) => {
    const { t } = events;
    if (t.length === 0) return events;
    const span = t[t.length - 1] - t[0];
    const duration = span * draw(durationRatio, source);
    const start = t[0] + (span - duration) * source.uniform();
    return selectEvents(events, Uint8Array.from(t, (time) => Number(time < start || time > start + duration)));
  });
}

export interface DropEventByAreaOptions {
  /** Of the sensor's width and of its height, or [least, most) to draw it from. Below 1. Default: 0.2. */
  areaRatio?: Range;
}

const dropByAreaKinds: OptionKinds<DropEventByAreaOptions> = { areaRatio: rangeOf(fraction) };

/**
 * Drops the events of a box of ⌊width · areaRatio⌋ × ⌊height · areaRatio⌋ pixels at a random place: Tonic's `DropEventByArea`.
 * @throws OptionError if an option is wrong
 */
export function dropEventByArea(options: DropEventByAreaOptions = {}): EventTransform {
  checkOptions("dropEventByArea", options, dropByAreaKinds);
  const { areaRatio = 0.2 } = options;
  return random("dropEventByArea", options, (events, source) => {
    const { x, y } = events;
    const ratio = draw(areaRatio, source);
    const [width, height] = [Math.floor(events.width * ratio), Math.floor(events.height * ratio)];
    const left = source.integer(events.width - width + 1);
    const top = source.integer(events.height - height + 1);
    return selectEvents(events, Uint8Array.from(x, (column, i) => Number(!(column >= left && column < left + width && y[i] >= top && y[i] < top + height))));
  });
}

export interface UniformNoiseOptions {
  /** How many, or [least, most) to draw it from. */
  n: Range;
}

const noiseKinds: OptionKinds<UniformNoiseOptions> = { n: required(rangeOf(integer(0))) };

/**
 * Adds `n` events at places, polarities and times that are uniformly distributed over the sensor and the recording: Tonic's `UniformNoise`. None where there are no events.
 * @throws OptionError if an option is wrong
 */
export function uniformNoise(options: UniformNoiseOptions): EventTransform {
  checkOptions("uniformNoise", options, noiseKinds);
  return random("uniformNoise", options, (events, source) => {
    const { t, width, height } = events;
    if (t.length === 0) return events;
    const length = Math.floor(draw(options.n, source));
    const span = t[t.length - 1] - t[0];
    const times = Float64Array.from({ length }, () => t[0] + span * source.uniform()).sort();
    const noise = {
      x: Uint16Array.from(times, () => source.integer(width)), y: Uint16Array.from(times, () => source.integer(height)), t: times,
      p: Uint8Array.from(times, () => source.integer(2)), width, height,
    };
    return concatEvents(events, noise);
  });
}

/**
 * Makes all polarities 0: Tonic's `MergePolarities`. `channels: 1` of toFrames counts both in one channel instead.
 * @throws OptionError if anything is given
 */
export function mergePolarities(...none: never[]): FixedTransform {
  checkNone("mergePolarities", none);
  return fixed("mergePolarities", {}, (events) => ({ ...events, p: new Uint8Array(events.p.length) }));
}

/** 0 at ⌊p · count + ½⌋ random places of `count`, 1 at the others (Knuth's algorithm S, The Art of Computer Programming 3.4.2). */
function choose(count: number, p: number, source: Random): Uint8Array {
  const keep = new Uint8Array(count);
  let wanted = Math.floor(p * count + 0.5);
  for (let i = 0; i < count; i++) {
    if (source.uniform() * (count - i) < wanted) wanted--;
    else keep[i] = 1;
  }
  return keep;
}
