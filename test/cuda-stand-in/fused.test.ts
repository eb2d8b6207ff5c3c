import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { cudaModule } from "../../src/codegen/cuda/emit.ts";
import { type BufferArray, elementsOf, formats } from "../../src/codegen/formats.ts";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import type { TypedArray } from "../../src/device/device.ts";
import { type BufferSpec, type Plan, plan, type SpikeFormat } from "../../src/fusion/plan.ts";
import { lif, surrogate } from "../../src/neuron/index.ts";
import { noise } from "../conformance/suite.ts";
import { adaptiveLif } from "../conformance/neurons.ts";
import { bind } from "./bindings.ts";
import { standIn } from "./build.mjs";
import { address, ok, Testbed } from "./testbed.ts";
import { sample } from "../sample.ts";

const library = standIn();

const bytes = ({ buffer, byteLength }: ArrayBufferView): Buffer => Buffer.from(buffer as ArrayBuffer, 0, byteLength);

/** Places for every buffer of a plan without reductions, the inputs filled. */
function buffersOf({ forward, backward, checkpointEvery }: Plan, steps: number, size: number): Record<string, BufferArray> {
  const random = noise(steps + size);
  const length = ({ time, extent, format }: BufferSpec): number => {
    const row = extent === "layer" ? 1 : size;
    return time === "varying" ? elementsOf(format, steps, row) : time === "constant" ? row : (Math.ceil(steps / checkpointEvery!) - 1) * row;
  };
  return Object.fromEntries([...forward.buffers, ...(backward?.buffers ?? [])].map((spec) => {
    const data = new formats[spec.format].array(length(spec));
    const base = spec.extent === "layer" ? 0.9 : spec.name.startsWith("d.") ? 0 : 0.4;
    if (spec.direction === "in" && spec.time !== "checkpoint" && !spec.name.startsWith("checkpoint.")) data.forEach((_, i) => (data[i] = base + random() * (spec.extent === "layer" ? 0.05 : 1)));
    return [spec.name, data];
  }));
}

