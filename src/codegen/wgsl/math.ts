import { ATAN, ERF, ERFC_ROOT, EXP, EXPM1, LN2_HIGH, LN2_LOW, LOG, LOG2E, PI, SIN, SQRT_HALF_BITS } from "../coefficients.ts";
import { type ConstantFunction, literal, type Vector } from "./literal.ts";

/** Functions of a kernel's text: elementary functions, and what WGSL's own do not promise of NaN and infinity. */
export type FunctionName =
  | "exp2i" | "expf" | "expm1f" | "logOfRatio" | "logf" | "log1pf" | "tanhf" | "sigmoid" | "sigmoidByExp" | "sineOfRemainder" | "sinf" | "cosf" | "atanf" | "erff"
  | "minimum" | "maximum" | "withSignOf" | "isNan" | ConstantFunction;

interface Definition {
  readonly uses?: readonly FunctionName[];
  /** The text for values of type V, of integers I and U, and a number for all of a thread's neurons. */
  text(types: { V: Vector; I: string; U: string }): string;
}

// WGSL's own functions may be far off (sin by 2⁻¹¹, exp(x) by 3 + 2|x| units in the last place; W3C, WebGPU Shading Language, 15.7.4.1).
// The polynomials are those of coefficients.ts. A compiler may fuse or reorder sums, so nothing here depends on how one rounds: arguments are reduced by
// explicit fma, NaN is told by its bits.

const polynomial = (v: string, coefficients: readonly number[]): string =>
  coefficients.slice(0, -1).reduceRight((sum, c, i) => `${i + 2 < coefficients.length ? `(${sum})` : sum} * ${v} + ${literal(c)}`, literal(coefficients.at(-1)!));

/** n = round(x / ln 2) and r = x − n·ln 2, |r| ≤ ½ ln 2. */
const reduceByLn2 = (x: string): string => `let n = round(${x} * ${literal(LOG2E)});
  let r = fma(n, V(${literal(-LN2_LOW)}), fma(n, V(${literal(-LN2_HIGH)}), ${x}));`;

const expm1OfRemainder = `r + r * r * (${polynomial("r", EXPM1)})`;

const fn = (name: FunctionName, uses: readonly FunctionName[], body: string): [FunctionName, Definition] => [name, { uses, text: typed(`fn ${name}(x: V) -> V {\n  ${body}\n}`) }];
const fromBits = (name: FunctionName, bits: string): [FunctionName, Definition] => [name, { text: () => `fn ${name}() -> f32 {\n  let bits = ${bits};\n  return bitcast<f32>(bits);\n}` }];
const typed = (text: string) => ({ V, I, U }: { V: Vector; I: string; U: string }): string => text.replace(/\b[VIU]\b/g, (letter) => ({ V, I, U })[letter]!);

