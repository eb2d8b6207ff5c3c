import { describe, expect, it } from "vitest";
import { interpretForward } from "../../src/codegen/interpreter.ts";
import { Random } from "../../src/data/random.ts";
import { plan } from "../../src/fusion/plan.ts";
import { defineNeuron, type Expr, type Neuron, spike, surrogate, where } from "../../src/neuron/index.ts";
import { firing, firingNames, withFiring } from "../../src/neuron/firing.ts";
import { integrateAndFire, leaky, lif, parametricLif, synaptic } from "../../src/neuron/library/index.ts";

const [steps, size] = [40, 16];
const atan = surrogate.atan();

function run(neuron: Neuron) {
  const names = firingNames(neuron);
  const states = Object.keys(neuron.state);
  const random = new Random(5);
  const field = () => new Float32Array(steps * size);
  const buffers: Record<string, Float32Array> = {
    x: field().map(() => random.normal() + 0.8),
    ...Object.fromEntries(Object.entries(neuron.params).map(([name, value]) => [name, Float32Array.of(value)])),
    ...Object.fromEntries(["spike", ...Object.values(names), ...states.map((name) => `trace.${name}`)].map((name) => [name, field()])),
  };
  const outputs = Object.fromEntries(["spike", ...Object.values(names)].map((name) => [name, "f32" as const]));
  interpretForward(plan({ neuron: withFiring(neuron), steps, outputs, record: states }), { steps, size, channels: 1, buffers });
  return { spikes: buffers.spike, potential: buffers[names.potential], threshold: buffers[names.threshold], v: buffers["trace.v"] };
}

/** h goes on in the next state; its threshold adapts. */
const adaptive = (u: (h: Expr, a: Expr) => Expr) => defineNeuron({
  name: "adaptive", state: { v: 0, a: 0 },
  step({ v, a }, { x }) {
    const h = v.mul(0.9).add(x);
    const s = spike(u(h, a.mul(0.5)), atan);
    return { spike: s, v: h.sub(s), a: a.mul(0.9).add(s) };
  },
});

describe("what decides a spike", () => {
  it.each<[string, Neuron, number, boolean]>([
    ...(["hard", "soft"] as const).flatMap((reset): [string, Neuron, number, boolean][] => [
      [`lif, ${reset}`, lif({ reset, threshold: 0.7 }), 0.7, false],
      [`lif without decay of its input, ${reset}`, lif({ reset, threshold: 1.5, decayInput: false }), 1.5, false],
      [`integrateAndFire, ${reset}`, integrateAndFire({ reset, threshold: 2 }), 2, false],
      [`parametricLif, ${reset}`, parametricLif({ reset, threshold: 0.3 }), 0.3, false],
    ]),
    ["lif with a threshold of 0", lif({ threshold: 0, vReset: -1 }), 0, false],
    ...(["subtract", "zero", "none"] as const).flatMap((reset): [string, Neuron, number, boolean][] => [
      [`leaky, ${reset}`, leaky({ reset, threshold: 0.7 }), 0.7, true],
      [`synaptic, ${reset}`, synaptic({ reset, threshold: 3 }), 3, true],
    ]),
  ])("is the membrane before its reset and the neuron's own threshold: %s", (_, neuron, threshold, strict) => {
    const found = run(neuron);
    expect(firing(neuron.next, Object.keys(neuron.state)).isMembrane).toBe(true);
    expect(new Set(found.threshold)).toEqual(new Set([Math.fround(threshold)]));
    expect(found.spikes).toContain(1);
    expect(found.spikes).toContain(0);
    found.spikes.forEach((s, i) => {
      expect(s).toBe(Number(strict ? found.potential[i] > found.threshold[i] : found.potential[i] >= found.threshold[i]));
      if (strict || s === 0) expect(found.v[i]).toBe(found.potential[i]);
      else expect(found.v[i]).toBeLessThan(found.potential[i]);
    });
  });

  it.each([
    ["one difference", adaptive((h, a) => h.sub(a.add(1)))],
    ["two differences", adaptive((h, a) => h.sub(a).sub(1))],
    ["a negative constant", adaptive((h, a) => h.sub(a).add(-1))],
    ["a positive factor", adaptive((h, a) => h.sub(a).sub(1).mul(3).div(7))],
  ])("is a threshold that adapts, however the difference is written: %s", (_, neuron) => {
    const { spikes, potential, threshold, v } = run(neuron);
    spikes.forEach((s, i) => expect(v[i]).toBe(Math.fround(potential[i] - s)));
    expect(Math.min(...threshold)).toBe(1);
    expect(new Set(threshold).size).toBeGreaterThan(10);
    spikes.forEach((s, i) => Math.abs(potential[i] - threshold[i]) > 1e-5 && expect(s).toBe(Number(potential[i] >= threshold[i])));
  });

  it("does not take the leak for a part of the threshold", () => {
    const neuron = defineNeuron({
      name: "leaks", state: { v: 0 },
      step({ v }, { x }) {
        const h = v.add(x).sub(v.mul(0.25));
        const s = spike(h.sub(1), atan);
        return { spike: s, v: where(s.greater(0), 0, h) };
      },
    });
    const { spikes, potential, threshold, v } = run(neuron);
    expect(new Set(threshold)).toEqual(new Set([1]));
    spikes.forEach((s, i) => s === 0 && expect(v[i]).toBe(potential[i]));
  });

  it("is u itself, and a threshold of 0, where u is no difference", () => {
    const neuron = defineNeuron({ name: "odd", state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(where(v.greater(0), x, -1), atan), v: v.add(x).mul(0.5) }) });
    expect(firing(neuron.next, ["v"]).isMembrane).toBe(false);
    const { spikes, potential, threshold } = run(neuron);
    expect(new Set(threshold)).toEqual(new Set([0]));
    spikes.forEach((s, i) => expect(s).toBe(Number(potential[i] >= 0)));
  });

  it("is found in a neuron of any depth, whatever its names", () => {
    const neuron = defineNeuron({
      name: "deep", state: { potential: 0 }, params: { threshold: 2 },
      step({ potential }, { x }, { threshold }) {
        let h = potential.add(x);
        for (let i = 0; i < 1500; i++) h = h.mul(0.999).add(0.001);
        return { spike: spike(h.sub(threshold), atan), potential: h };
      },
    });
    expect(firingNames(neuron)).toEqual({ potential: "potential_", threshold: "threshold_" });
    expect(firing(neuron.next, ["potential"])).toMatchObject({ isMembrane: true, potential: neuron.next.potential });
  });
});