describe.skipIf(library === null)("the emitted CUDA C++", () => {
  let bed: Testbed;
  beforeAll(() => { bed = new Testbed(library!); });
  afterAll(() => {
    ok(bed.cuda.cuStreamDestroy(bed.stream));
    ok(bed.cuda.cuDevicePrimaryCtxRelease(0));
    expect(bed.cuda.leaks()).toBe("");
  });

  function expectEqual(kernels: Plan, steps: number, size: number, vector: number): void {
    const expected = buffersOf(kernels, steps, size);
    const memory = Object.fromEntries(Object.entries(expected).map(([name, data]) => [name, data.length > 0 ? bed.upload(data as TypedArray) : 0]));
    const module = bed.module(cudaModule(kernels, { vector }));
    const launch = (name: "forward" | "backward"): void => {
      const parameters = kernels[name]!.buffers.map((buffer) => address(memory[buffer.name]));
      ok(bed.kernel(module, name)(Math.ceil(size / vector / 64), 64, [...parameters, Int32Array.of(steps), address(size), Int32Array.of(size)]));
    };
    launch("forward");
    interpretForward(kernels, { steps, size, buffers: expected });
    if (kernels.backward) {
      launch("backward");
      interpretBackward(kernels, { steps, size, buffers: expected });
    }
    for (const { name, direction } of [...kernels.forward.buffers, ...(kernels.backward?.buffers ?? [])]) {
      const actual = new (expected[name].constructor as new (length: number) => TypedArray)(expected[name].length);
      if (actual.length > 0) bed.download(memory[name], actual);
      expect(bed.cuda.lastFault()).toBe("");
      if (direction === "out") expect(bytes(actual).equals(bytes(expected[name])), `${name}, T = ${steps}, N = ${size}, ${vector} a thread`).toBe(true);
    }
    Object.values(memory).forEach((at) => at && ok(bed.cuda.cuMemFree(at)));
    ok(bed.cuda.cuModuleUnload(module));
  }

  it.each(sample([1, 2, 4, 8], 2))("of lif equals the interpreter bit for bit, forward and backward, %i neurons a thread", (vector) => {
    for (const steps of [1, 31, 33, 100]) for (const size of [1, 7, 65]) {
      const neuron = lif({ surrogate: surrogate.atan() });
      expectEqual(plan({ neuron, steps, gradients: ["x", "state.v"], record: ["v"], finalState: true }), steps, size * vector, vector);
    }
  });

  it("of an adaptive neuron too, states given", () => {
    for (const steps of [32, 70]) {
      expectEqual(plan({ neuron: adaptiveLif, steps, gradients: ["x", "state.v", "state.a"], initialState: true, finalState: true, seeds: { spike: "varying", "final.a": "constant" } }), steps, 4 * 77, 4);
    }
  });

  it.each(["f16", "bf16", "u8", "bits"] satisfies SpikeFormat[])("writes spikes as %s", (format) => {
    for (const steps of [1, 32, 33]) expectEqual(plan({ neuron: lif(), steps, outputs: { spike: format } }), steps, 8 * 13, 8);
  });

  it("rounds f16 to nearest even, and reads what it wrote", () => {
    const conversions = `
      extern "C" __global__ void round(half_bits* y, const float* x) { from_float(y[threadIdx.x + blockDim.x * blockIdx.x], x[threadIdx.x + blockDim.x * blockIdx.x]); }
      extern "C" __global__ void widen(float* y, const half_bits* x) { y[threadIdx.x + blockDim.x * blockIdx.x] = to_float(x[threadIdx.x + blockDim.x * blockIdx.x]); }`;
    const module = bed.module(cudaModule(plan({ neuron: lif(), steps: 1 }), { vector: 1 }) + conversions);
    const half = (bits: number): number => {
      const [sign, exponent, fraction] = [bits & 0x8000 ? -1 : 1, (bits >> 10) & 31, bits & 1023];
      return sign * (exponent === 31 ? (fraction ? NaN : Infinity) : exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25));
    };
    const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
    const [x, y] = [bed.upload(bits), bed.alloc(4 * 65536)];
    ok(bed.kernel(module, "widen")(256, 256, [address(y), address(x)]));
    const widened = bed.download(y, new Float32Array(65536));
    expect(widened).toEqual(Float32Array.from(bits, half));

    // Each half, and what lies a quarter, half and three quarters of the way to the next.
    for (const part of [0, 0.25, 0.5, 0.75]) {
      const values = Float32Array.from({ length: 31744 }, (_, i) => half(i) + part * (Math.min(half(i + 1), 65536) - half(i)));
      const [from, to] = [bed.upload(values), bed.alloc(2 * values.length)];
      ok(bed.kernel(module, "round")(124, 256, [address(to), address(from)]));
      const rounded = Uint16Array.from(values, (_, i) => (part < 0.5 || (part === 0.5 && i % 2 === 0) ? i : i + 1));
      expect(bytes(bed.download(to, new Uint16Array(values.length))).equals(bytes(rounded)), `${part} of the way`).toBe(true);
      [from, to].forEach((at) => ok(bed.cuda.cuMemFree(at)));
    }
    const special = bed.upload(Float32Array.of(-0, -1, NaN, 1e9, -Infinity, -(2 ** -24), 2 ** -25, 2 ** -26));
    ok(bed.kernel(module, "round")(1, 8, [address(y), address(special)]));
    expect([...bed.download(y, new Uint16Array(8))]).toEqual([0x8000, 0xbc00, 0x7fff, 0x7c00, 0xfc00, 0x8001, 0, 0]);
    [x, y, special].forEach((at) => ok(bed.cuda.cuMemFree(at)));
    ok(bed.cuda.cuModuleUnload(module));
  });
});

describe.skipIf(library === null)("a mistake in the emitted CUDA C++", () => {
  afterEach(() => bind(library!).reset());

  it.each([
    ["a thread too many", "if (n >= size) return;", "", 700],
    ["a step too many", "t < steps", "t <= steps", 700],
    ["a step before the first", "int t = 0;", "int t = -1;", 700],
    ["the wrong row", "(long long)t * size", "(long long)t * (size + 4)", 700],
    ["an access that is not aligned", "spike_buffer + ", "1 + spike_buffer + ", 716],
  ])("ends in a fault: %s", (_, right, wrong, code) => {
    const bed = new Testbed(library!);
    const kernels = plan({ neuron: lif(), steps: 5 });
    const source = cudaModule(kernels, { vector: 4 });
    expect(source).toContain(right);
    const [x, spike] = [bed.upload(new Float32Array(5 * 60)), bed.alloc(4 * 5 * 60)];
    const launch = (text: string): number => {
      const parameters = kernels.forward.buffers.map(({ name }) => address(name === "x" ? x : name === "spike" ? spike : bed.upload(Float32Array.of(2))));
      ok(bed.kernel(bed.module(text), "forward")(1, 64, [...parameters, Int32Array.of(5), address(60), Int32Array.of(60)]));
      return bed.synchronize();
    };
    ok(launch(source));
    expect(launch(source.replace(right, wrong))).toBe(code);
    expect(bed.cuda.lastFault()).toMatch(/^kernel forward: /);
  });
});
