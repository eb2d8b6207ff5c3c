/** Elementary functions of four f32 lanes, as WebAssembly text over baseline SIMD128. */
export type MathName = "exp" | "expm1" | "log" | "log1p" | "tanh" | "sigmoid" | "sin" | "cos" | "erf" | "atan";

export interface MathFunction {
  /** `(func $name (param $x v128) (result v128) …)`. */
  readonly wat: string;
  /** Functions that `wat` calls. */
  readonly uses?: readonly MathName[];
}

interface Definition {
  /** v128 locals of `body`, next to its argument `x`. */
  locals: readonly string[];
  /** Instructions that leave the result on the stack. */
  body: string;
  uses?: readonly MathName[];
}

// All products and sums below round separately (no fused operations), so the results are the same on every machine.
// Coefficients: polynomials of least maximum relative error of the function, by Remez exchange in 50-digit arithmetic,
// then rounded to f32; the error given with each is that of the polynomial alone.
// `pmin(x, bound)` and `pmax(x, bound)` let a NaN in x through.

const f32 = (value: number): string => {
  const text = String(value).replace("Infinity", "inf");
  return `(v128.const f32x4 ${text} ${text} ${text} ${text})`;
};
const i32 = (value: number): string => `(v128.const i32x4 ${value} ${value} ${value} ${value})`;

const f32x4 = (operation: string) => (...operands: string[]): string => `(f32x4.${operation} ${operands.join(" ")})`;
const add = f32x4("add");
const sub = f32x4("sub");
const mul = f32x4("mul");
const div = f32x4("div");
const abs = f32x4("abs");
const pmin = f32x4("pmin");
const pmax = f32x4("pmax");
const lessThan = f32x4("lt");
const equal = f32x4("eq");

const and = (a: string, b: string): string => `(v128.and ${a} ${b})`;
const or = (a: string, b: string): string => `(v128.or ${a} ${b})`;
const xor = (a: string, b: string): string => `(v128.xor ${a} ${b})`;
const select = (mask: string, ifSet: string, ifClear: string): string => `(v128.bitselect ${ifSet} ${ifClear} ${mask})`;
const shiftLeft = (a: string, bits: number): string => `(i32x4.shl ${a} (i32.const ${bits}))`;

const get = (name: string): string => `(local.get $${name})`;
const set = (name: string, value: string): string => `(local.set $${name} ${value})`;

const x = get("x");
const one = f32(1);
const clamp = (value: string, low: number, high: number): string => pmin(pmax(value, f32(low)), f32(high));
const signOf = (value: string): string => and(value, i32(0x80000000));

/** c₀ + c₁·v + c₂·v² + … by Horner's rule. */
const polynomial = (v: string, coefficients: readonly number[]): string =>
  coefficients.slice(0, -1).reduceRight((sum, c) => add(mul(sum, v), f32(c)), f32(coefficients.at(-1)!));

/** In [2²³, 2²⁴) the ulp is 1: v + ROUND is v rounded to the nearest integer, which the low bits of the sum hold. */
const ROUND = 1.5 * 2 ** 23;
/** The first 15 bits of ln 2 (times |n| ≤ 150 it is exact), and the rest. */
const LN2_HIGH = 22713 / 2 ** 15;
const LN2_LOW = 1.428606820309417e-6;

/** n = round(v / ln 2) and r = v − n·ln 2, |r| ≤ ½ ln 2; the low bits of t hold n + bias. */
const reduceByLn2 = (v: string, bias: number): string => [
  set("x", v),
  set("t", add(mul(x, f32(Math.LOG2E)), f32(ROUND + bias))),
  set("n", sub(get("t"), f32(ROUND + bias))),
  set("r", sub(sub(x, mul(get("n"), f32(LN2_HIGH))), mul(get("n"), f32(LN2_LOW)))),
].join("\n");

