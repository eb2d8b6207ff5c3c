import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeElement, formats, type BufferArray } from "../../src/codegen/formats.ts";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { bindingsOf, wgslModule } from "../../src/codegen/wgsl/emit.ts";
import { vectorOf } from "../../src/codegen/wgsl/vector.ts";
import { OptionError } from "../../src/errors.ts";
import { type BufferSpec, plan, type PlanRequest, type SpikeFormat } from "../../src/fusion/plan.ts";
import { defineNeuron, lif, maximum, minimum, type Neuron, spike, surrogate } from "../../src/neuron/index.ts";
import { toExpr } from "../../src/neuron/expr.ts";
import { adaptiveLif, awkward, builtIn, everything, stateless, suffixed, wordy } from "../conformance/neurons.ts";
import { difference, noise } from "../conformance/suite.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { type Gpu, lengthOf, openGpu, runWgsl } from "./wgslHarness.ts";
import { sample } from "../sample.ts";

const allOf = (neuron: Neuron): Pick<PlanRequest, "gradients" | "record" | "finalState"> => ({
  gradients: [...neuron.inputs, ...Object.keys(neuron.params), ...Object.keys(neuron.state).map((name) => `state.${name}`)],
  record: Object.keys(neuron.state), finalState: true,
});

/** Runs a plan on seeded inputs by the interpreter and by its WGSL, and expects the same of both. */
async function expectEqual(gpu: Gpu, request: PlanRequest, size: number, { channels = size, vector = 1 as 1 | 2 | 4, rows = 1, limit = 8 } = {}): Promise<void> {
  const { steps } = request;
  const kernels = plan(request);
  const random = noise(steps + size);
  const { params } = kernels.neuron;
  const input = ({ name, format }: BufferSpec): number =>
    encodeElement(format, Math.fround((name in params ? params[name] : name.startsWith("d.") ? 0 : 0.4) + (name in params ? 0.05 : 1) * random()));
  const specs = new Map([...kernels.forward.buffers, ...(kernels.backward?.buffers ?? [])].map((spec) => [spec.name, spec]));
  const expected: Record<string, BufferArray> = {};
  for (const spec of specs.values()) {
    expected[spec.name] = new formats[spec.format].array(lengthOf(spec, kernels, steps, size, channels));
    if (spec.direction === "in" && spec.time !== "checkpoint") expected[spec.name].forEach((_, i, data) => (data[i] = input(spec)));
  }
  const actual = Object.fromEntries(Object.entries(expected).map(([name, data]) => [name, data.slice()]));
  for (const { name, reduce, extent } of specs.values()) if (reduce) expected[name] = new Float32Array(extent === "channel" ? channels : 1);

  const launch = { steps, size, channels };
  interpretForward(kernels, { ...launch, buffers: expected });
  if (kernels.backward) interpretBackward(kernels, { ...launch, buffers: expected });
  for (const direction of ["forward", ...(kernels.backward ? ["backward" as const] : [])] as const) {
    await runWgsl(gpu, kernels, direction, { ...launch, buffers: actual, rows }, { vector, bindings: bindingsOf(kernels, direction, [], limit) });
  }

  for (const spec of specs.values()) {
    if (spec.direction !== "out") continue;
    const given = spec.reduce ? sumPerChannel(actual[spec.name], expected[spec.name].length) : actual[spec.name];
    const allowed = spec.name === "spike" ? 0 : spec.name.startsWith("grad.") ? 1e-4 : 1e-6;
    expect(difference(spec, steps, given, expected[spec.name]), `${spec.name}, T = ${steps}, N = ${size}, vector ${vector}`).toBeLessThanOrEqual(allowed);
  }
}

const sumPerChannel = (terms: BufferArray, channels: number): Float32Array => {
  const sums = new Float32Array(channels);
  terms.forEach((term, n) => (sums[n % channels] += term));
  return sums;
};

