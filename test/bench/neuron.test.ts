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