/**
 * e^v = 2ⁿ·e^r for v ≥ −104. The factor 2ⁿ has two steps, because n reaches from −150 to 128: the bits of t
 * halve into two biased exponents. Below 2⁻¹²⁶ the last product underflows gradually. e^r to 2^−23.4.
 */
const EXP = [1, 0.9999997019767761, 0.4999914765357971, 0.1666763722896576, 0.04189806804060936, 0.008290288969874382];
const EXP_LOCALS = ["t", "n", "r", "h"];
const expStatements = (v: string): string[] => [reduceByLn2(v, 2 * 127), set("h", `(i32x4.shr_u ${get("t")} (i32.const 1))`)];
const exponential = mul(
  mul(polynomial(get("r"), EXP), shiftLeft(get("h"), 23)),
  shiftLeft(`(i32x4.sub ${get("t")} ${get("h")})`, 23),
);

/** (e^r − 1 − r) / r² on |r| ≤ ½ ln 2: e^r − 1 to 2^−26.2. */
const EXPM1 = [0.4999999701976776, 0.1666654348373413, 0.04166720062494278, 0.008366533555090427, 0.0013882521307095885];

const expm1OfRemainder = add(get("r"), mul(mul(get("r"), get("r")), polynomial(get("r"), EXPM1)));

/** e^x − 1 = 2·(s·q + s − ½), q = e^r − 1, s = 2ⁿ⁻¹ (2ⁿ overflows at n = 128). The sign of x restores −0. */
const expm1Body = [
  set("sign", signOf(x)),
  reduceByLn2(clamp(x, -18, 89), 126),
  set("s", shiftLeft(get("t"), 23)),
  set("m", add(mul(get("s"), expm1OfRemainder), sub(get("s"), f32(0.5)))),
  or(add(get("m"), get("m")), get("sign")),
].join("\n");

/** (2·artanh(s)/s − 2) / s² in s²: 2^−30.2 on |s| ≤ 3 − 2√2. */
const LOG = [0.6666677594184875, 0.39977532625198364, 0.29872000217437744];
const SQRT_HALF_BITS = 0x3f3504f3;
const SMALLEST_NORMAL = 2 ** -126;

/**
 * x = 2^e·(1 + f) with 1 + f in [√½, √2); log(1 + f) = 2·artanh(s), s = f/(2 + f), summed as f − s·(f − R).
 * Subnormals are scaled by 2²³ first.
 */
const logBody = [
  set("tiny", lessThan(x, f32(SMALLEST_NORMAL))),
  set("m", select(get("tiny"), mul(x, f32(2 ** 23)), x)),
  set("e", `(i32x4.shr_s (i32x4.sub ${get("m")} ${i32(SQRT_HALF_BITS)}) (i32.const 23))`),
  set("f", sub(`(i32x4.sub ${get("m")} ${shiftLeft(get("e"), 23)})`, one)),
  set("e", sub(`(f32x4.convert_i32x4_s ${get("e")})`, and(get("tiny"), f32(23)))),
  set("s", div(get("f"), add(get("f"), f32(2)))),
  set("u", mul(get("s"), get("s"))),
  set("f", add(
    sub(get("f"), sub(
      mul(get("s"), sub(get("f"), mul(get("u"), polynomial(get("u"), LOG)))),
      mul(get("e"), f32(LN2_LOW)),
    )),
    mul(get("e"), f32(LN2_HIGH)),
  )),
  set("f", select(lessThan(x, f32(Infinity)), get("f"), x)), // +∞ and NaN are their own logarithms
  set("f", select(equal(x, f32(0)), f32(-Infinity), get("f"))),
  or(get("f"), lessThan(x, f32(0))), // all bits set are a NaN
].join("\n");

/** log(1 + x) = log(u) + c/u, where c is what u = 1 + x lost to rounding; c/u is NaN where u is 0 or ∞. */
const log1pBody = [
  set("u", add(one, x)),
  set("c", div(sub(x, sub(get("u"), one)), get("u"))),
  set("c", and(get("c"), equal(get("c"), get("c")))),
  or(add(`(call $log ${get("u")})`, get("c")), signOf(x)), // the sign of x restores −0
].join("\n");

