import { beforeAll, describe, expect, test } from "vitest";
import wabt from "wabt";
import { inlineMath, mathFunctions, mathLibrary, type MathName } from "../../src/codegen/wasm/math.ts";

const names = Object.keys(mathFunctions) as MathName[];

/** Taylor series near zero, continued fraction of erfc elsewhere (Abramowitz & Stegun 7.1.6 and 7.1.14). */
function erf(x: number): number {
  const a = Math.abs(x);
  const gaussian = Math.exp(-a * a);
  if (a > 6) return Math.sign(x);
  if (a < 2.5) {
    let term = x;
    let sum = x;
    for (let k = 1; Math.abs(term) > 1e-17 * Math.abs(sum); k++) sum += term *= (2 * x * x) / (2 * k + 1);
    return ((2 * gaussian) / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let k = 60; k > 0; k--) fraction = k / 2 / (a + fraction);
  return Math.sign(x) * (1 - gaussian / Math.sqrt(Math.PI) / (a + fraction));
}

function sigmoid(x: number): number {
  const e = Math.exp(-Math.abs(x));
  return x < 0 ? e / (1 + e) : 1 / (1 + e);
}

const { exp, expm1, log, log1p, tanh, sin, cos, atan } = Math;
const references: Record<MathName, (x: number) => number> = { exp, expm1, log, log1p, tanh, sigmoid, sin, cos, erf, atan };

const PERIODIC_LIMIT = 8192 * Math.PI;
const accurateUpTo = (name: MathName): number => (name === "sin" || name === "cos" ? PERIODIC_LIMIT : Infinity);

const CHUNK = 1 << 16;
const inputs = (memory: ArrayBuffer) => new Float32Array(memory, 0, CHUNK);
const outputs = (memory: ArrayBuffer) => new Float32Array(memory, 4 * CHUNK, CHUNK);

let memory: ArrayBuffer;
let run: Record<string, (from: number, to: number, n: number) => void>;

/** (from, to, n): maps n f32 values (a multiple of four) at byte `from` to byte `to`. */
const loop = (exported: string, locals: string, mapped: (x: string) => string): string => `
  (func (export "${exported}") (param $from i32) (param $to i32) (param $n i32) ${locals}
    (loop $next
      (v128.store (local.get $to) ${mapped("(v128.load (local.get $from))")})
      (local.set $from (i32.add (local.get $from) (i32.const 16)))
      (local.set $to (i32.add (local.get $to) (i32.const 16)))
      (br_if $next (local.tee $n (i32.sub (local.get $n) (i32.const 4))))))`;

beforeAll(async () => {
  const loops = names.map((name) => [
    loop(name, "", (x) => `(call $${name} ${x})`),
    loop(`inline ${name}`, inlineMath(name, "", "use").locals.map((local) => `(local ${local} v128)`).join(" "), (x) => {
      const { lines, result } = inlineMath(name, x, "use");
      return `(block (result v128) ${lines.join("\n")} ${result})`;
    }),
  ]);
  const text = `(module (memory (export "memory") 8) ${mathLibrary(names)} ${loops.flat().join("\n")})`;
  const binary = (await wabt()).parseWat("math", text, { simd: true }).toBinary({}).buffer;
  const { instance } = await WebAssembly.instantiate(binary as Uint8Array<ArrayBuffer>);
  memory = (instance.exports.memory as WebAssembly.Memory).buffer;
  run = instance.exports as typeof run;
});

/** f(xs), at most CHUNK values. */
function evaluate(name: string, xs: ArrayLike<number>): number[] {
  inputs(memory).fill(0).set(xs);
  run[name](0, 4 * CHUNK, CHUNK);
  return Array.from(outputs(memory).subarray(0, xs.length));
}

const rounded = new Float32Array(1);
const roundedBits = new Int32Array(rounded.buffer);

/** The position of an f32 among all f32 in ascending order (±0 share one). */
const rank = (bits: number): number => (bits < 0 ? -0x80000000 - bits : bits);

interface Worst {
  ulp: number;
  x: number;
}

/** The largest distance to the rounded reference over the chunk of inputs in memory; a wrong NaN counts as infinite. */
function worstOfChunk(name: MathName, worst: Worst): Worst {
  run[name](0, 4 * CHUNK, CHUNK);
  const xs = inputs(memory);
  const ys = outputs(memory);
  const bits = new Int32Array(memory, 4 * CHUNK, CHUNK);
  const reference = references[name];
  const limit = accurateUpTo(name);
  let { ulp, x } = worst;
  for (let i = 0; i < CHUNK; i++) {
    if (Math.abs(xs[i]) > limit) continue;
    rounded[0] = reference(xs[i]);
    const wrongNaN = Number.isNaN(ys[i]) !== Number.isNaN(rounded[0]);
    const distance = wrongNaN ? Infinity : Number.isNaN(ys[i]) ? 0 : Math.abs(rank(bits[i]) - rank(roundedBits[0]));
    if (distance > ulp) [ulp, x] = [distance, xs[i]];
  }
  return { ulp, x };
}

describe.each(names)("%s", (name) => {
  test("is within 4 ulp of the rounded f64 function over all of f32", () => {
    // 2³² bit patterns in steps of a prime: every binade, both signs, subnormals, infinities and NaN.
    const step = 2039;
    let worst: Worst = { ulp: 0, x: 0 };
    const bits = new Uint32Array(memory, 0, CHUNK);
    for (let pattern = 0; pattern < 2 ** 32; pattern += CHUNK * step) {
      for (let i = 0; i < CHUNK; i++) bits[i] = pattern + i * step;
      worst = worstOfChunk(name, worst);
    }
    expect(worst.ulp, `${name}: ${worst.ulp} ulp at x = ${worst.x}`).toBeLessThanOrEqual(4);
  });

  test("gives the same bits inlined as called", () => {
    const xs = Array.from({ length: 4000 }, (_, i) => (i - 2000) * 0.0517).concat(0, -0, Infinity, -Infinity, NaN);
    expect(evaluate(`inline ${name}`, xs)).toEqual(evaluate(name, xs));
  });
});

test.each(["sin", "cos"] as const)("%s is within 4 ulp next to the multiples of π/2", (name) => {
  const neighbours = 16;
  const bits = new Int32Array(memory, 0, CHUNK);
  let worst: Worst = { ulp: 0, x: 0 };
  for (let k = 1; k < 2 * 8192; k += CHUNK / neighbours) {
    for (let i = 0; i < CHUNK; i++) {
      rounded[0] = (k + Math.floor(i / neighbours)) * (Math.PI / 2);
      bits[i] = roundedBits[0] + (i % neighbours) - neighbours / 2;
    }
    worst = worstOfChunk(name, worst);
  }
  expect(worst.ulp, `${name}: ${worst.ulp} ulp at x = ${worst.x}`).toBeLessThanOrEqual(4);
});

test.each(["sin", "cos"] as const)("%s loses accuracy gradually and stays bounded for large arguments", (name) => {
  const pattern = Array.from({ length: 1 << 14 }, (_, i) => 1 + i / (1 << 14));
  for (let exponent = 15; exponent < 127; exponent += exponent < 24 ? 1 : 8) {
    const xs = pattern.map((mantissa) => mantissa * 2 ** exponent);
    const tolerance = exponent < 17 ? 4e-6 : exponent < 23 ? 0.51 * 2 ** (exponent - 23) : 2;
    const ys = evaluate(name, xs);
    const error = xs.reduce((most, x, i) => Math.max(most, Math.abs(ys[i] - references[name](x))), 0);
    expect(error, `near 2^${exponent}`).toBeLessThanOrEqual(tolerance);
    expect(ys.every((y) => Math.abs(y) <= 1)).toBe(true);
  }
});

const { PI } = Math;
const specialValues: Record<MathName, [x: number, y: number][]> = {
  exp: [[0, 1], [-0, 1], [Infinity, Infinity], [-Infinity, 0], [88.73, Infinity], [-103.98, 0], [-103.2, 2 ** -149]],
  expm1: [[0, 0], [-0, -0], [Infinity, Infinity], [-Infinity, -1], [88.73, Infinity], [-20, -1]],
  log: [[0, -Infinity], [-0, -Infinity], [1, 0], [-1, NaN], [-(2 ** -149), NaN], [Infinity, Infinity], [-Infinity, NaN]],
  log1p: [[0, 0], [-0, -0], [-1, -Infinity], [-1.5, NaN], [2 ** -149, 2 ** -149], [Infinity, Infinity], [-Infinity, NaN]],
  tanh: [[0, 0], [-0, -0], [Infinity, 1], [-Infinity, -1], [9.1, 1], [-9.1, -1]],
  sigmoid: [[0, 0.5], [-0, 0.5], [Infinity, 1], [-Infinity, 0], [17.5, 1], [-103.2, 2 ** -149], [-3.4e38, 0]],
  sin: [[0, 0], [-0, -0], [2 ** -149, 2 ** -149], [PI / 2, 1], [-PI / 2, -1], [Infinity, NaN], [-Infinity, NaN]],
  cos: [[0, 1], [-0, 1], [2 ** -149, 1], [PI, -1], [-PI, -1], [Infinity, NaN], [-Infinity, NaN]],
  erf: [[0, 0], [-0, -0], [Infinity, 1], [-Infinity, -1], [4, 1], [-4, -1]],
  atan: [[0, 0], [-0, -0], [2 ** -149, 2 ** -149], [Infinity, PI / 2], [-Infinity, -PI / 2], [3e38, PI / 2]],
};

test.each(names)("%s of special values", (name) => {
  const [xs, ys] = [0, 1].map((column) => [...specialValues[name].map((pair) => pair[column]), NaN]);
  expect(evaluate(name, xs)).toEqual(ys.map(Math.fround));
});

test.each([["tanh", 1], ["erf", 1], ["sigmoid", 1], ["atan", PI / 2]] as const)("|%s| never exceeds %d", (name, bound) => {
  for (const scale of [2e-5, 2e-4, 2e-3]) {
    const ys = evaluate(name, Array.from({ length: CHUNK }, (_, i) => (i - CHUNK / 2) * scale));
    expect(Math.max(...ys.map(Math.abs))).toBeLessThanOrEqual(Math.fround(bound));
  }
});

test.each(["expm1", "log1p", "tanh", "sin", "erf", "atan"] as const)("%s keeps a subnormal argument's order of magnitude and sign", (name) => {
  const xs = [2 ** -130, -(2 ** -130), 2 ** -140, -(2 ** -140)];
  const slope = name === "erf" ? 2 / Math.sqrt(PI) : 1;
  evaluate(name, xs).forEach((y, i) => expect(Math.abs(y - slope * xs[i])).toBeLessThanOrEqual(2 ** -149));
});

test("the library holds each function once, callees before callers", () => {
  const functions = (library: string) => [...library.matchAll(/\(func \$(\w+)/g)].map((match) => match[1]);
  expect(functions(mathLibrary(["log1p", "exp", "log", "exp"]))).toEqual(["log", "log1p", "exp"]);
  expect(mathLibrary([])).toBe("");
  expect(functions(mathLibrary(names)).toSorted()).toEqual(names.toSorted());
});
