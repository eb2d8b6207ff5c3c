import { ATAN, EXP, EXPM1, LN2_HIGH, LN2_LOW, LOG, LOG2E, SQRT_HALF_BITS } from "../coefficients.ts";
import { literal } from "./block.ts";

// Triton's exp is fast and coarse, and several functions are neither in its interpreter nor on every GPU. These are the same everywhere: their products with the
// parts of ln 2 are exact, and kernels are compiled without contraction.

const polynomial = (v: string, coefficients: readonly number[]): string =>
  coefficients.slice(0, -1).reduceRight((sum, c, i) => `${i + 2 < coefficients.length ? `(${sum})` : sum} * ${v} + ${literal(c)}`, literal(coefficients.at(-1)!));

/** n = round(x / ln 2) and r = x − n·ln 2, |r| ≤ ½ ln 2. */
const reduceByLn2 = `n = tl.floor(bounded * ${literal(LOG2E)} + 0.5)
r = (bounded - n * ${literal(LN2_HIGH)}) - n * ${literal(LN2_LOW)}`;
const expm1OfRemainder = `r + r * r * (${polynomial("r", EXPM1)})`;
const log1pOfRatio = `s = tl.div_rn(f, f + 2.0)
u = s * s
y = e * ${literal(LN2_HIGH)} + (f - (s * (f - u * (${polynomial("u", LOG)})) - e * ${literal(LN2_LOW)}))`;

interface Definition {
  readonly parameters?: string;
  readonly uses?: readonly string[];
  readonly body: string;
}

/** f32 functions, by the names that kernels call. */
const definitions: Readonly<Record<string, Definition>> = {
  _minimum: { parameters: "a, b", body: "return tl.minimum(a, b, propagate_nan=tl.PropagateNan.ALL)" },
  _maximum: { parameters: "a, b", body: "return tl.maximum(a, b, propagate_nan=tl.PropagateNan.ALL)" },
  _exp2i: { parameters: "n", body: "return ((n + 127) << 23).to(tl.float32, bitcast=True)" },
  // e^x = 2ⁿ·e^r; the factor has two steps, because n reaches from −150 to 128.
  _exp: {
    uses: ["_exp2i"],
    body: `bounded = tl.minimum(tl.maximum(x, -104.0), 89.0)
${reduceByLn2}
i = n.to(tl.int32)
y = (${polynomial("r", EXP)}) * _exp2i(i >> 1) * _exp2i(i - (i >> 1))
return tl.where(x == x, y, x)`,
  },
  _sigmoid: { uses: ["_exp"], body: "return tl.div_rn(tl.full(x.shape, 1.0, tl.float32), 1.0 + _exp(-x))" },
  // e^x − 1 = 2·(s·q + s − ½), q = e^r − 1, s = 2ⁿ⁻¹ (2ⁿ overflows at n = 128); x itself where it is tiny.
  _expm1: {
    uses: ["_exp2i"],
    body: `bounded = tl.minimum(tl.maximum(x, -18.0), 89.0)
${reduceByLn2}
s = _exp2i(n.to(tl.int32) - 1)
m = s * (${expm1OfRemainder}) + (s - 0.5)
return tl.where((tl.abs(x) < 1e-8) | (x != x), x, m + m)`,
  },
  // 1 + x = 2^e·(1 + f), f = (2^−e − 1) + x·2^−e: both terms are exact; log(1 + f) = 2·artanh(s), s = f/(2 + f).
  _log1p: {
    uses: ["_exp2i"],
    body: `i = ((1.0 + x).to(tl.int32, bitcast=True) - ${SQRT_HALF_BITS}) >> 23
e = i.to(tl.float32)
down = _exp2i(-(i >> 1)) * _exp2i((i >> 1) - i)
f = (down - 1.0) + x * down
${log1pOfRatio}
y = tl.where(x < -1.0, float("nan"), tl.where(x == -1.0, float("-inf"), y))
return tl.where((tl.abs(x) < 1e-8) | (x == float("inf")) | (x != x), x, y)`,
  },
  // tanh|x| = m/(m + 2), m = e^2|x| − 1 = 2ⁿ·q + 2ⁿ − 1. From |x| = 10 on, 1 is the nearest f32.
  _tanh: {
    uses: ["_exp2i"],
    body: `bounded = tl.minimum(2.0 * tl.abs(x), 20.0)
${reduceByLn2}
s = _exp2i(n.to(tl.int32))
m = s * (${expm1OfRemainder}) + (s - 1.0)
y = tl.minimum(tl.div_rn(m, m + 2.0), 1.0)
return tl.where((tl.abs(x) < 1e-8) | (x != x), x, tl.where(x < 0.0, -y, y))`,
  },
  // atan|x| = ½π − atan(1/|x|) above 1.
  _atan: {
    body: `a = tl.abs(x)
r = tl.div_rn(tl.minimum(a, 1.0), tl.maximum(a, 1.0))
u = r * r
y = r * (${polynomial("u", ATAN)})
y = tl.where(a > 1.0, ${literal(Math.fround(Math.PI / 2))} - y, y)
return tl.where(x != x, x, tl.where(x < 0.0, -y, y))`,
  },
};

/** The functions that a text of kernels calls, and those that they call, callees first. */
export function tritonFunctions(kernels: string): string[] {
  const included = new Set<string>();
  const include = (name: string): void => {
    definitions[name].uses?.forEach(include);
    included.add(name);
  };
  for (const name of Object.keys(definitions)) if (kernels.includes(`${name}(`)) include(name);
  return [...included].map((name) => {
    const { parameters = "x", body } = definitions[name];
    return `@triton.jit\ndef ${name}(${parameters}):\n${body.split("\n").map((line) => `    ${line}`).join("\n")}\n`;
  });
}
