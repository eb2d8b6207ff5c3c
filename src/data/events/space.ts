import { above, checkOptions, either, finite, integer, kind, notNegative, type OptionKinds, required, share } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { type Events, selectEvents } from "./events.ts";
import type { SensorSize } from "./found.ts";
import { type EventTransform, type FixedTransform, fixed, random } from "./transform.ts";

const sizeKind = kind("[width, height], two integers in 1 … 65536", (x) => Array.isArray(x) && x.length === 2 && x.every(integer(1, 65536).accepts));

export interface CenterCropOptions {
  /** Of the new sensor: its side, or [width, height]. A larger one than before has the old in its middle. */
  size: number | SensorSize;
}

const centerCropKinds: OptionKinds<CenterCropOptions> = { size: required(either(integer(1, 65536), sizeKind)) };

/**
 * The middle of the sensor: Tonic's `CenterCrop`.
 * @throws OptionError if an option is wrong
 */
export function centerCrop(options: CenterCropOptions): FixedTransform {
  checkOptions("centerCrop", options, centerCropKinds);
  const [width, height] = typeof options.size === "number" ? [options.size, options.size] : options.size;
  return fixed("centerCrop", options, (events) => crop(events, Math.floor((events.width - width) / 2), Math.floor((events.height - height) / 2), width, height));
}

export interface RandomCropOptions {
  /** [width, height] of the new sensor, not larger than the old. */
  targetSize: SensorSize;
}

const randomCropKinds: OptionKinds<RandomCropOptions> = { targetSize: required(sizeKind) };

/**
 * A part of the sensor, every place equally likely: Tonic's `RandomCrop`, which never takes the last column and row.
 * @throws OptionError if an option is wrong; the transform throws one for events of a smaller sensor
 */
export function randomCrop(options: RandomCropOptions): EventTransform {
  checkOptions("randomCrop", options, randomCropKinds);
  const [width, height] = options.targetSize;
  return random("randomCrop", options, (events, source) => {
    if (width > events.width || height > events.height) {
      throw new OptionError(`randomCrop: targetSize is [${width}, ${height}]: expected at most the sensor's [${events.width}, ${events.height}]`);
    }
    const left = source.integer(events.width - width + 1);
    return crop(events, left, source.integer(events.height - height + 1), width, height);
  });
}

export interface DownsampleOptions {
  /** Times are multiplied by it. Default: 1. */
  timeFactor?: number;
  /** Places are multiplied by it, or by [of x, of y], and rounded down. In (0, 1]. Default: 1. */
  spatialFactor?: number | readonly [number, number];
  /** [width, height] of the new sensor, in place of `spatialFactor`. */
  targetSize?: SensorSize;
}

const factor = kind("a number in (0, 1]", (x) => share.accepts(x) && x !== 0);
const downsampleKinds: OptionKinds<DownsampleOptions> = {
  timeFactor: above(0), spatialFactor: either(factor, kind("[of x, of y]", (x) => Array.isArray(x) && x.length === 2 && x.every(factor.accepts))), targetSize: sizeKind,
};

/**
 * Coarser places and times; no event is dropped: Tonic's `Downsample`, which rounds times down as well.
 * @throws OptionError if an option is wrong; the transform throws one for events of a sensor smaller than `targetSize`
 */
export function downsample(options: DownsampleOptions = {}): FixedTransform {
  checkOptions("downsample", options, downsampleKinds);
  const { timeFactor = 1, spatialFactor = 1, targetSize } = options;
  if (options.spatialFactor !== undefined && targetSize !== undefined) throw new OptionError("downsample was given spatialFactor and targetSize: expected one of them");
  return fixed("downsample", options, (events) => {
    const { x, y, t, width, height } = events;
    if (targetSize && (targetSize[0] > width || targetSize[1] > height)) {
      throw new OptionError(`downsample: targetSize is [${targetSize.join(", ")}]: expected at most the sensor's [${width}, ${height}]`);
    }
    const [fx, fy] = targetSize ? [targetSize[0] / width, targetSize[1] / height] : typeof spatialFactor === "number" ? [spatialFactor, spatialFactor] : spatialFactor;
    const size = (length: number, f: number): number => Math.floor((length - 1) * f) + 1;
    return {
      ...events, x: x.map((value) => Math.floor(value * fx)), y: y.map((value) => Math.floor(value * fy)), t: t.map((value) => value * timeFactor),
      width: targetSize?.[0] ?? size(width, fx), height: targetSize?.[1] ?? size(height, fy),
    };
  });
}

export interface SpatialJitterOptions {
  /** Variance along x. Default: 1. */
  varX?: number;
  /** Variance along y. Default: 1. */
  varY?: number;
  /** Covariance, at most √(varX · varY) in size. Default: 0. */
  sigmaXY?: number;
}

const jitterKinds: OptionKinds<SpatialJitterOptions> = { varX: notNegative, varY: notNegative, sigmaXY: finite };

/**
 * Moves each event by a draw from a normal distribution of two dimensions, to the nearest pixel, and drops what leaves the sensor: Tonic's `SpatialJitter`
 * with `clip_outliers`, which rounds towards 0 instead.
 * @throws OptionError if an option is wrong, or the three are no covariance matrix
 */
export function spatialJitter(options: SpatialJitterOptions = {}): EventTransform {
  checkOptions("spatialJitter", options, jitterKinds);
  const { varX = 1, varY = 1, sigmaXY = 0 } = options;
  if (sigmaXY ** 2 > varX * varY) throw new OptionError(`spatialJitter: sigmaXY is ${sigmaXY}: expected at most √(varX · varY) = ${Math.sqrt(varX * varY)} in size`);
  // The Cholesky factor of [[varX, sigmaXY], [sigmaXY, varY]].
  const a = Math.sqrt(varX);
  const b = a === 0 ? 0 : sigmaXY / a;
  const c = Math.sqrt(Math.max(0, varY - b * b));
  return random("spatialJitter", options, (events, source) => {
    const { width, height } = events;
    const [x, y, keep] = [events.x.slice(), events.y.slice(), new Uint8Array(events.x.length)];
    for (let i = 0; i < x.length; i++) {
      const first = source.normal();
      const column = Math.round(x[i] + a * first);
      const row = Math.round(y[i] + b * first + c * source.normal());
      if (column < 0 || row < 0 || column >= width || row >= height) continue;
      x[i] = column;
      y[i] = row;
      keep[i] = 1;
    }
    return selectEvents({ ...events, x, y }, keep);
  });
}

/** The part of the sensor from (left, top), which may begin before it. */
function crop(events: Events, left: number, top: number, width: number, height: number): Events {
  const keep = events.x.map((x, i) => Number(x >= left && x < left + width && events.y[i] >= top && events.y[i] < top + height));
  const inside = selectEvents(events, Uint8Array.from(keep));
  return { ...inside, x: inside.x.map((x) => x - left), y: inside.y.map((y) => y - top), width, height };
}
