import { madd } from "./arithmetic";

/** Rows of a partial sum: few enough that f32 holds it well. */
const BLOCK_ROWS: i32 = 128;

const SUM: i32 = 0;
const DOT: i32 = 1;
const DEVIATION: i32 = 2;
const SQUARED_DEVIATION: i32 = 3;

@inline
function term(kind: i32, sum: v128, x: usize, y: usize): v128 {
  const value = v128.load(x);
  if (kind == SUM) return f32x4.add(sum, value);
  if (kind == DOT) return madd(value, v128.load(y), sum);
  const deviation = f32x4.sub(value, v128.load(y));
  if (kind == DEVIATION) return f32x4.add(sum, deviation);
  return madd(deviation, deviation, sum);
}

@inline
function scalarTerm(kind: i32, x: usize, y: usize): f32 {
  const value = load<f32>(x);
  if (kind == SUM) return value;
  if (kind == DOT) return value * load<f32>(y);
  const deviation = value - load<f32>(y);
  if (kind == DEVIATION) return deviation;
  return deviation * deviation;
}

/** out [channels] = Σ over rows of a term of x [rows, channels] and y: rows like x's, or one row for all if `yStride` is 0. */
@inline
function reduceRows(kind: i32, x: usize, y: usize, yStride: usize, rows: i32, channels: i32, out: usize): void {
  const stride = <usize>channels << 2;
  const end = <usize>rows * stride;
  let channel = 0;
  for (; channel + 16 <= channels; channel += 16) {
    let s0 = f32x4.splat(0);
    let s1 = f32x4.splat(0);
    let s2 = f32x4.splat(0);
    let s3 = f32x4.splat(0);
    let other = y;
    for (let at: usize = 0; at < end; at += stride) {
      s0 = term(kind, s0, x + at, other);
      s1 = term(kind, s1, x + at + 16, other + 16);
      s2 = term(kind, s2, x + at + 32, other + 32);
      s3 = term(kind, s3, x + at + 48, other + 48);
      other += yStride;
    }
    v128.store(out, s0);
    v128.store(out, s1, 16);
    v128.store(out, s2, 32);
    v128.store(out, s3, 48);
    x += 64;
    y += 64;
    out += 64;
  }
  for (; channel + 4 <= channels; channel += 4) {
    let sum = f32x4.splat(0);
    let other = y;
    for (let at: usize = 0; at < end; at += stride) {
      sum = term(kind, sum, x + at, other);
      other += yStride;
    }
    v128.store(out, sum);
    x += 16;
    y += 16;
    out += 16;
  }
  for (; channel < channels; channel++) {
    let sum: f32 = 0;
    let other = y;
    for (let at: usize = 0; at < end; at += stride) {
      sum += scalarTerm(kind, x + at, other);
      other += yStride;
    }
    store<f32>(out, sum);
    x += 4;
    y += 4;
    out += 4;
  }
}

/** partials [blocks, channels] = Σ x, or Σ x·y if `y` is not 0, over blocks of 128 rows. Items are blocks. */
export function channelPartials(scratch: usize, begin: i32, end: i32, x: usize, y: usize, rows: i32, channels: i32, partials: usize): void {
  const stride = <usize>channels << 2;
  for (let block = begin; block < end; block++) {
    const row = block * BLOCK_ROWS;
    const height = min(BLOCK_ROWS, rows - row);
    const at = <usize>row * stride;
    const out = partials + <usize>block * stride;
    if (y == 0) reduceRows(SUM, x + at, 0, 0, height, channels, out);
    else reduceRows(DOT, x + at, y + at, stride, height, channels, out);
  }
}

/** out [channels] = Σ over the blocks of partials, in f64. Items are channels. */
export function mergeSums(scratch: usize, begin: i32, end: i32, partials: usize, blocks: i32, channels: i32, out: usize): void {
  for (let channel = begin; channel < end; channel++) store<f32>(out + (<usize>channel << 2), <f32>sumBlocks(partials, channel, blocks, channels));
}

function sumBlocks(partials: usize, channel: i32, blocks: i32, channels: i32): f64 {
  let total: f64 = 0;
  let at = partials + (<usize>channel << 2);
  for (let block = 0; block < blocks; block++) {
    total += load<f32>(at);
    at += <usize>channels << 2;
  }
  return total;
}

/**
 * For blocks of 128 rows: shifts, deviations and squares [blocks, channels], a mean in f32, Σ (x − shift) and Σ (x − shift)².
 * Items are blocks.
 */
export function momentPartials(
  scratch: usize, begin: i32, end: i32, x: usize, rows: i32, channels: i32, shifts: usize, deviations: usize, squares: usize,
): void {
  const stride = <usize>channels << 2;
  for (let block = begin; block < end; block++) {
    const row = block * BLOCK_ROWS;
    const height = min(BLOCK_ROWS, rows - row);
    const from = x + <usize>row * stride;
    const offset = <usize>block * stride;
    const shift = shifts + offset;
    reduceRows(SUM, from, 0, 0, height, channels, shift);
    for (let at: usize = 0; at < stride; at += 4) store<f32>(shift + at, load<f32>(shift + at) / <f32>height);
    reduceRows(DEVIATION, from, shift, 0, height, channels, deviations + offset);
    reduceRows(SQUARED_DEVIATION, from, shift, 0, height, channels, squares + offset);
  }
}

/** Mean and biased variance from `momentPartials`: Σ (x − μ)² = Σ over blocks of squares + (s − μ)(2 deviations + n (s − μ)). Items are channels. */
export function mergeMoments(
  scratch: usize, begin: i32, end: i32,
  shifts: usize, deviations: usize, squares: usize, rows: i32, channels: i32, mean: usize, variance: usize,
): void {
  const blocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (let channel = begin; channel < end; channel++) {
    let average = sumBlocks(deviations, channel, blocks, channels);
    for (let block = 0; block < blocks; block++) {
      average += <f64>min(BLOCK_ROWS, rows - block * BLOCK_ROWS) * load<f32>(shifts + (<usize>(block * channels + channel) << 2));
    }
    average /= rows;
    let total = sumBlocks(squares, channel, blocks, channels);
    for (let block = 0; block < blocks; block++) {
      const at = <usize>(block * channels + channel) << 2;
      const distance = <f64>load<f32>(shifts + at) - average;
      total += distance * (2 * <f64>load<f32>(deviations + at) + <f64>min(BLOCK_ROWS, rows - block * BLOCK_ROWS) * distance);
    }
    store<f32>(mean + (<usize>channel << 2), <f32>average);
    store<f32>(variance + (<usize>channel << 2), <f32>max<f64>(total / rows, 0));
  }
}

/** out = a_c · x + b_c, plus d_c · y if `y` is not 0, for rows of `channels` values. Items are rows. */
export function affine(scratch: usize, begin: i32, end: i32, x: usize, a: usize, b: usize, y: usize, d: usize, out: usize, channels: i32): void {
  const stride = <usize>channels << 2;
  const full = stride & ~15;
  for (let row = begin; row < end; row++) {
    const at = <usize>row * stride;
    let c: usize = 0;
    for (; c < full; c += 16) {
      let value = madd(v128.load(a + c), v128.load(x + at + c), v128.load(b + c));
      if (y != 0) value = madd(v128.load(d + c), v128.load(y + at + c), value);
      v128.store(out + at + c, value);
    }
    for (; c < stride; c += 4) {
      let value = load<f32>(a + c) * load<f32>(x + at + c) + load<f32>(b + c);
      if (y != 0) value += load<f32>(d + c) * load<f32>(y + at + c);
      store<f32>(out + at + c, value);
    }
  }
}
