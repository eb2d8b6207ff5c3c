/** Sets the f32 items [begin, end) at `ptr` to `value`. */
export function fill(scratch: usize, begin: usize, end: usize, ptr: usize, value: f32): void {
  let p = ptr + (begin << 2);
  const stop = ptr + (end << 2);
  if (reinterpret<u32>(value) == 0) {
    memory.fill(p, 0, stop - p);
    return;
  }
  const values = f32x4.splat(value);
  for (; p + 16 <= stop; p += 16) v128.store(p, values);
  for (; p < stop; p += 4) store<f32>(p, value);
}

/** Copies the bytes [begin, end) of `source` to `target`; the two do not overlap. */
export function copyBytes(scratch: usize, begin: usize, end: usize, target: usize, source: usize): void {
  memory.copy(target + begin, source + begin, end - begin);
}
