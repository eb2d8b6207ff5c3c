/** The largest f32; its shortest decimals are larger, which a compiler may refuse. */
const LARGEST = 2 ** 128 - 2 ** 104;

/** The shortest decimal that is this f32 and no other: 0.1 for the f32 that f64 writes as 0.10000000149011612. */
export function shortestDecimal(value: number): string {
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value && Math.abs(short) <= LARGEST) return String(short);
  }
  return String(value);
}