/** tanh|x| = m/(m + 2), m = e^2|x| − 1 = 2ⁿ·q + 2ⁿ − 1. From |x| = 10 on, 1 is the nearest f32. */
const tanhBody = [
  set("sign", signOf(x)),
  reduceByLn2(pmin(mul(abs(x), f32(2)), f32(20)), 127),
  set("s", shiftLeft(get("t"), 23)),
  set("m", add(mul(get("s"), expm1OfRemainder), sub(get("s"), one))),
  or(div(get("m"), add(get("m"), f32(2))), get("sign")),
].join("\n");

/** erf(x)/x in x²: 2^−24.6 on |x| ≤ 1. */
const ERF = [1.1283791224945372, -0.3761232618955659, 0.11280180131759042, -0.02671131179496939, 0.004917551899835458, -0.0005631423807977208];
/** erfc(x)^(1/16): erf to 2^−25.5 on 1 ≤ x ≤ 3.95; from there on, 1 is the nearest f32 to erf. */
const ERFC_ROOT = [0.9999690177042819, -0.07048431167755567, -0.03713840742255702, -0.004170888387193677, 0.002934185181346281, -0.00027842364772403226];

/** erf|x| = 1 − p(|x|)¹⁶ above 1. */
const erfBody = [
  set("a", pmin(abs(x), f32(3.95))),
  set("p", polynomial(get("a"), ERFC_ROOT)),
  ...Array<string>(4).fill(set("p", mul(get("p"), get("p")))),
  set("a", select(
    lessThan(one, get("a")),
    sub(one, get("p")),
    mul(get("a"), polynomial(mul(get("a"), get("a")), ERF)),
  )),
  or(get("a"), signOf(x)),
].join("\n");

/** π in four terms: the first three have at most nine bits, so that their products with |n| < 2¹⁵ are exact. */
const PI = [201 / 2 ** 6, 507 / 2 ** 19, 337 / 2 ** 29, 1.2154201013012384e-10];
/** sin(r)/r in r² to 2^−27.3 on |r| ≤ ½π + 0.001. */
const SIN = [1, -0.16666659712791443, 0.008333065547049046, -0.00019809520745184273, 2.605590225357446e-6];

/** ±sin(r), r = x − n·π; an odd low bit of t flips the sign. The clamp bounds the result where n·π is inexact. */
const sineOfRemainder = [
  set("r", PI.reduce((r, part) => sub(r, mul(get("n"), f32(part))), x)),
  set("u", mul(get("r"), get("r"))),
  xor(clamp(mul(get("r"), polynomial(get("u"), SIN)), -1, 1), shiftLeft(get("t"), 31)),
].join("\n");

/** atan(r)/r in r² to 2^−25.8 on |r| ≤ 1. */
const ATAN = [1, -0.33333152532577515, 0.19993773102760315, -0.14211055636405945, 0.10666004568338394, -0.07552213966846466, 0.043211862444877625, -0.016367929056286812, 0.00292069255374372];

/** atan(|x|) = ½π − atan(1/|x|) above 1. */
const atanBody = [
  set("a", abs(x)),
  set("r", div(pmin(get("a"), one), pmax(get("a"), one))),
  set("r", mul(get("r"), polynomial(mul(get("r"), get("r")), ATAN))),
  or(select(lessThan(one, get("a")), sub(f32(Math.PI / 2), get("r")), get("r")), signOf(x)),
].join("\n");

