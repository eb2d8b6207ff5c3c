import { describe, expect, it } from "vitest";
import { benchNeuron, type Comparison } from "../../src/bench/neuron.ts";
import { openDevice } from "../../src/device/index.ts";
import { leaky, lif } from "../../src/neuron/index.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { sample } from "../sample.ts";

describe.each([["cpu", "wasm", true], ["webgpu", "webgpu", hasWebgpu]] as const)("bench neuron on %s", (name, baseline, present) => {
  const titled = name === "webgpu" ? needsWebgpu : (title: string): string => title;

  it.skipIf(!present).each(sample([["whole", lif(), 12], ["from checkpoints", leaky(), 70]] as const, 1))(titled("compares with jax-js on the same device, trajectories %s"), async (_, neuron, steps) => {
    const device = await openDevice(name);
    const result = await benchNeuron({ neuron, steps, neurons: 512, device, repetitions: 2 });
    expect(result.device).toMatch(new RegExp(`^${name}: `));
    expect(result.baseline).toBe(`jax-js on ${baseline}, one launch a step`);
    expect(result.firingRate).toBeGreaterThan(0);
    expect(result.firingRate).toBeLessThan(0.3);
    const saved = steps > 64 ? (4 * 2) / steps : 0;
    expect([result.forward, result.backward, result.both].map(({ bytesPerNeuronStep }) => bytesPerNeuronStep)).toEqual([8 + saved, 12 + saved, 20 + 2 * saved]);
    const positive = ({ fusedMs, stepwiseMs, speedup, GBs }: Comparison): boolean => [fusedMs, stepwiseMs, speedup, GBs].every((x) => Number.isFinite(x) && x > 0);
    expect([result.forward, result.backward, result.both].every(positive)).toBe(true);
    expect(result.hostMicroseconds).toBeGreaterThan(0);
    expect(device.bytesInUse).toBe(0);
    await device.dispose();
  });
});

describe("bench neuron's stepped baseline", () => {
  const options = { neuron: lif(), steps: 12, neurons: 512, repetitions: 3, warmUp: 1 };

  it("is left out on request, and the fused kernels are timed all the same", async () => {
    const device = await openDevice("cpu");
    const result = await benchNeuron({ ...options, device, budget: 0 });
    expect(result).toMatchObject({ baselineCut: "not asked for", repetitions: { fused: 3, stepwise: 0 } });
    expect(result.both.fusedMs).toBeGreaterThan(0);
    expect(JSON.parse(JSON.stringify(result)).both).toMatchObject({ stepwiseMs: null, speedup: null });
    expect(device.bytesInUse).toBe(0);
  });

  it("is cut where one run is more than it may take", async () => {
    const device = await openDevice("cpu");
    const { baselineCut, repetitions } = await benchNeuron({ ...options, steps: 3000, device, budget: 0.2 });
    expect(baselineCut).toBe("its 0.2 s are over");
    expect(repetitions).toEqual({ fused: 3, stepwise: 0 });
    expect(device.bytesInUse).toBe(0);
  });

  it("ends at a signal with what is measured, or with the signal's reason", async () => {
    const device = await openDevice("cpu");
    const controller = new AbortController();
    const { repetitions } = await benchNeuron({ ...options, device, repetitions: 1000, signal: controller.signal, onRound: ({ round }) => round === 2 && controller.abort() });
    expect(repetitions).toEqual({ fused: 2, stepwise: 2 });
    await expect(benchNeuron({ ...options, device, signal: AbortSignal.abort("enough") })).rejects.toBe("enough");
    expect(device.bytesInUse).toBe(0);
  });
});
