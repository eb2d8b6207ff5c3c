/**
 * WGSL of numbers with twice the digits of f32, as the unevaluated sum of a pair (T. J. Dekker, "A floating-point technique for extending the
 * available precision", 1971). WGSL has no f64, which the cpu device uses for the same values. A compiler that reorders sums leaves f32's digits.
 */
export const doubleFloat = `fn quickSum(a: f32, b: f32) -> vec2f { let s = a + b; return vec2f(s, b - (s - a)); }
fn exactSum(a: f32, b: f32) -> vec2f { let s = a + b; let part = s - a; return vec2f(s, (a - (s - part)) + (b - part)); }
fn halves(a: f32) -> vec2f { let c = 4097.0 * a; let high = c - (c - a); return vec2f(high, a - high); }
fn exactProduct(a: f32, b: f32) -> vec2f {
  let p = a * b;
  let x = halves(a);
  let y = halves(b);
  return vec2f(p, ((x.x * y.x - p) + x.x * y.y + x.y * y.x) + x.y * y.y);
}
fn sum2(a: vec2f, b: vec2f) -> vec2f { let s = exactSum(a.x, b.x); return quickSum(s.x, s.y + (a.y + b.y)); }
fn product2(a: vec2f, b: vec2f) -> vec2f { let p = exactProduct(a.x, b.x); return quickSum(p.x, p.y + (a.x * b.y + a.y * b.x)); }
fn quotient2(a: vec2f, b: vec2f) -> vec2f {
  let q = a.x / b.x;
  let rest = sum2(a, -product2(vec2f(q, 0.0), b));
  return quickSum(q, rest.x / b.x);
}`;

/** The nearest f32 and the rest. */
const pair = (value: number): string => `vec2f(${f32(value)}, ${f32(value - Math.fround(value))})`;
const f32 = (value: number): string => `${Math.fround(value).toExponential()}f`;

/** ln 2 in three terms: n times the first is exact for |n| < 2⁹. */
const LN2_HIGH = 22713 / 2 ** 15;
const LN2_LOW = Math.LN2 - LN2_HIGH;

const factorials = Array.from({ length: 12 }).reduce<number[]>((all, _, k) => [...all, k === 0 ? 1 : all[k - 1] * k], []);

/** WGSL of `exponential(x)`, the f32 nearest to e^x but for one case in some thousands, for -200 ≤ x ≤ 0, and 0 below 2^-125: Taylor's series to the eleventh power, |r| ≤ ½ ln 2. */
export const doubleFloatExponential = `fn exponential(x: f32) -> f32 {
  let n = round(x * ${f32(Math.LOG2E)});
  let r = sum2(exactSum(x, -n * ${f32(LN2_HIGH)}), product2(vec2f(-n, 0.0), ${pair(LN2_LOW)}));
  var y = ${pair(1 / factorials[11])};
${factorials.slice(0, 11).map((factorial) => `  y = sum2(product2(y, r), ${pair(1 / factorial)});`).reverse().join("\n")}
  return ldexp(y.x + y.y, max(i32(n), -125)) * select(1.0, 0.0, n < -125.0);
}`;