const definitions = Object.fromEntries<Definition>([
  fromBits("infinity", "0x7f800000u"),
  fromBits("nan", "0x7fc00000u"),
  fromBits("negativeZero", "0x80000000u"),
  ["isNan", { text: ({ V, U }) => `fn isNan(x: ${V}) -> ${V === "f32" ? "bool" : `vec${V[3]}<bool>`} {\n  return (bitcast<${U}>(x) & ${U}(0x7fffffffu)) > ${U}(0x7f800000u);\n}` }],
  ["minimum", { uses: ["isNan"], text: typed("fn minimum(a: V, b: V) -> V {\n  return select(select(min(a, b), b, isNan(b)), a, isNan(a));\n}") }],
  ["maximum", { uses: ["isNan"], text: typed("fn maximum(a: V, b: V) -> V {\n  return select(select(max(a, b), b, isNan(b)), a, isNan(a));\n}") }],
  ["withSignOf", { text: typed("fn withSignOf(sign: V, x: V) -> V {\n  return bitcast<V>(bitcast<U>(x) | (bitcast<U>(sign) & U(0x80000000u)));\n}") }],
  ["exp2i", { text: typed("fn exp2i(n: I) -> V {\n  return bitcast<V>((n + 127) << U(23u));\n}") }],
  // e^x = 2ⁿ·e^r; the factor has two steps, because n reaches from −150 to 128.
  fn("expf", ["exp2i", "isNan"], `let bounded = clamp(x, V(-104.0), V(89.0));
  ${reduceByLn2("bounded")}
  let half = I(n) >> U(1u);
  let y = (${polynomial("r", EXP)}) * exp2i(half) * exp2i(I(n) - half);
  return select(y, x, isNan(x));`),
  // e/(1 + e) with e = e^x keeps its relative accuracy down to the smallest normal number, 2^−126, and is 1 long before x = 64.
  fn("sigmoidByExp", [], "return 1.0 / (1.0 + exp(-x));"),
  fn("sigmoid", ["exp2i", "isNan"], `let bounded = clamp(x, V(-87.3365), V(64.0));
  ${reduceByLn2("bounded")}
  let e = (${polynomial("r", EXP)}) * exp2i(I(n));
  return select(e / (1.0 + e), x, isNan(x));`),
  // e^x − 1 = 2·(s·q + s − ½), q = e^r − 1, s = 2ⁿ⁻¹ (2ⁿ overflows at n = 128); x itself where it is tiny.
  fn("expm1f", ["exp2i", "isNan"], `let bounded = clamp(x, V(-18.0), V(89.0));
  ${reduceByLn2("bounded")}
  let s = exp2i(I(n) - 1);
  let m = s * (${expm1OfRemainder}) + (s - 0.5);
  return select(m + m, x, (abs(x) < V(1e-8)) | isNan(x));`),
  // log(1 + f) = 2·artanh(s), s = f/(2 + f), summed as f − s·(f − R); 1 + f in [√½, √2).
  ["logOfRatio", { text: typed(`fn logOfRatio(f: V, e: V) -> V {
  let s = f / (f + 2.0);
  let u = s * s;
  return fma(e, V(${literal(LN2_HIGH)}), f - fma(e, V(${literal(-LN2_LOW)}), s * (f - u * (${polynomial("u", LOG)}))));
}`) }],
  // x = 2^e·(1 + f). Subnormals are scaled by 2²³ first. +∞ and NaN are their own logarithms.
  fn("logf", ["logOfRatio", "nan", "infinity", "isNan"], `let tiny = x < V(${literal(2 ** -126)});
  let m = select(x, x * 8388608.0, tiny);
  let e = (bitcast<I>(m) - I(${SQRT_HALF_BITS})) >> U(23u);
  let f = bitcast<V>(bitcast<I>(m) - (e << U(23u))) - 1.0;
  let y = logOfRatio(f, V(e) - select(V(0.0), V(23.0), tiny));
  let finite = select(select(y, V(nan()), x < V(0.0)), V(-infinity()), x == V(0.0));
  return select(finite, x, (bitcast<U>(x) == U(0x7f800000u)) | isNan(x));`),
  // 1 + x = 2^e·(1 + f), f = (2^−e − 1) + x·2^−e: both terms are exact, and 1 + x itself is needed for e alone. 2^−e has two steps, since e reaches 128.
  fn("log1pf", ["logOfRatio", "exp2i", "nan", "infinity", "isNan"], `let u = 1.0 + x;
  let e = (bitcast<I>(u) - I(${SQRT_HALF_BITS})) >> U(23u);
  let half = e >> U(1u);
  let f = (exp2i(-half) * exp2i(half - e) - 1.0) + x * exp2i(-half) * exp2i(half - e);
  let y = logOfRatio(f, V(e));
  let finite = select(select(y, V(nan()), x < V(-1.0)), V(-infinity()), x == V(-1.0));
  return select(finite, x, (abs(x) < V(1e-8)) | (bitcast<U>(x) == U(0x7f800000u)) | isNan(x));`),
  // tanh|x| = m/(m + 2), m = e^2|x| − 1 = 2ⁿ·q + 2ⁿ − 1. From |x| = 10 on, 1 is the nearest f32.
  fn("tanhf", ["exp2i", "isNan", "withSignOf"], `let bounded = min(2.0 * abs(x), V(20.0));
  ${reduceByLn2("bounded")}
  let s = exp2i(I(n));
  let m = s * (${expm1OfRemainder}) + (s - 1.0);
  return select(withSignOf(x, min(m / (m + 2.0), V(1.0))), x, (abs(x) < V(1e-8)) | isNan(x));`),
  // ±sin(r), r = x − n·π; an odd multiple flips the sign. The clamp bounds the result where n·π is inexact.
  ["sineOfRemainder", { uses: ["nan"], text: typed(`fn sineOfRemainder(x: V, n: V, multiple: I) -> V {
  let r = fma(n, V(${literal(-PI[3])}), fma(n, V(${literal(-PI[2])}), fma(n, V(${literal(-PI[1])}), fma(n, V(${literal(-PI[0])}), x))));
  let u = r * r;
  let y = clamp(r * (${polynomial("u", SIN)}), V(-1.0), V(1.0));
  let flipped = bitcast<V>(bitcast<U>(y) ^ (bitcast<U>(multiple) << U(31u)));
  return select(flipped, V(nan()), (bitcast<U>(x) & U(0x7fffffffu)) >= U(0x7f800000u));
}`) }],
  fn("sinf", ["sineOfRemainder"], `let n = round(x * ${literal(Math.fround(1 / Math.PI))});
  return select(sineOfRemainder(x, n, I(n)), x, abs(x) < V(1e-8));`),
  // cos(x) = sin(x + ½π): n is half an odd integer.
  fn("cosf", ["sineOfRemainder"], `let below = round(abs(x) * ${literal(Math.fround(1 / Math.PI))} - 0.5);
  return sineOfRemainder(abs(x), below + 0.5, I(below) + 1);`),
  // erf|x| = 1 − p(|x|)¹⁶ above 1.
  fn("erff", ["isNan", "withSignOf"], `let a = min(abs(x), V(3.95));
  let p = ${polynomial("a", ERFC_ROOT)};
  let p2 = p * p;
  let p4 = p2 * p2;
  let p8 = p4 * p4;
  let u = a * a;
  let y = select(a * (${polynomial("u", ERF)}), 1.0 - p8 * p8, a > V(1.0));
  return select(withSignOf(x, y), x, isNan(x));`),
  // atan|x| = ½π − atan(1/|x|) above 1.
  fn("atanf", ["isNan", "withSignOf"], `let a = abs(x);
  let r = min(a, V(1.0)) / max(a, V(1.0));
  let u = r * r;
  let y = r * (${polynomial("u", ATAN)});
  return select(withSignOf(x, select(y, ${literal(Math.fround(Math.PI / 2))} - y, a > V(1.0))), x, isNan(x));`),
]) as Record<FunctionName, Definition>;

/** The text of the named functions and of all that they call, once each, callees first. */
export function mathLibrary(requested: Iterable<FunctionName>, vector: Vector): string[] {
  const included = new Set<FunctionName>();
  const include = (name: FunctionName): void => {
    definitions[name].uses?.forEach(include);
    included.add(name);
  };
  for (const name of requested) include(name);
  const suffix = vector === "f32" ? "" : `vec${vector[3]}`;
  return [...included].map((name) => definitions[name].text({ V: vector, I: suffix ? `${suffix}i` : "i32", U: suffix ? `${suffix}u` : "u32" }));
}
