import { madd } from "./arithmetic";

@inline
function total(sums: v128): f64 {
  return <f64>f32x4.extract_lane(sums, 0) + <f64>f32x4.extract_lane(sums, 1) + <f64>f32x4.extract_lane(sums, 2) + <f64>f32x4.extract_lane(sums, 3);
}

const SUM: i32 = 0;
const SQUARED_DEVIATION: i32 = 1;
const DOT: i32 = 2;

/** Σ x, Σ (x − mean)² or Σ x · y over `count` values. */
@inline
function sumRun(kind: i32, x: usize, y: usize, mean: f32, count: i32): f64 {
  const end = x + (<usize>count << 2);
  const means = f32x4.splat(mean);
  let sums = f32x4.splat(0);
  for (; x + 16 <= end; x += 16) {
    const value = v128.load(x);
    if (kind == SUM) {
      sums = f32x4.add(sums, value);
    } else if (kind == DOT) {
      sums = madd(value, v128.load(y), sums);
      y += 16;
    } else {
      const deviation = f32x4.sub(value, means);
      sums = madd(deviation, deviation, sums);
    }
  }
  let sum = total(sums);
  for (; x < end; x += 4) {
    const value = load<f32>(x);
    if (kind == SUM) {
      sum += value;
    } else if (kind == DOT) {
      sum += value * load<f32>(y);
      y += 4;
    } else {
      sum += (value - mean) * (value - mean);
    }
  }
  return sum;
}

/** Σ x · y over `count` values. */
export function sumDots(x: usize, y: usize, count: i32): f64 {
  return sumRun(DOT, x, y, 0, count);
}

/**
 * y = (x − mean) · scale for each run of channels of x [samples, size, channels], scale [samples, groups] = 1/√(variance + eps).
 * Items are runs: (sample, group).
 */
export function normalizeGroups(scratch: usize, begin: i32, end: i32, x: usize, y: usize, scales: usize, size: i32, channels: i32, groups: i32, eps: f32): void {
  const width = channels / groups;
  const stride = <usize>channels << 2;
  const count = <f64>size * <f64>width;
  for (let item = begin; item < end; item++) {
    const offset = (<usize>(item / groups * size * channels + item % groups * width)) << 2;
    const from = x + offset;
    const stop = from + <usize>size * stride;
    let sum: f64 = 0;
    for (let at = from; at < stop; at += stride) sum += sumRun(SUM, at, 0, 0, width);
    const mean = <f32>(sum / count);
    let squares: f64 = 0;
    for (let at = from; at < stop; at += stride) squares += sumRun(SQUARED_DEVIATION, at, 0, mean, width);
    const scale = <f32>(1 / Math.sqrt(squares / count + eps));
    store<f32>(scales + (<usize>item << 2), scale);
    let to = y + offset;
    for (let at = from; at < stop; at += stride) {
      scaleRun(at, to, mean, scale, width);
      to += stride;
    }
  }
}

@inline
function scaleRun(x: usize, y: usize, mean: f32, scale: f32, count: i32): void {
  const end = x + (<usize>count << 2);
  const means = f32x4.splat(mean);
  const scales = f32x4.splat(scale);
  for (; x + 16 <= end; x += 16) {
    v128.store(y, f32x4.mul(f32x4.sub(v128.load(x), means), scales));
    y += 16;
  }
  for (; x < end; x += 4) {
    store<f32>(y, (load<f32>(x) - mean) * scale);
    y += 4;
  }
}

/** dx = scale · (dy − mean(dy) − y · mean(dy · y)) for each such run. Items are runs. */
export function normalizeGroupsBackward(scratch: usize, begin: i32, end: i32, y: usize, scales: usize, dy: usize, dx: usize, size: i32, channels: i32, groups: i32): void {
  const width = channels / groups;
  const stride = <usize>channels << 2;
  const count = <f64>size * <f64>width;
  for (let item = begin; item < end; item++) {
    const offset = (<usize>(item / groups * size * channels + item % groups * width)) << 2;
    const bytes = <usize>size * stride;
    let sum: f64 = 0;
    let dots: f64 = 0;
    for (let at = offset; at < offset + bytes; at += stride) {
      sum += sumRun(SUM, dy + at, 0, 0, width);
      dots += sumRun(DOT, dy + at, y + at, 0, width);
    }
    const mean = <f32>(sum / count);
    const dot = <f32>(dots / count);
    const scale = load<f32>(scales + (<usize>item << 2));
    for (let at = offset; at < offset + bytes; at += stride) slopeRun(dy + at, y + at, dx + at, mean, dot, scale, width);
  }
}

@inline
function slopeRun(dy: usize, y: usize, dx: usize, mean: f32, dot: f32, scale: f32, count: i32): void {
  const end = dy + (<usize>count << 2);
  for (; dy + 16 <= end; dy += 16) {
    const slope = f32x4.sub(f32x4.sub(v128.load(dy), f32x4.splat(mean)), f32x4.mul(v128.load(y), f32x4.splat(dot)));
    v128.store(dx, f32x4.mul(slope, f32x4.splat(scale)));
    y += 16;
    dx += 16;
  }
  for (; dy < end; dy += 4) {
    store<f32>(dx, (load<f32>(dy) - mean - load<f32>(y) * dot) * scale);
    y += 4;
    dx += 4;
  }
}
