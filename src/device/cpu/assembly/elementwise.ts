import { madd } from "./arithmetic";

/** y += scale · x. Items are elements. */
export function addScaled(scratch: usize, begin: i32, end: i32, y: usize, x: usize, scale: f32): void {
  const factor = f32x4.splat(scale);
  let at = <usize>begin << 2;
  const stop = <usize>end << 2;
  for (; at + 16 <= stop; at += 16) v128.store(y + at, madd(factor, v128.load(x + at), v128.load(y + at)));
  for (; at < stop; at += 4) store<f32>(y + at, load<f32>(y + at) + scale * load<f32>(x + at));
}

/** x *= factor. Items are elements. */
export function multiplyInPlace(scratch: usize, begin: i32, end: i32, x: usize, factor: f32): void {
  const factors = f32x4.splat(factor);
  let at = <usize>begin << 2;
  const stop = <usize>end << 2;
  for (; at + 16 <= stop; at += 16) v128.store(x + at, f32x4.mul(factors, v128.load(x + at)));
  for (; at < stop; at += 4) store<f32>(x + at, factor * load<f32>(x + at));
}

/** Terms of a partial sum: few enough that f32 holds it well. */
const PART_TERMS: i32 = 128;

/** out [size] = scale · Σ over the first axis of x [times, size]; partial sums are added in f64. Items are elements of out. */
export function sumLeading(scratch: usize, begin: i32, end: i32, x: usize, out: usize, size: i32, times: i32, scale: f32): void {
  const stride = <usize>size << 2;
  let at = <usize>begin << 2;
  const stop = <usize>end << 2;
  for (; at + 16 <= stop; at += 16) {
    let low = f64x2.splat(0);
    let high = f64x2.splat(0);
    let from = x + at;
    for (let t = 0; t < times;) {
      let part = f32x4.splat(0);
      for (const last = min(times, t + PART_TERMS); t < last; t++) {
        part = f32x4.add(part, v128.load(from));
        from += stride;
      }
      low = f64x2.add(low, f64x2.promote_low_f32x4(part));
      high = f64x2.add(high, f64x2.promote_low_f32x4(v128.shuffle<i64>(part, part, 1, 1)));
    }
    const sum = v128.shuffle<i64>(f32x4.demote_f64x2_zero(low), f32x4.demote_f64x2_zero(high), 0, 2);
    v128.store(out + at, f32x4.mul(sum, f32x4.splat(scale)));
  }
  for (; at < stop; at += 4) {
    let sum: f64 = 0;
    for (let t = 0; t < times;) {
      let part: f32 = 0;
      for (const last = min(times, t + PART_TERMS); t < last; t++) part += load<f32>(x + at + <usize>t * stride);
      sum += part;
    }
    store<f32>(out + at, <f32>sum * scale);
  }
}

/** out [times, size] = scale · x [size], repeated. Items are elements of x. */
export function repeatLeading(scratch: usize, begin: i32, end: i32, x: usize, out: usize, size: i32, times: i32, scale: f32): void {
  const stride = <usize>size << 2;
  let at = <usize>begin << 2;
  const stop = <usize>end << 2;
  for (; at + 16 <= stop; at += 16) {
    const value = f32x4.mul(v128.load(x + at), f32x4.splat(scale));
    for (let t = 0; t < times; t++) v128.store(out + at + <usize>t * stride, value);
  }
  for (; at < stop; at += 4) {
    for (let t = 0; t < times; t++) store<f32>(out + at + <usize>t * stride, load<f32>(x + at) * scale);
  }
}

const BLOCK: i32 = 16384;

@inline
function addSquares(sum: v128, x: v128): v128 {
  const low = f64x2.promote_low_f32x4(x);
  const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 1));
  return f64x2.add(sum, f64x2.add(f64x2.mul(low, low), f64x2.mul(high, high)));
}

/** partials f64 [blocks] = Σ x² over blocks of 16 384 elements. Items are blocks. */
export function squarePartials(scratch: usize, begin: i32, end: i32, x: usize, size: i32, partials: usize): void {
  for (let block = begin; block < end; block++) {
    let at = x + (<usize>(block * BLOCK) << 2);
    const stop = x + (<usize>min(size, (block + 1) * BLOCK) << 2);
    let even = f64x2.splat(0);
    let odd = f64x2.splat(0);
    for (; at + 32 <= stop; at += 32) {
      even = addSquares(even, v128.load(at));
      odd = addSquares(odd, v128.load(at, 16));
    }
    const sums = f64x2.add(even, odd);
    let total = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    for (; at < stop; at += 4) total += <f64>load<f32>(at) * load<f32>(at);
    store<f64>(partials + (<usize>block << 3), total);
  }
}

/** out, one f32 = scale · Σ of `count` f64 values. One item. */
export function sumPartials(scratch: usize, begin: i32, end: i32, partials: usize, count: i32, scale: f64, out: usize): void {
  let total: f64 = 0;
  for (let i = 0; i < count; i++) total += load<f64>(partials + (<usize>i << 3));
  store<f32>(out, <f32>(total * scale));
}
