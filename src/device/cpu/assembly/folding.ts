import { clearValues, copyValues } from "./copying";

/** Rows that are copied of one chunk before the next one's: whole cache lines of narrow rows. */
const BLOCK = 16;

/**
 * Lays chunks of time side by side: row t of `folded` has the rows t of all chunks, one after the other, and zeros up to `foldedRow` bytes.
 * `plain` has the `rows` rows of a chunk `plainRow` bytes apart, of each `bytes` are copied, and chunks `chunkStep` bytes apart; items are blocks of 16 rows of a chunk.
 */
export function fold(scratch: usize, begin: i32, end: i32, plain: usize, plainRow: usize, folded: usize, foldedRow: usize, chunks: i32, chunkStep: usize, rows: i32, bytes: usize): void {
  const last = min(end * BLOCK, rows);
  const used = <usize>chunks * bytes;
  for (let first = begin * BLOCK; first < last; first += BLOCK) {
    const count = min(BLOCK, last - first);
    for (let chunk = 0; chunk < chunks; chunk++) {
      copyRows(plain + <usize>chunk * chunkStep + <usize>first * plainRow, plainRow, folded + <usize>first * foldedRow + <usize>chunk * bytes, foldedRow, count, bytes);
    }
    if (used < foldedRow) for (let t = first; t < first + count; t++) clearRow(folded + <usize>t * foldedRow + used, foldedRow - used);
  }
}

/** The other way: the rows of chunks that lie side by side, one after the other. */
export function unfold(scratch: usize, begin: i32, end: i32, plain: usize, plainRow: usize, folded: usize, foldedRow: usize, chunks: i32, chunkStep: usize, rows: i32, bytes: usize): void {
  const last = min(end * BLOCK, rows);
  for (let first = begin * BLOCK; first < last; first += BLOCK) {
    for (let chunk = 0; chunk < chunks; chunk++) {
      copyRows(folded + <usize>first * foldedRow + <usize>chunk * bytes, foldedRow, plain + <usize>chunk * chunkStep + <usize>first * plainRow, plainRow, min(BLOCK, last - first), bytes);
    }
  }
}

/** Rows of 1, 2, 4 and 8 neurons have loops of their own: a loop over the bytes of each row would take longer than they do. */
function copyRows(from: usize, fromRow: usize, to: usize, toRow: usize, rows: i32, bytes: usize): void {
  const end = from + <usize>rows * fromRow;
  if (bytes == 4) {
    for (; from < end; from += fromRow, to += toRow) store<u32>(to, load<u32>(from));
  } else if (bytes == 8) {
    for (; from < end; from += fromRow, to += toRow) store<u64>(to, load<u64>(from));
  } else if (bytes == 16) {
    for (; from < end; from += fromRow, to += toRow) v128.store(to, v128.load(from));
  } else if (bytes == 32) {
    for (; from < end; from += fromRow, to += toRow) {
      v128.store(to, v128.load(from));
      v128.store(to, v128.load(from, 16), 16);
    }
  } else {
    for (; from < end; from += fromRow, to += toRow) {
      const words = bytes & ~3;
      copyValues(from, to, words);
      for (let at = words; at < bytes; at++) store<u8>(to + at, load<u8>(from + at));
    }
  }
}

@inline
function clearRow(to: usize, bytes: usize): void {
  const words = bytes & ~3;
  clearValues(to, words);
  for (let at = words; at < bytes; at++) store<u8>(to + at, 0);
}
