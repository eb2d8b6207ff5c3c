import { madd, roundUp } from "./arithmetic";
import { packRows } from "./packing";

/** Columns of a panel of the right factor. */
export const PANEL = 8;
/** Rows of the left factor that are multiplied at a time. */
export const BLOCK_ROWS = 48;
/** Panels that one item covers. */
const BLOCK_PANELS = 16;
/** Depth of the left factor that is packed at a time. */
const BLOCK_DEPTH = 512;

/**
 * tile [rows, 8] += a · b for a left factor from `packRows` (`rows` even, `groups` · 4 deep) and a panel from `packPanels`.
 * Four rows of the panel stay in registers while all rows of the tile pass: engines reorder the loads of a classic register tile
 * so that it spills; this form leaves them no choice and comes to 85 % of the peak of 128-bit multiply-adds.
 */
export function multiplyBlock(a: usize, rows: i32, groups: i32, b: usize, tile: usize): void {
  const tileEnd = tile + (<usize>rows << 5);
  for (let group = 0; group < groups; group++) {
    const b00 = v128.load(b);
    const b01 = v128.load(b, 16);
    const b10 = v128.load(b, 32);
    const b11 = v128.load(b, 48);
    const b20 = v128.load(b, 64);
    const b21 = v128.load(b, 80);
    const b30 = v128.load(b, 96);
    const b31 = v128.load(b, 112);
    b += 128;
    for (let c = tile; c < tileEnd; c += 64) {
      const x0 = v128.load32_splat(a);
      const x1 = v128.load32_splat(a, 4);
      const x2 = v128.load32_splat(a, 8);
      const x3 = v128.load32_splat(a, 12);
      v128.store(c, madd(x3, b30, madd(x2, b20, madd(x1, b10, madd(x0, b00, v128.load(c))))));
      v128.store(c, madd(x3, b31, madd(x2, b21, madd(x1, b11, madd(x0, b01, v128.load(c, 16))))), 16);
      const y0 = v128.load32_splat(a, 16);
      const y1 = v128.load32_splat(a, 20);
      const y2 = v128.load32_splat(a, 24);
      const y3 = v128.load32_splat(a, 28);
      v128.store(c, madd(y3, b30, madd(y2, b20, madd(y1, b10, madd(y0, b00, v128.load(c, 32))))), 32);
      v128.store(c, madd(y3, b31, madd(y2, b21, madd(y1, b11, madd(y0, b01, v128.load(c, 48))))), 48);
      a += 32;
    }
  }
}

/**
 * out [rows, columns] = a · b + bias, with b [depth, columns] in panels. The element of `a` at (m, d) is
 * a[m · rowStride + d · depthStride]; one of the strides is 1. `bias` may be 0. Items are blocks of out, `multiplyItems` of them.
 */
export function multiply(
  scratch: usize, begin: i32, end: i32,
  a: usize, panels: usize, bias: usize, out: usize, rows: i32, columns: i32, depth: i32, rowStride: i32, depthStride: i32,
): void {
  const tile = scratch;
  const packed = scratch + BLOCK_PANELS * BLOCK_ROWS * PANEL * 4;
  const panelBytes = <usize>(roundUp(depth, 4) * PANEL) << 2;
  const rowBlocks = (rows + BLOCK_ROWS - 1) / BLOCK_ROWS;
  for (let item = begin; item < end; item++) {
    const row = item % rowBlocks * BLOCK_ROWS;
    const height = min(BLOCK_ROWS, rows - row);
    const column = item / rowBlocks * (BLOCK_PANELS * PANEL);
    const width = min(BLOCK_PANELS * PANEL, columns - column);
    const firstPanel = panels + <usize>(column / PANEL) * panelBytes;
    startTiles(tile, height, bias == 0 ? 0 : bias + (<usize>column << 2), width);
    for (let d = 0; d < depth; d += BLOCK_DEPTH) {
      const deep = min(BLOCK_DEPTH, depth - d);
      packRows(a + (<usize>(row * rowStride + d * depthStride) << 2), height, deep, rowStride, depthStride, packed);
      multiplyPanels(packed, height, (deep + 3) >> 2, firstPanel + (<usize>(d * PANEL) << 2), panelBytes, tile, <usize>roundUp(height, 2) << 5, width);
    }
    writeTiles(tile, height, width, out + (<usize>(row * columns + column) << 2), columns);
  }
}

/** Bytes of the tiles [rows, 8] of `columns` columns. */
@inline
export function tileBytes(rows: i32, columns: i32): usize {
  return <usize>(roundUp(columns, PANEL) * roundUp(rows, 2)) << 2;
}

/** Sets every row of the tiles to the bias, or to zero if there is none. */
export function startTiles(tile: usize, rows: i32, bias: usize, columns: i32): void {
  const padded = roundUp(rows, 2);
  if (bias == 0) {
    memory.fill(tile, 0, tileBytes(rows, columns));
    return;
  }
  for (let column = 0; column < columns; column += PANEL) {
    for (let i = 0; i < PANEL; i++) {
      store<f32>(tile + (<usize>i << 2), column + i < columns ? load<f32>(bias + (<usize>(column + i) << 2)) : 0);
    }
    const low = v128.load(tile);
    const high = v128.load(tile, 16);
    for (let row = 0; row < padded; row++) {
      v128.store(tile, low);
      v128.store(tile, high, 16);
      tile += 32;
    }
  }
}

/** Multiplies packed rows by consecutive panels into tiles `tileStride` bytes apart. */
export function multiplyPanels(
  packed: usize, rows: i32, groups: i32, panel: usize, panelBytes: usize, tile: usize, tileStride: usize, columns: i32,
): void {
  const padded = roundUp(rows, 2);
  for (let column = 0; column < columns; column += PANEL) {
    multiplyBlock(packed, padded, groups, panel, tile);
    panel += panelBytes;
    tile += tileStride;
  }
}

/** Copies tiles into a row-major matrix with rows of `stride` elements. */
export function writeTiles(tile: usize, rows: i32, columns: i32, out: usize, stride: i32): void {
  const padded = roundUp(rows, 2);
  for (let column = 0; column < columns; column += PANEL) {
    let from = tile;
    let to = out + (<usize>column << 2);
    const width = min(PANEL, columns - column);
    for (let row = 0; row < rows; row++) {
      if (width == PANEL) {
        v128.store(to, v128.load(from));
        v128.store(to, v128.load(from, 16), 16);
      } else {
        for (let i = 0; i < width; i++) store<f32>(to + (<usize>i << 2), load<f32>(from + (<usize>i << 2)));
      }
      from += 32;
      to += <usize>stride << 2;
    }
    tile += <usize>padded << 5;
  }
}