const definitions: Record<MathName, Definition> = {
  exp: { locals: EXP_LOCALS, body: [...expStatements(clamp(x, -104, 89)), exponential].join("\n") },
  expm1: { locals: ["sign", "t", "n", "r", "s", "m"], body: expm1Body },
  log: { locals: ["tiny", "m", "e", "f", "s", "u"], body: logBody },
  log1p: { locals: ["u", "c"], body: log1pBody, uses: ["log"] },
  tanh: { locals: ["sign", "t", "n", "r", "s", "m"], body: tanhBody },
  // e/(1 + e) with e = e^x keeps its relative accuracy down to the subnormals, and is 1 long before x = 64.
  sigmoid: {
    locals: EXP_LOCALS,
    body: [...expStatements(clamp(x, -104, 64)), set("x", exponential), div(x, add(x, one))].join("\n"),
  },
  sin: {
    locals: ["t", "n", "r", "u"],
    body: [
      set("t", add(mul(x, f32(1 / Math.PI)), f32(ROUND))),
      set("n", sub(get("t"), f32(ROUND))),
      sineOfRemainder,
    ].join("\n"),
  },
  // cos(x) = sin(x + ½π): n is half an odd integer.
  cos: {
    locals: ["t", "n", "r", "u"],
    body: [
      set("x", abs(x)),
      set("t", add(sub(mul(x, f32(1 / Math.PI)), f32(0.5)), f32(ROUND + 1))),
      set("n", add(sub(get("t"), f32(ROUND + 1)), f32(0.5))),
      sineOfRemainder,
    ].join("\n"),
  },
  erf: { locals: ["a", "p"], body: erfBody },
  atan: { locals: ["a", "r"], body: atanBody },
};

const names = Object.keys(definitions) as MathName[];
const localDeclarations = (locals: readonly string[]): string => locals.map((local) => `(local $${local} v128)`).join(" ");

/**
 * Every function as a WAT function of its own name, without branches. Within 4 ulp of the correctly rounded result
 * over all of f32, subnormals included (underflow is gradual); NaN, infinities, poles and the sign of zero follow
 * IEEE 754 and JavaScript's Math; erf, tanh, sigmoid, sin and cos never leave their bounds.
 * sin and cos keep the 4 ulp for |x| ≤ 8192·π and an absolute error below 4e-6 for |x| < 2¹⁷; for |x| < 2²³ the
 * result is that of an argument within about half an ulp of x; beyond, it is merely some value in [−1, 1].
 */
export const mathFunctions = Object.fromEntries(names.map((name) => {
  const { locals, body, uses } = definitions[name];
  return [name, { wat: `(func $${name} (param $x v128) (result v128) ${localDeclarations(locals)}\n${body})`, uses }];
})) as Record<MathName, MathFunction>;

/** The WAT of the named functions and of all that they call, once each, callees first. */
export function mathLibrary(requested: Iterable<MathName>): string {
  const included = new Set<MathName>();
  const include = (name: MathName): void => {
    mathFunctions[name].uses?.forEach(include);
    included.add(name);
  };
  for (const name of requested) include(name);
  return [...included].map((name) => mathFunctions[name].wat).join("\n");
}

/** A function's body for use in place, with locals of its own for each `use`. */
export interface InlineMath {
  /** v128 locals to declare in the enclosing function. */
  locals: string[];
  /** Statements, each on a line. */
  lines: string[];
  /** The value, as an expression. */
  result: string;
}

/**
 * The function's body on `argument`: in a loop it runs about twice as fast as a call, which rebuilds its constants each time. The
 * module still needs the functions that `name` calls (`uses`).
 */
export function inlineMath(name: MathName, argument: string, use: string): InlineMath {
  const { locals, body } = definitions[name];
  const own = (local: string): string => `$${name}.${use}.${local}`;
  const lines = body.replace(/\(local\.(get|set) \$(\w+)/g, (_, action: string, local: string) => `(local.${action} ${own(local)}`).split("\n");
  return { locals: ["x", ...locals].map(own), lines: [`(local.set ${own("x")} ${argument})`, ...lines.slice(0, -1)], result: lines.at(-1)! };
}
