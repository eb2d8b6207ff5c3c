import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { decodeElement, encodeElement } from "../../src/codegen/formats.ts";
import { literal } from "../../src/codegen/wgsl/literal.ts";
import { decoder, decoderName, encoder, encoderName } from "../../src/codegen/wgsl/elements.ts";
import { type FunctionName, mathLibrary } from "../../src/codegen/wgsl/math.ts";
import { operations } from "../../src/neuron/ops.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { type Gpu, openGpu } from "./wgslHarness.ts";
import { sample } from "../sample.ts";

const of = (name: keyof typeof operations) => (x: number): number => operations[name].evaluate(x, 0, 0);
const functions = {
  expf: of("exp"), expm1f: of("expm1"), logf: of("log"), log1pf: of("log1p"), tanhf: of("tanh"), sigmoid: (x) => { const e = Math.exp(-Math.abs(x)); return x < 0 ? e / (1 + e) : 1 / (1 + e); },
  sinf: of("sin"), cosf: of("cos"), atanf: of("atan"), erff: of("erf"),
} satisfies Partial<Record<FunctionName, (x: number) => number>>;
const names = Object.keys(functions) as (keyof typeof functions)[];

/** WGSL may flush subnormals, so what is smaller than the smallest normal number counts as an error of its own size at most. */
const SMALLEST_NORMAL = 2 ** -126;

