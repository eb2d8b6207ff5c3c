const ONE: u32 = 0x3f800000;

/** The bits of four lanes: which of them are nonzero. */
@inline
function nonzeros(at: usize): u32 {
  return <u32>i32x4.bitmask(f32x4.ne(v128.load(at), f32x4.splat(0)));
}

/** Bit i mod 32 of word ⌊i/32⌋ of bits is whether element i of x [size] is nonzero. Items are words. */
export function packBits(scratch: usize, begin: i32, end: i32, x: usize, bits: usize, size: i32): void {
  for (let word = begin; word < end; word++) {
    const from = x + (<usize>word << 7);
    const length = min(32, size - (word << 5));
    let packed: u32 = 0;
    let i = 0;
    for (; i + 4 <= length; i += 4) packed |= nonzeros(from + (<usize>i << 2)) << i;
    for (; i < length; i++) packed |= <u32>(load<f32>(from + (<usize>i << 2)) != 0) << i;
    store<u32>(bits + (<usize>word << 2), packed);
  }
}

/** x [size], 0 or 1, of its bits. Items are words. */
export function unpackBits(scratch: usize, begin: i32, end: i32, bits: usize, x: usize, size: i32): void {
  const lanes = i32x4(1, 2, 4, 8);
  const one = i32x4.splat(ONE);
  for (let word = begin; word < end; word++) {
    const to = x + (<usize>word << 7);
    const length = min(32, size - (word << 5));
    const packed = load<u32>(bits + (<usize>word << 2));
    let i = 0;
    for (; i + 4 <= length; i += 4) {
      const set = v128.and(i32x4.splat(packed >> i), lanes);
      v128.store(to + (<usize>i << 2), v128.and(i32x4.eq(set, lanes), one));
    }
    for (; i < length; i++) store<u32>(to + (<usize>i << 2), (packed >> i) & 1 ? ONE : 0);
  }
}
