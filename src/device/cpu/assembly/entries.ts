import { madd } from "./arithmetic";


/**
 * Nonzeros are kept as entries of 8 bytes, an f32 value and an i32 byte offset into the other factor, whose rows are
 * stripes of 32 columns: 8 vectors, as many accumulators as the registers hold beside what is being loaded.
 */
export const ENTRY_BYTES = 8;
export const STRIPE = 32;
export const STRIPE_BYTES = 128;
/** What `compress` may write beyond its last entry. */
export const COMPRESS_SLACK = 32;

/** For each mask of 4 lanes, the byte shuffle that moves its lanes to the front. */
const COMPRESSING = memory.data<u32>([
  0, 0, 0, 0,
  0x03020100, 0, 0, 0,
  0x07060504, 0, 0, 0,
  0x03020100, 0x07060504, 0, 0,
  0x0b0a0908, 0, 0, 0,
  0x03020100, 0x0b0a0908, 0, 0,
  0x07060504, 0x0b0a0908, 0, 0,
  0x03020100, 0x07060504, 0x0b0a0908, 0,
  0x0f0e0d0c, 0, 0, 0,
  0x03020100, 0x0f0e0d0c, 0, 0,
  0x07060504, 0x0f0e0d0c, 0, 0,
  0x03020100, 0x07060504, 0x0f0e0d0c, 0,
  0x0b0a0908, 0x0f0e0d0c, 0, 0,
  0x03020100, 0x0b0a0908, 0x0f0e0d0c, 0,
  0x07060504, 0x0b0a0908, 0x0f0e0d0c, 0,
  0x03020100, 0x07060504, 0x0b0a0908, 0x0f0e0d0c,
], 16);

/** Writes an entry for each nonzero of x [length] at `to`, with the offsets offset, offset + step, …, and returns their end. */
export function compress(x: usize, length: i32, offset: i32, step: i32, to: usize): usize {
  const end = x + (<usize>length << 2);
  let offsets = i32x4.add(i32x4.splat(offset), i32x4.mul(i32x4.splat(step), i32x4(0, 1, 2, 3)));
  const advance = i32x4.splat(step << 2);
  for (; x + 16 <= end; x += 16) {
    const values = v128.load(x);
    const mask = i32x4.bitmask(f32x4.ne(values, f32x4.splat(0)));
    const shuffle = v128.load(COMPRESSING + (<usize>mask << 4));
    const chosen = i8x16.swizzle(values, shuffle);
    const chosenOffsets = i8x16.swizzle(offsets, shuffle);
    v128.store(to, v128.shuffle<i32>(chosen, chosenOffsets, 0, 4, 1, 5));
    v128.store(to, v128.shuffle<i32>(chosen, chosenOffsets, 2, 6, 3, 7), 16);
    to += popcnt(mask) << 3;
    offsets = i32x4.add(offsets, advance);
  }
  for (let last = i32x4.extract_lane(offsets, 0); x < end; x += 4) {
    const value = load<f32>(x);
    store<f32>(to, value);
    store<i32>(to, last, 4);
    if (value != 0) to += ENTRY_BYTES;
    last += step;
  }
  return to;
}

/** Bytes of a segment: the bounds of its entries, and the base that their offsets count from. */
export const SEGMENT_BYTES = 12;

@inline
export function storeSegment(segment: usize, from: usize, end: usize, base: usize): void {
  store<usize>(segment, from);
  store<usize>(segment, end, 4);
  store<usize>(segment, base, 8);
}

/** An entry that adds nothing. */
const NOTHING = memory.data<u32>([0, 0], 16);

/**
 * out [32] = start [32] + Σ value · row(base + offset) over the entries of the segments [segment, last).
 * One flat loop over pairs of entries: V8 unrolls what is nested or shorter, hoists the loads of the copies, and spills.
 */
export function accumulate(segment: usize, last: usize, start: usize, out: usize): void {
  let c0 = v128.load(start);
  let c1 = v128.load(start, 16);
  let c2 = v128.load(start, 32);
  let c3 = v128.load(start, 48);
  let c4 = v128.load(start, 64);
  let c5 = v128.load(start, 80);
  let c6 = v128.load(start, 96);
  let c7 = v128.load(start, 112);
  let entry: usize = 0;
  let end: usize = 0;
  let base: usize = 0;
  while (true) {
    if (entry >= end) {
      if (segment >= last) break;
      entry = load<usize>(segment);
      end = load<usize>(segment, 4);
      base = load<usize>(segment, 8);
      segment += SEGMENT_BYTES;
      continue;
    }
    const paired = entry + ENTRY_BYTES < end;
    const other = select<usize>(entry + ENTRY_BYTES, NOTHING, paired);
    const first = v128.load32_splat(entry);
    const second = v128.load32_splat(other);
    const firstRow = base + load<usize>(entry, 4);
    const secondRow = select<usize>(base + load<usize>(other, 4), firstRow, paired);
    c0 = madd(second, v128.load(secondRow), madd(first, v128.load(firstRow), c0));
    c1 = madd(second, v128.load(secondRow, 16), madd(first, v128.load(firstRow, 16), c1));
    c2 = madd(second, v128.load(secondRow, 32), madd(first, v128.load(firstRow, 32), c2));
    c3 = madd(second, v128.load(secondRow, 48), madd(first, v128.load(firstRow, 48), c3));
    c4 = madd(second, v128.load(secondRow, 64), madd(first, v128.load(firstRow, 64), c4));
    c5 = madd(second, v128.load(secondRow, 80), madd(first, v128.load(firstRow, 80), c5));
    c6 = madd(second, v128.load(secondRow, 96), madd(first, v128.load(firstRow, 96), c6));
    c7 = madd(second, v128.load(secondRow, 112), madd(first, v128.load(firstRow, 112), c7));
    entry += 2 * ENTRY_BYTES;
  }
  v128.store(out, c0);
  v128.store(out, c1, 16);
  v128.store(out, c2, 32);
  v128.store(out, c3, 48);
  v128.store(out, c4, 64);
  v128.store(out, c5, 80);
  v128.store(out, c6, 96);
  v128.store(out, c7, 112);
}

/** Sets a stripe to the bias from column `column` on, or to zero if there is none. */
export function startStripe(stripe: usize, bias: usize, column: i32, columns: i32): void {
  for (let i = 0; i < STRIPE; i++) {
    store<f32>(stripe + (<usize>i << 2), bias != 0 && column + i < columns ? load<f32>(bias + (<usize>(column + i) << 2)) : 0);
  }
}

/** Counts the nonzeros of the `length` f32 values at `source` + item · `step` bytes, for each item. */
export function countNonzeros(scratch: usize, begin: i32, end: i32, source: usize, step: usize, length: i32, counts: usize): void {
  for (let item = begin; item < end; item++) {
    let x = source + <usize>item * step;
    const stop = x + (<usize>length << 2);
    let zeros = i32x4.splat(0);
    let count = length;
    for (; x + 16 <= stop; x += 16) zeros = i32x4.add(zeros, f32x4.eq(v128.load(x), f32x4.splat(0)));
    for (; x < stop; x += 4) count -= load<f32>(x) == 0 ? 1 : 0;
    count += i32x4.extract_lane(zeros, 0) + i32x4.extract_lane(zeros, 1) + i32x4.extract_lane(zeros, 2) + i32x4.extract_lane(zeros, 3);
    store<i32>(counts + (<usize>item << 2), count);
  }
}