describe.skipIf(!hasWebgpu)(needsWebgpu("functions of the WGSL kernels"), () => {
  let gpu: Gpu;
  beforeAll(async () => { gpu = await openGpu(); });
  afterAll(() => gpu.device.destroy());

  /** Maps words to words by an expression of `x`, a u32. */
  async function map(library: readonly string[], expression: string, words: Uint32Array): Promise<Uint32Array> {
    const code = `${library.join("\n")}
@group(0) @binding(0) var<storage, read> given: array<u32>;
@group(0) @binding(1) var<storage, read_write> mapped: array<u32>;
@group(0) @binding(2) var<uniform> count: u32;
@compute @workgroup_size(64) fn map(@builtin(global_invocation_id) id: vec3u) {
  for (var i = id.x; i < count; i += 64u * 64u) { let x = given[i]; mapped[i] = ${expression}; }
}`;
    const pipeline = await gpu.pipeline(code, "map");
    const [result] = await gpu.run(pipeline, [{ data: words, written: false }, { data: new Uint32Array(words.length), written: true }], Uint32Array.of(words.length), [64, 1]);
    return new Uint32Array(result, 0, words.length);
  }

  const evaluate = async (name: FunctionName, xs: Float32Array): Promise<Float32Array> =>
    new Float32Array((await map(mathLibrary([name], "f32"), `bitcast<u32>(${name}(bitcast<f32>(x)))`, new Uint32Array(xs.buffer))).slice().buffer);

  it.each(sample(names, 4))("%s is within 8 units in the last place over all of f32", async (name) => {
    // 2³² bit patterns in steps of a prime: every binade, both signs, infinities and NaN; and the interval where most arguments are.
    const patterns = Uint32Array.from({ length: 2 ** 32 / 16381 }, (_, i) => i * 16381);
    const xs = Float32Array.from([...new Float32Array(patterns.buffer), ...Array.from({ length: 100_000 }, (_, i) => (i - 50_000) / 5_000), 0, -0, 1, -1, Infinity, -Infinity, NaN]);
    const ys = await evaluate(name, xs);
    let worst = { ulp: 0, x: 0, y: 0 };
    xs.forEach((x, i) => {
      if ((name === "sinf" || name === "cosf") && Math.abs(x) > 8192 * Math.PI) return;
      const exact = functions[name](x);
      const [y, expected] = [ys[i], Math.fround(exact)];
      const flushed = Math.abs(exact) < SMALLEST_NORMAL || Math.abs(x) < SMALLEST_NORMAL;
      const error = Object.is(y, expected) || y === expected ? 0
        : Number.isNaN(y) !== Number.isNaN(expected) || !Number.isFinite(expected) || !Number.isFinite(y) ? Infinity
        : Math.abs(y - exact) / (flushed ? SMALLEST_NORMAL : 2 ** (Math.floor(Math.log2(Math.abs(exact))) - 23));
      if (error > worst.ulp && !(flushed && name === "logf")) worst = { ulp: error, x, y };
    });
    expect(worst.ulp, `${name}(${worst.x}) = ${worst.y}`).toBeLessThanOrEqual(8);
  });

  it("literals are the numbers that they are made from", async () => {
    const random = Uint32Array.from({ length: 200 }, (_, i) => Math.imul(i, 2654435761));
    const numbers = [0, -0, 1, -1, 0.1, 1 / 3, 16777216, 2 ** -126, 2 ** -149, -(2 ** -130), 3.4028234663852886e38, -3.4028234663852886e38, Infinity, -Infinity, NaN, ...new Float32Array(random.buffer)].map(Math.fround);
    const table = `fn table(i: u32) -> f32 {\n  switch i {\n${numbers.map((x, i) => `    case ${i}: { return ${literal(x)}; }`).join("\n")}\n    default: { return 0.5; }\n  }\n}`;
    const found = await map([...mathLibrary(["nan", "infinity", "negativeZero"], "f32"), table], "bitcast<u32>(table(x))", Uint32Array.from(numbers, (_, i) => i));
    expect([...new Float32Array(found.slice().buffer)]).toEqual(numbers);
  });

  it("sin and cos of large arguments stay within their bounds", async () => {
    const xs = Float32Array.from({ length: 4096 }, (_, i) => (1 + i / 4096) * 2 ** (15 + (i % 100)));
    for (const name of ["sinf", "cosf"] as const) for (const y of await evaluate(name, xs)) expect(Math.abs(y)).toBeLessThanOrEqual(1);
  });

  it("minimum and maximum let NaN through", async () => {
    const words = new Uint32Array(Float32Array.of(1, NaN, -Infinity).buffer);
    for (const name of ["minimum", "maximum"] as const) {
      for (const call of [`${name}(bitcast<f32>(x), 0.5)`, `${name}(0.5, bitcast<f32>(x))`]) {
        const [one, notANumber] = new Float32Array((await map(mathLibrary([name], "f32"), `bitcast<u32>(${call})`, words)).slice().buffer);
        expect(one).toBe(name === "minimum" ? 0.5 : 1);
        expect(notANumber).toBeNaN();
      }
    }
  });

  it.each(["f16", "bf16"] as const)("every element of %s is read exactly", async (format) => {
    const codes = Uint32Array.from({ length: 65536 }, (_, i) => i);
    const values = new Float32Array((await map([decoder(format, 1)], `bitcast<u32>(${decoderName(format)}(x))`, codes)).slice().buffer);
    const wrong = [...codes].filter((code) => !Object.is(values[code], decodeElement(format, code)) && Math.abs(decodeElement(format, code)) >= SMALLEST_NORMAL);
    expect(wrong).toEqual([]);
  });

  it.each(["f16", "bf16"] as const)("numbers become the nearest elements of %s, ties to even", async (format) => {
    // Every element and what lies halfway and next to halfway to its neighbour.
    const around = Array.from({ length: 65536 }, (_, code) => decodeElement(format, code)).flatMap((value, code) => {
      const middle = Math.fround((value + decodeElement(format, code + 1)) / 2);
      return [value, middle, Math.fround(middle * (1 + 2 ** -22)), Math.fround(middle * (1 - 2 ** -22))];
    });
    const xs = Float32Array.from([...around, 65519.99, 65520, 1e30, -1e30, Infinity, -Infinity, NaN, 0, -0, 1e-40]).filter((x) => x === 0 || !(Math.abs(x) < SMALLEST_NORMAL));
    const codes = await map([encoder(format, 1)], `${encoderName(format)}(bitcast<f32>(x))`, new Uint32Array(xs.buffer));
    const wrong = [...xs].filter((x, i) => codes[i] !== encodeElement(format, x));
    expect(wrong).toEqual([]);
  });
});
