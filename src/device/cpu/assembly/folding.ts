import { clearValues, copyValues } from "./copying";

/** Rows that are copied of one chunk before the next one's: whole cache lines of narrow rows. */
const BLOCK = 16;

/**
 * Lays chunks of time side by side: row t of `folded` has the rows t of all chunks, one after the other, and zeros up to `foldedRow` bytes.
 * `plain` has the `rows` rows of a chunk `plainRow` bytes apart, of each `bytes` are copied, and chunks `chunkStep` bytes apart; items are blocks of 16 rows of a chunk.
 */
export function fold(scratch: usize, begin: i32, end: i32, plain: usize, plainRow: usize, folded: usize, foldedRow: usize, chunks: i32, chunkStep: usize, rows: i32, bytes: usize): void {
  const last = min(end * BLOCK, rows);
  for (let first = begin * BLOCK; first < last; first += BLOCK) {
    const stop = min(first + BLOCK, last);
    for (let chunk = 0; chunk < chunks; chunk++) {
      let from = plain + <usize>chunk * chunkStep + <usize>first * plainRow;
      let to = folded + <usize>first * foldedRow + <usize>chunk * bytes;
      for (let t = first; t < stop; t++) {
        copyRow(from, to, bytes);
        from += plainRow;
        to += foldedRow;
      }
    }
    const used = <usize>chunks * bytes;
    if (used < foldedRow) for (let t = first; t < stop; t++) clearRow(folded + <usize>t * foldedRow + used, foldedRow - used);
  }
}

/** The other way: the rows of chunks that lie side by side, one after the other. */
export function unfold(scratch: usize, begin: i32, end: i32, plain: usize, plainRow: usize, folded: usize, foldedRow: usize, chunks: i32, chunkStep: usize, rows: i32, bytes: usize): void {
  const last = min(end * BLOCK, rows);
  for (let first = begin * BLOCK; first < last; first += BLOCK) {
    const stop = min(first + BLOCK, last);
    for (let chunk = 0; chunk < chunks; chunk++) {
      let to = plain + <usize>chunk * chunkStep + <usize>first * plainRow;
      let from = folded + <usize>first * foldedRow + <usize>chunk * bytes;
      for (let t = first; t < stop; t++) {
        copyRow(from, to, bytes);
        to += plainRow;
        from += foldedRow;
      }
    }
  }
}

@inline
function copyRow(from: usize, to: usize, bytes: usize): void {
  const words = bytes & ~3;
  copyValues(from, to, words);
  for (let at = words; at < bytes; at++) store<u8>(to + at, load<u8>(from + at));
}

@inline
function clearRow(to: usize, bytes: usize): void {
  const words = bytes & ~3;
  clearValues(to, words);
  for (let at = words; at < bytes; at++) store<u8>(to + at, 0);
}
