import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { encodeElement, formats, type BufferArray } from "../../src/codegen/formats.ts";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { bindingsOf, emitWgsl } from "../../src/codegen/wgsl/emit.ts";
import { type BufferSpec, plan, type Plan, type PlanRequest, type SpikeFormat } from "../../src/fusion/plan.ts";
import { defineNeuron, leaky, lif, type Neuron, spike, surrogate } from "../../src/neuron/index.ts";
import { adaptiveLif, awkward, builtIn, everything, stateless } from "../conformance/neurons.ts";
import { difference, noise } from "../conformance/suite.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { type Gpu, lengthOf, openGpu, runWgsl } from "./wgslHarness.ts";

const allOf = (neuron: Neuron): Pick<PlanRequest, "gradients" | "record" | "finalState"> => ({
  gradients: [...neuron.inputs, ...Object.keys(neuron.params), ...Object.keys(neuron.state).map((name) => `state.${name}`)],
  record: Object.keys(neuron.state), finalState: true,
});

/** Runs a plan on seeded inputs by the interpreter and by its WGSL, and expects the same of both. */
async function expectEqual(gpu: Gpu, request: PlanRequest, size: number, channels: number, vector: number, rows = 1): Promise<void> {
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
  await runWgsl(gpu, kernels, "forward", { ...launch, buffers: actual, rows }, { vector });
  if (kernels.backward) await runWgsl(gpu, kernels, "backward", { ...launch, buffers: actual, rows }, { vector });

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

  it.each(builtIn)("%s", async (_, neuron) => {
    await expectEqual(gpu, { neuron, steps: 5, ...allOf(neuron) }, 12, 12, 4);
  });

  it.each([1, 2, 4])("every operation, vectors of %i", async (vector) => {
    await expectEqual(gpu, { neuron: everything, steps: 3, ...allOf(everything) }, 20, 20, vector);
  });

  it.each([stateless, awkward])("a neuron called $name", async (neuron) => {
    for (const steps of [1, 70]) await expectEqual(gpu, { neuron, steps, ...allOf(neuron) }, 36, 36, 2);
  });
});