describe.skipIf(!hasWebgpu)(needsWebgpu("WGSL kernels equal the interpreter"), () => {
  let gpu: Gpu;
  beforeAll(async () => { gpu = await openGpu(); });
  afterAll(() => gpu.device.destroy());

  it.each(sample(builtIn.filter(([name]) => /atan$|^leaky zero/.test(name)), 2))("%s", async (_, neuron) => {
    await expectEqual(gpu, { neuron, steps: 3, ...allOf(neuron) }, 12);
  });

  it("every built-in neuron is valid, alone and in vectors", async () => {
    for (const [name, neuron] of [...sample([...builtIn, ["everything", everything] as const], 4), ["wordy", wordy] as const]) for (const vector of [1, 4]) {
      const kernels = plan({ neuron, steps: 4, ...allOf(neuron) });
      for (const direction of ["forward", "backward"] as const) {
        const { messages } = await gpu.device.createShaderModule({ code: wgslModule(kernels, direction, { steps: 4, vector }) }).getCompilationInfo();
        expect(messages.map(({ message }) => message), `${name}, ${direction}`).toEqual([]);
      }
    }
  });

  it.each(sample([1, 2, 4] as const, 1))("every operation, vectors of %i", async (vector) => {
    await expectEqual(gpu, { neuron: everything, steps: vector === 1 ? 3 : 1, ...allOf(everything) }, 20, { vector });
  });

  it.each([stateless, awkward])("a neuron called $name", async (neuron) => {
    for (const steps of [1, 70]) await expectEqual(gpu, { neuron, steps, ...allOf(neuron) }, 37);
  });

  const plain = lif({ surrogate: surrogate.rectangular() });

  it.each(sample([1, 33, 64, 65, 96], 1))("%i steps: whole, from checkpoints, with and without a shorter piece", async (steps) => {
    await expectEqual(gpu, { neuron: plain, steps, ...allOf(plain) }, 12);
  });

  it("checkpoints in vectors", async () => {
    await expectEqual(gpu, { neuron: plain, steps: 66, gradients: ["x"] }, 12, { vector: 4 });
  });

  it("a grid of several rows", async () => {
    for (const size of [1, 64 * 3, 64 * 3 + 1, 1000]) await expectEqual(gpu, { neuron: plain, steps: 2, ...allOf(plain) }, size, { rows: 3 });
  });

  it.each(sample(["f32", "f16", "bf16", "u8", "bits"] satisfies SpikeFormat[], 1))("spikes as %s", async (format) => {
    for (const [size, vector] of [[36, 4], [38, 2], [37, 1]] as const) {
      for (const steps of [1, 33]) await expectEqual(gpu, { neuron: plain, steps, outputs: { spike: format } }, size, { vector });
    }
  });

  it.each(sample(["f16", "bf16"] as const, 1))("inputs and gradients as %s", async (elements) => {
    for (const [size, vector] of [[36, 4], [38, 2], [37, 1]] as const) {
      await expectEqual(gpu, { neuron: adaptiveLif, steps: 2, elements, outputs: { spike: elements }, ...allOf(adaptiveLif) }, size, { vector });
    }
  });

  it("inputs that are constant over time, per channel, per layer", async () => {
    for (const extent of ["neuron", "channel", "layer"] as const) {
      await expectEqual(gpu, { neuron: everything, steps: 2, inputs: { gate: { time: "constant", extent } }, ...allOf(everything) }, 60, { channels: 15 });
    }
  });

  it("parameters per channel, states given, gradients of traces and final states", async () => {
    for (const [steps, vector] of [[3, 4], [40, 1]] as const) {
      await expectEqual(gpu, {
        neuron: adaptiveLif, steps, ...allOf(adaptiveLif), params: { decay: "channel", rho: "layer", beta: "channel" }, initialState: true,
        seeds: { spike: "constant", "trace.v": "varying", "trace.a": "constant", "final.v": "constant", "final.a": "constant" },
      }, 84, { channels: 7, vector });
    }
  });

  it.each(sample([[1, 34], [2, 3], [4, 3]] as const, 1))("buffers that share bindings, as few as two, vectors of %i", async (vector, steps) => {
    const request = { neuron: adaptiveLif, steps, ...allOf(adaptiveLif), params: { decay: "channel", rho: "layer", beta: "channel" }, initialState: true } as const;
    for (const limit of [2, 6]) await expectEqual(gpu, request, 12, { channels: 3, vector, limit });
  });

  it("names that meet others once they have suffixes", async () => {
    await expectEqual(gpu, { neuron: suffixed, steps: 2, ...allOf(suffixed) }, 12, { vector: 2 });
  });

  it("constants that overflow, and infinite states", async () => {
    for (const bound of [Infinity, -Infinity]) {
      const neuron = defineNeuron({
        name: "bounded", state: { v: bound },
        step({ v }, { x }) {
          const h = maximum(minimum(v, 1), x).add(minimum(toExpr(3e38).mul(3e38), 0.25));
          return { spike: spike(h.sub(0.5), surrogate.atan()), v: h };
        },
      });
      for (const vector of [1, 4] as const) await expectEqual(gpu, { neuron, steps: 3, ...allOf(neuron) }, 16, { vector });
    }
  });

  it("updates in place", async () => {
    const decay = defineNeuron({ name: "decay", state: {}, inputs: ["w"], params: { rate: 0.5 }, step: (_, { w }, { rate }) => ({ spike: spike(w, surrogate.atan()), next: w.mul(rate) }) });
    const kernels = plan({ neuron: decay, steps: 1, outputs: { next: "f32" } });
    const weights = Float32Array.from({ length: 12 }, (_, i) => i - 6);
    const buffers = { w: weights, rate: Float32Array.of(0.5), next: weights };
    const bindings = [{ buffers: ["w", "next"], access: "read_write", offsets: false }, { buffers: ["rate"], access: "read", offsets: false }] as const;
    const expected = weights.map((w) => w * 0.5);
    await runWgsl(gpu, kernels, "forward", { steps: 1, size: 12, channels: 12, buffers }, { vector: 4, bindings });
    expect(weights).toEqual(expected);
  });

  it("gradients of what has no influence", async () => {
    const neuron = defineNeuron({ name: "idle", state: {}, params: { unused: 1 }, step: (_, { x }) => ({ spike: spike(x.sub(0.5), surrogate.atan()) }) });
    await expectEqual(gpu, { neuron, steps: 3, gradients: ["unused"] }, 12);
    await expectEqual(gpu, { neuron, steps: 3, gradients: ["unused", "x"], outputs: {} }, 12);
  });
});

