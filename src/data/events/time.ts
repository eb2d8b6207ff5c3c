import { above, checkOptions, finite, flag, kind, notNegative, type OptionKinds, required } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { selectEvents, sliceEvents, sortEvents } from "./events.ts";
import { draw, type EventTransform, type FixedTransform, fixed, random, type Range, rangeOf } from "./transform.ts";

export interface CropTimeOptions {
  /** µs. Default: 0. */
  min?: number;
  /** µs. Default: the last event's. */
  max?: number;
}

const number = kind("a number of µs", (x) => typeof x === "number" && !Number.isNaN(x));
const cropTimeKinds: OptionKinds<CropTimeOptions> = { min: number, max: number };

/**
 * The events at `min` ≤ t ≤ `max`, at their times: Tonic's `CropTime`.
 * @throws OptionError if an option is wrong
 */
export function cropTime(options: CropTimeOptions = {}): FixedTransform {
  checkOptions("cropTime", options, cropTimeKinds);
  const { min = 0, max = Infinity } = options;
  if (min > max) throw new OptionError(`cropTime: min is ${min} and max is ${max}: expected min ≤ max`);
  return fixed("cropTime", { min, max: String(max) }, (events) => {
    const start = events.t.findIndex((t) => t >= min);
    const end = events.t.findLastIndex((t) => t <= max) + 1;
    return start < 0 ? sliceEvents(events, 0, 0) : sliceEvents(events, start, Math.max(start, end));
  });
}

export interface TimeJitterOptions {
  /** Standard deviation, µs. */
  std: number;
  /** Drop the events whose time becomes negative. Default: true. */
  clipNegative?: boolean;
}

const timeJitterKinds: OptionKinds<TimeJitterOptions> = { std: required(notNegative), clipNegative: flag };

/**
 * Moves each event in time by a draw from a normal distribution; the events are put in order again: Tonic's `TimeJitter` with `sort_timestamps`.
 * @throws OptionError if an option is wrong
 */
export function timeJitter(options: TimeJitterOptions): EventTransform {
  checkOptions("timeJitter", options, timeJitterKinds);
  const { std, clipNegative = true } = options;
  return random("timeJitter", options, (events, source) => {
    const jittered = sortEvents({ ...events, t: events.t.map((t) => t + std * source.normal()) });
    return clipNegative ? selectEvents(jittered, Uint8Array.from(jittered.t, (t) => Number(t >= 0))) : jittered;
  });
}

export interface TimeSkewOptions {
  /** Times are multiplied by it, or by a draw from [least, most). Above 0. */
  coefficient: Range;
  /** µs, or [least, most) to draw from, that are added then. Default: 0. */
  offset?: Range;
}

const timeSkewKinds: OptionKinds<TimeSkewOptions> = { coefficient: required(rangeOf(above(0))), offset: rangeOf(finite) };

/**
 * t · coefficient + offset: Tonic's `TimeSkew`.
 * @throws OptionError if an option is wrong
 */
export function timeSkew(options: TimeSkewOptions): EventTransform {
  checkOptions("timeSkew", options, timeSkewKinds);
  const { coefficient, offset = 0 } = options;
  return random("timeSkew", options, (events, source) => {
    const [factor, shift] = [draw(coefficient, source), draw(offset, source)];
    return { ...events, t: events.t.map((t) => t * factor + shift) };
  });
}
