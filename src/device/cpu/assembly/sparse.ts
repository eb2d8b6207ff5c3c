import { copyValues } from "./copying";
import {
  COMPRESS_SLACK, ENTRY_BYTES, SEGMENT_BYTES, STRIPE, STRIPE_BYTES, accumulate, compress, startStripe, storeSegment,
} from "./entries";
import { roundUp } from "./arithmetic";

/** Rows whose lists of nonzeros are kept at a time, as far as they fit `LIST_BYTES`. */
const LISTED_ROWS = 32;
const LIST_BYTES = 1 << 19;
/** Columns and rows of x whose transposed lists are kept at a time: 512 KiB of them. Wide pieces of the rows of x are read faster than narrow ones. */
const LISTED_COLUMNS = 256;
const LISTED_DEPTH = 256;

/**
 * y [rows, columns] = x · w + bias over the nonzeros of x [rows, depth], with w in panels of 32 columns. Items are rows.
 * The scratch holds at least one row's nonzeros.
 */
export function multiplySparse(
  scratch: usize, begin: i32, end: i32, x: usize, panels: usize, bias: usize, y: usize, columns: i32, depth: i32,
): void {
  const start = scratch;
  const stripe = start + STRIPE_BYTES;
  const segments = stripe + STRIPE_BYTES;
  const lists = segments + LISTED_ROWS * SEGMENT_BYTES;
  const group = max(1, min(LISTED_ROWS, LIST_BYTES / (depth * ENTRY_BYTES)));
  const panelBytes = <usize>(roundUp(depth, 4) * STRIPE_BYTES);
  for (let first = begin; first < end; first += group) {
    const rows = min(group, end - first);
    let to = lists;
    for (let row = 0; row < rows; row++) {
      const from = to;
      to = compress(x + (<usize>((first + row) * depth) << 2), depth, 0, STRIPE_BYTES, to);
      storeSegment(segments + <usize>row * SEGMENT_BYTES, from, to, 0);
    }
    let panel = panels;
    for (let column = 0; column < columns; column += STRIPE) {
      const width = min(STRIPE, columns - column);
      let out = y + (<usize>(first * columns + column) << 2);
      startStripe(start, bias, column, columns);
      for (let row = 0; row < rows; row++) {
        const segment = segments + <usize>row * SEGMENT_BYTES;
        store<usize>(segment, panel, 8);
        if (width == STRIPE) {
          accumulate(segment, segment + SEGMENT_BYTES, start, out);
        } else {
          accumulate(segment, segment + SEGMENT_BYTES, start, stripe);
          copyValues(stripe, out, <usize>width << 2);
        }
        out += <usize>columns << 2;
      }
      panel += panelBytes;
    }
  }
}

/**
 * dw [depth, columns] = xᵀ · dy over the nonzeros of x [rows, depth], with dy [rows, columns] in panels of 32 columns.
 * Items are rows of dw.
 */
export function multiplySparseTransposed(
  scratch: usize, begin: i32, end: i32, x: usize, panels: usize, dw: usize, rows: i32, columns: i32, depth: i32,
): void {
  const zeros = scratch;
  const stripe = zeros + STRIPE_BYTES;
  const segments = stripe + STRIPE_BYTES;
  const line = segments + LISTED_COLUMNS * SEGMENT_BYTES;
  const lists = line + LISTED_COLUMNS * ENTRY_BYTES + COMPRESS_SLACK;
  const panelBytes = <usize>(roundUp(rows, 4) * STRIPE_BYTES);
  startStripe(zeros, 0, 0, 0);
  for (let first = begin; first < end; first += LISTED_COLUMNS) {
    const count = min(LISTED_COLUMNS, end - first);
    for (let row = 0; row < rows; row += LISTED_DEPTH) {
      const height = min(LISTED_DEPTH, rows - row);
      startLists(segments, count, lists, height);
      for (let i = 0; i < height; i++) {
        appendToLists(x + (<usize>((row + i) * depth + first) << 2), count, i * STRIPE_BYTES, segments, line);
      }
      let base = panels + <usize>(row * STRIPE_BYTES);
      for (let column = 0; column < columns; column += STRIPE) {
        const width = min(STRIPE, columns - column);
        let out = dw + (<usize>(first * columns + column) << 2);
        for (let i = 0; i < count; i++) {
          const segment = segments + <usize>i * SEGMENT_BYTES;
          store<usize>(segment, base, 8);
          if (width == STRIPE) {
            accumulate(segment, segment + SEGMENT_BYTES, row == 0 ? zeros : out, out);
          } else {
            if (row == 0) copyValues(zeros, stripe, <usize>width << 2);
            else copyValues(out, stripe, <usize>width << 2);
            accumulate(segment, segment + SEGMENT_BYTES, stripe, stripe);
            copyValues(stripe, out, <usize>width << 2);
          }
          out += <usize>columns << 2;
        }
        base += panelBytes;
      }
    }
  }
}

/** Starts `count` empty lists of up to `capacity` entries, each a segment. */
export function startLists(segments: usize, count: i32, lists: usize, capacity: i32): void {
  for (let i = 0; i < count; i++) {
    storeSegment(segments, lists, lists, 0);
    segments += SEGMENT_BYTES;
    lists += <usize>(capacity * ENTRY_BYTES);
  }
}

/** Appends each nonzero of x [count] to its position's list, with offset `offset`. `line` is room for `count` entries. */
export function appendToLists(x: usize, count: i32, offset: i32, segments: usize, line: usize): void {
  const end = compress(x, count, 0, SEGMENT_BYTES, line);
  for (let entry = line; entry < end; entry += ENTRY_BYTES) {
    const segment = segments + load<usize>(entry, 4);
    const to = load<usize>(segment, 4);
    store<u32>(to, load<u32>(entry));
    store<i32>(to, offset, 4);
    store<usize>(segment, to + ENTRY_BYTES, 4);
  }
}
