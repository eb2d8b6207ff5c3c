import { beforeAll, afterAll, describe, expect, it } from "vitest";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import type { Device, Tensor } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/index.ts";
import { plan } from "../../src/fusion/plan.ts";
import { defineStep, type Neuron } from "../../src/neuron/define.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { describeOnStandIn, openCuda } from "./cuda/standIn.ts";

// x = 0.1 and ∂y = 1 at all steps. A single sum in f32 of 10⁷ such terms would be off by percents.
const scale = defineStep({ name: "scale", state: {}, params: { gain: 1 }, step: (_, { x }, { gain }) => ({ y: x.mul(gain) }) });
const decaying = defineStep({
  name: "decaying", state: { v: 0 }, params: { gain: 1 },
  step({ v }, { x }, { gain }) {
    const next = v.mul(0.5).add(x.mul(gain));
    return { y: next, v: next };
  },
});
const x = Math.fround(0.1);
/** ∂/∂gain of Σ y: scale's is T·x; each input of decaying counts 2 − 2^(t−T+1) times, all in all 2T − 2 + 2^(1−T). */
const expected = { scale: (steps: number) => steps * x, decaying: (steps: number) => (2 * steps - 2 + 2 ** (1 - steps)) * x };

const filled = (device: Device, shape: readonly number[], value: number): Tensor => {
  const tensor = device.empty(shape);
  device.write(tensor, new Float32Array(tensor.size).fill(value));
  return tensor;
};

/** The gradient of the gain, one value per layer or per neuron. */
async function gainGradient(device: Device, neuron: Neuron, steps: number, size: number, extent: "layer" | "neuron"): Promise<Float32Array> {
  const kernels = plan({ neuron, steps, params: { gain: extent }, gradients: ["gain"], seeds: { y: "constant" } });
  const values = extent === "layer" ? 1 : size;
  const buffers: Record<string, Tensor> = {
    x: filled(device, [steps, size], 0.1), y: device.empty([steps, size]), gain: filled(device, [values], 1),
    "d.y": filled(device, [size], 1), "grad.gain": device.empty([values]),
  };
  const { checkpointEvery, states } = kernels;
  if (checkpointEvery !== null) for (const name of states) buffers[`checkpoint.${name}`] = device.empty([Math.ceil(steps / checkpointEvery) - 1, size]);
  try {
    const kernel = device.kernel(kernels);
    if (checkpointEvery !== null) kernel.forward({ steps, size, buffers });
    kernel.backward({ steps, size, buffers });
    return (await device.read(buffers["grad.gain"])) as Float32Array;
  } finally {
    for (const tensor of Object.values(buffers)) tensor.dispose();
  }
}

const relativeError = (actual: number, exact: number): number => Math.abs(actual / exact - 1);

function describeSums(open: () => Promise<Device>, shapes: readonly (readonly [steps: number, size: number])[]): void {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  it.each(shapes)("gradients of parameters, T = %i, N = %i", async (steps, size) => {
    for (const neuron of [scale, decaying]) {
      const exact = expected[neuron.name as keyof typeof expected](steps);
      const [layer] = await gainGradient(device, neuron, steps, size, "layer");
      expect(relativeError(layer, size * exact), `${neuron.name}, per layer`).toBeLessThan(1e-5);
      const each = await gainGradient(device, neuron, steps, size, "neuron");
      expect(each.reduce((worst, value) => Math.max(worst, relativeError(value, exact)), 0), `${neuron.name}, per neuron`).toBeLessThan(1e-5);
    }
  }, 300_000);
}

describe("sums of many terms, cpu", () => {
  // 10⁷ terms: over time, over time from few neurons' last rows, over neurons.
  describeSums(() => openDevice("cpu"), [[625_000, 16], [400_000, 25], [8, 1_250_000]]);

  it("sums over rows and over the first axis", async () => {
    const device = await openDevice("cpu");
    const ones = 2 ** 24 + 128;
    using spikes = filled(device, [ones, 1], 1);
    using counted = device.dense.channelSums(spikes);
    expect(await device.read(counted)).toEqual(Float32Array.of(ones)); // f32 counts by ones to 2²⁴ only
    using tenths = filled(device, [2_000_000, 5], 0.1);
    for (const sum of [device.dense.channelSums(tenths), device.dense.sumFirst(tenths, 1)]) {
      for (const value of await device.read(sum)) expect(relativeError(value, 2e6 * x)).toBeLessThan(1e-5);
      sum.dispose();
    }
    using squares = device.dense.sumOfSquares(tenths);
    expect(relativeError((await device.read(squares))[0], 1e7 * x ** 2)).toBeLessThan(1e-6);
    await device.dispose();
  });
});

describe.skipIf(!hasWebgpu)(needsWebgpu("sums of many terms, webgpu"), () => {
  describeSums(() => openDevice("webgpu"), [[140_000, 16]]);

  it("sums over rows and over the first axis", async () => {
    const device = await openDevice("webgpu");
    using tenths = filled(device, [1_000_000, 1], 0.1);
    for (const sum of [device.dense.channelSums(tenths), device.dense.sumFirst(tenths, 1)]) {
      expect(relativeError((await device.read(sum))[0], 1e6 * x)).toBeLessThan(1e-5);
      sum.dispose();
    }
    await device.dispose();
  });
});

describeOnStandIn("sums of many terms, cuda", () => describeSums(openCuda, [[140_000, 16]]));

describe("sums of many terms, the interpreter", () => {
  it.each([scale, decaying])("$name", (neuron) => {
    const steps = 140_000;
    const kernels = plan({ neuron, steps, gradients: ["gain"], seeds: { y: "constant" } });
    const buffers: Record<string, Float32Array> = {
      x: new Float32Array(steps).fill(0.1), y: new Float32Array(steps), gain: Float32Array.of(1), "d.y": Float32Array.of(1), "grad.gain": new Float32Array(1), "checkpoint.v": new Float32Array(steps / 8),
    };
    interpretForward(kernels, { steps, size: 1, buffers });
    interpretBackward(kernels, { steps, size: 1, buffers });
    expect(relativeError(buffers["grad.gain"][0], expected[neuron.name as keyof typeof expected](steps))).toBeLessThan(1e-5);
  });
});
