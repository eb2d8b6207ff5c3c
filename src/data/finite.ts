/**
 * The index of the first value that is NaN or infinite, or −1. The sum of finite f32 values is finite in f64, and adding is faster than comparing:
 * only what has a value that is not finite is searched.
 */
export function firstNotFinite(values: Float32Array): number {
  const whole = values.length & ~3;
  let a = 0, b = 0, c = 0, d = 0;
  for (let i = 0; i < whole; i += 4) {
    a += values[i];
    b += values[i + 1];
    c += values[i + 2];
    d += values[i + 3];
  }
  for (let i = whole; i < values.length; i++) a += values[i];
  return Number.isFinite(a + b + c + d) ? -1 : values.findIndex((value) => !Number.isFinite(value));
}

/** Where element `index` of a row-major array is: [2, 0, 17]. */
export function positionOf(index: number, shape: readonly number[]): number[] {
  const position: number[] = [];
  let rest = index;
  for (const length of shape.toReversed()) {
    position.unshift(rest % length);
    rest = Math.floor(rest / length);
  }
  return position;
}