describe("WGSL kernels", () => {
  it("have at most 8 storage bindings, which hold every buffer once", () => {
    for (const neuron of [everything, awkward, adaptiveLif]) for (const initialState of [false, true]) {
      const kernels = plan({ neuron, steps: 100, ...allOf(neuron), initialState, outputs: { spike: "u8" }, elements: "f16" });
      for (const direction of ["forward", "backward"] as const) {
        const bindings = bindingsOf(kernels, direction);
        expect(bindings.length).toBeLessThanOrEqual(8);
        expect(bindings.flatMap(({ buffers }) => buffers).toSorted()).toEqual(kernels[direction]!.buffers.map(({ name }) => name).toSorted());
        expect(wgslModule(kernels, direction, { steps: 100, vector: 1 }).match(/var<storage/g)).toHaveLength(bindings.length);
      }
    }
  });

  it("bind every buffer alone where that is possible, and say when buffers cannot be bound at all", () => {
    const kernels = plan({ neuron: lif(), steps: 3, elements: "f16", gradients: ["x"], outputs: { spike: "u8" } });
    expect(bindingsOf(kernels, "backward").every(({ buffers, offsets }) => buffers.length === 1 && !offsets)).toBe(true);
    expect(() => bindingsOf(kernels, "backward", [], 2)).toThrow(OptionError);
  });

  it("depend on the number of steps through what is left after full pieces alone", () => {
    const kernels = plan({ neuron: lif(), steps: 100, gradients: ["x"] });
    const text = (steps: number): string => wgslModule(kernels, "backward", { steps, vector: 1 });
    expect(text(100)).toBe(text(132));
    expect(text(100)).not.toBe(text(101));
  });

  it("refuse vectors and lengths that they are not made for", () => {
    const kernels = plan({ neuron: lif(), steps: 3, gradients: ["x"] });
    expect(() => wgslModule(kernels, "forward", { steps: 3, vector: 3 })).toThrow(OptionError);
    expect(() => wgslModule(kernels, "backward", { steps: 40, vector: 1 })).toThrow(OptionError);
  });

  it("take as many neurons a thread as divide the population, keep the trajectory in registers, and fill words", () => {
    const vectors = (request: Partial<PlanRequest>, size: number) => {
      const kernels = plan({ neuron: lif(), steps: 32, gradients: ["x"], ...request });
      return [vectorOf(kernels, "forward", size), vectorOf(kernels, "backward", size)];
    };
    expect(vectors({}, 4096)).toEqual([4, 1]);
    expect(vectors({ steps: 8 }, 4096)).toEqual([4, 4]);
    expect(vectors({ steps: 64 }, 4096)).toEqual([4, 1]);
    expect(vectors({ steps: 64, elements: "f16" }, 4096)).toEqual([4, 2]);
    expect(vectors({ steps: 8 }, 4098)).toEqual([2, 2]);
    expect(vectors({}, 4097)).toEqual([1, 1]);
  });
});
