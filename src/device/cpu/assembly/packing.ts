import { roundUp } from "./arithmetic";

/**
 * Rearranges a matrix [segments · length, columns] for products: panels of `width` columns (a multiple of 4), each
 * [segments · roundUp(length, 4), width] row-major, with zeros where the matrix ends. Items are panels.
 * The element at row d and column n is source[d · rowStride + n · columnStride]; one of the strides is 1.
 */
export function packPanels(
  scratch: usize, begin: i32, end: i32,
  source: usize, target: usize, segments: i32, length: i32, columns: i32, rowStride: i32, columnStride: i32, width: i32,
): void {
  const padded = roundUp(length, 4);
  for (let panel = begin; panel < end; panel++) {
    const column = panel * width;
    const valid = min(width, columns - column);
    let to = target + (<usize>(panel * segments * padded * width) << 2);
    for (let segment = 0; segment < segments; segment++) {
      const from = source + (<usize>(segment * length * rowStride + column * columnStride) << 2);
      if (columnStride == 1) packRowMajor(from, to, length, valid, rowStride, width);
      else packColumnMajor(from, to, length, valid, columnStride, width);
      if (padded > length) memory.fill(to + (<usize>(length * width) << 2), 0, <usize>((padded - length) * width) << 2);
      to += <usize>(padded * width) << 2;
    }
  }
}

function packRowMajor(from: usize, to: usize, length: i32, valid: i32, rowStride: i32, width: i32): void {
  for (let row = 0; row < length; row++) {
    let column = 0;
    for (; column + 4 <= valid; column += 4) v128.store(to + (<usize>column << 2), v128.load(from + (<usize>column << 2)));
    for (; column < valid; column++) store<f32>(to + (<usize>column << 2), load<f32>(from + (<usize>column << 2)));
    for (; column < width; column++) store<f32>(to + (<usize>column << 2), 0);
    from += <usize>rowStride << 2;
    to += <usize>width << 2;
  }
}

function packColumnMajor(from: usize, to: usize, length: i32, valid: i32, columnStride: i32, width: i32): void {
  const inStride = <usize>columnStride << 2;
  const outStride = <usize>width << 2;
  let column = 0;
  for (; column + 4 <= valid; column += 4) {
    let source = from + <usize>column * inStride;
    let target = to + (<usize>column << 2);
    let row = 0;
    for (; row + 4 <= length; row += 4) {
      transpose4(source, inStride, target, outStride);
      source += 16;
      target += outStride << 2;
    }
    for (; row < length; row++) {
      for (let i: usize = 0; i < 4; i++) store<f32>(target + (i << 2), load<f32>(source + i * inStride));
      source += 4;
      target += outStride;
    }
  }
  for (; column < width; column++) {
    const source = from + <usize>column * inStride;
    let target = to + (<usize>column << 2);
    for (let row = 0; row < length; row++) {
      store<f32>(target, column < valid ? load<f32>(source + (<usize>row << 2)) : 0);
      target += outStride;
    }
  }
}

/** Transposes a 4 × 4 block; strides in bytes. */
@inline
export function transpose4(from: usize, inStride: usize, to: usize, outStride: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + inStride);
  const c = v128.load(from + 2 * inStride);
  const d = v128.load(from + 3 * inStride);
  const ab = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const AB = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const CD = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab, cd, 0, 2));
  v128.store(to + outStride, v128.shuffle<i64>(ab, cd, 1, 3));
  v128.store(to + 2 * outStride, v128.shuffle<i64>(AB, CD, 0, 2));
  v128.store(to + 3 * outStride, v128.shuffle<i64>(AB, CD, 1, 3));
}

/**
 * Rearranges rows [rows, depth] of a left factor for `multiplyBlock`: [roundUp(depth, 4) / 4, roundUp(rows, 2), 4], with zeros
 * where the matrix ends. One of the strides is 1.
 */
export function packRows(from: usize, rows: i32, depth: i32, rowStride: i32, depthStride: i32, to: usize): void {
  const padded = roundUp(rows, 2);
  const fullDepth = depth & ~3;
  const fullRows = depthStride == 1 ? rows : rows & ~3;
  if (depthStride == 1) {
    for (let row = 0; row < rows; row++) {
      let source = from + (<usize>(row * rowStride) << 2);
      let target = to + (<usize>row << 4);
      for (let d = 0; d < fullDepth; d += 4) {
        v128.store(target, v128.load(source));
        source += 16;
        target += <usize>padded << 4;
      }
    }
  } else {
    for (let d = 0; d < fullDepth; d += 4) {
      for (let row = 0; row < fullRows; row += 4) {
        transpose4(from + (<usize>(row + d * depthStride) << 2), <usize>depthStride << 2, to + (<usize>(d >> 2) * padded + row << 4), 16);
      }
    }
  }
  for (let row = fullRows; row < padded; row++) packQuads(from, row, rows, 0, depth, rowStride, depthStride, padded, to);
  for (let row = 0; row < fullRows; row++) packQuads(from, row, rows, fullDepth, depth, rowStride, depthStride, padded, to);
}

/** One row's elements from `d` on, one by one. */
function packQuads(from: usize, row: i32, rows: i32, d: i32, depth: i32, rowStride: i32, depthStride: i32, padded: i32, to: usize): void {
  for (; d < depth; d += 4) {
    for (let i = d; i < d + 4; i++) {
      const value = row < rows && i < depth ? load<f32>(from + (<usize>(row * rowStride + i * depthStride) << 2)) : 0;
      store<f32>(to + (<usize>((d >> 2) * padded + row) << 4) + (<usize>(i & 3) << 2), value);
    }
  }
}
