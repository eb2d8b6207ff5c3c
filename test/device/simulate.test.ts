import { describe, expect, it } from "vitest";
import { OptionError, ShapeError } from "../../src/errors.ts";
import { gradient, openDevice, simulate } from "../../src/device/index.ts";
import { defineNeuron, leaky, lif, parametricLif, spike, surrogate } from "../../src/neuron/index.ts";
import { noise } from "../conformance/suite.ts";
import { peerCases } from "../peers/cases.ts";

const random = noise(3);
const signal = (length: number): Float32Array => Float32Array.from({ length }, () => 0.5 + random());

describe("simulate", () => {
  it.each(peerCases.map((c) => [c.id, c] as const))("equals the peer: %s", async (_, c) => {
    const params = c.parameters;
    const result = await simulate(c.neuron, c.array("x"), { steps: c.steps, record: ["v"], params });
    const s = c.array("s");
    // What is no spike but a function of the membrane has the rounding of that function.
    result.spikes.forEach((value, i) => expect(Math.abs(value - s[i])).toBeLessThanOrEqual(Number.isInteger(s[i]) && c.neuron.name !== "liaf" ? 0 : 1e-5));
    const v = c.array("v");
    result.traces.v.forEach((value, i) => expect(Math.abs(value - v[i])).toBeLessThan(1e-5));
    expect(result.state.v).toEqual(result.traces.v.slice(-c.size));
    const shares = await gradient(c.neuron, c.array("x"), c.array("gs"), { steps: c.steps, params });
    const gx = c.array("gx");
    const scale = Math.max(...gx.map(Math.abs));
    shares.input.forEach((value, i) => expect(Math.abs(value - gx[i])).toBeLessThanOrEqual(1e-4 * scale));
    for (const [name, expected] of Object.entries(c.parameterGradients)) {
      expect(Math.abs((shares.params[name] as number) - expected)).toBeLessThanOrEqual(1e-4 * Math.max(1, Math.abs(expected)));
    }
  });

  it.each([1, 5, 40, 100])("stepwise is the same, T = %i", async (steps) => {
    for (const neuron of [lif({ surrogate: surrogate.atan() }), leaky(), parametricLif({ tau: 1.5 })]) {
      const x = signal(steps * 21);
      const fused = await simulate(neuron, x, { steps, record: ["v"] });
      const stepped = await simulate(neuron, x, { steps, record: ["v"], stepwise: true });
      expect(stepped.spikes).toEqual(fused.spikes);
      fused.traces.v.forEach((value, i) => expect(Math.abs(value - stepped.traces.v[i])).toBeLessThan(1e-5));
      fused.state.v.forEach((value, i) => expect(Math.abs(value - stepped.state.v[i])).toBeLessThan(1e-5));
    }
  });

  it("continues from a given state", async () => {
    const x = signal(30 * 19);
    const whole = await simulate(lif(), x, { steps: 30 });
    const first = await simulate(lif(), x.slice(0, 12 * 19), { steps: 12 });
    const second = await simulate(lif(), x.slice(12 * 19), { steps: 18, state: first.state });
    expect([...first.spikes, ...second.spikes]).toEqual([...whole.spikes]);
    expect(second.state.v).toEqual(whole.state.v);
  });

  it("gradients agree whether the trajectory is recomputed whole or from checkpoints, and with the number of threads", async () => {
    const steps = 200;
    const x = signal(steps * 1000);
    const weights = signal(x.length);
    const one = await openDevice("cpu", { threads: 1 });
    const many = await openDevice("cpu", { threads: 3 });
    const results = [];
    for (const device of [one, many]) results.push(await gradient(leaky({ surrogate: surrogate.sigmoid() }), x, weights, { steps, device, params: { beta: Float32Array.from({ length: 10 }, (_, i) => 0.8 + i / 100) } }));
    expect(results[0]).toEqual(results[1]);
    expect(results[0].params.beta).toHaveLength(10);
    expect(one.bytesInUse).toBe(0);
    await one.dispose();
    await many.dispose();
  });

  it("runs a neuron of one's own", async () => {
    const adaptive = defineNeuron({
      name: "adaptiveLif", state: { v: 0, a: 0 }, params: { decay: 0.9, rho: 0.97, beta: 0.3 },
      step({ v, a }, { x }, { decay, rho, beta }) {
        const h = v.mul(decay).add(x);
        const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan({ alpha: 2 }));
        return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
      },
    });
    const x = new Float32Array(100 * 3).fill(0.4);
    const { spikes } = await simulate(adaptive, x, { steps: 100 });
    const intervals = [];
    for (let t = 0, last = -1; t < 100; t++) if (spikes[3 * t]) { intervals.push(t - last); last = t; }
    expect(intervals.at(-1)).toBeGreaterThan(intervals[0]);
  });

  it("ignores further outputs", async () => {
    const graded = defineNeuron({ name: "graded", state: { v: 0 }, step({ v }, { x }) { const s = spike(v.add(x).sub(1), surrogate.atan()); return { spike: s, graded: s.mul(x), v: x }; } });
    const x = signal(20);
    expect((await simulate(graded, x, { steps: 4 })).spikes).toEqual((await simulate(graded, x, { steps: 4, record: ["v"] })).spikes);
    expect((await gradient(graded, x, x, { steps: 4 })).input).toHaveLength(20);
  });

  it("explains what is wrong with the arguments", async () => {
    const x = new Float32Array(10);
    await expect(simulate(lif(), x, { steps: 3 })).rejects.toThrow(/10 values.*multiple of steps = 3/);
    await expect(simulate(lif(), x, { steps: 0 })).rejects.toThrow(OptionError);
    await expect(simulate(lif(), new Float32Array(0), { steps: 1 })).rejects.toThrow(ShapeError);
    await expect(simulate(lif(), x, { steps: 5, params: { nope: 1 } as never })).rejects.toThrow(/no parameter nope/);
    await expect(simulate(leaky(), x, { steps: 5, params: { beta: NaN } })).rejects.toThrow(/beta.*NaN/);
    await expect(simulate(leaky(), x, { steps: 5, params: { beta: new Float32Array(3) } })).rejects.toThrow(/3 channels/);
    await expect(simulate(lif(), x, { steps: 5, record: ["w" as never] })).rejects.toThrow(/no state "w"/);
    await expect(simulate(lif(), x, { steps: 5, state: { v: new Float32Array(3) } })).rejects.toThrow(/state v must have 2 values/);
    await expect(simulate(lif(), x, { steps: 5, device: "tpu" })).rejects.toThrow(/"tpu" is no device/);
    await expect(simulate(lif as never, x, { steps: 5 })).rejects.toThrow(/the first argument is a function lif: expected a neuron: call the function/);
    await expect(simulate(lif(), x, undefined as never)).rejects.toThrow(/simulate takes an object of options/);
    await expect(simulate(leaky(), x, { steps: 5, params: { beta: undefined as never } })).rejects.toThrow(/parameter beta is undefined: expected a number that 32 bits can hold, or a Float32Array/);
    await expect(simulate(leaky(), x, { steps: 5, params: { beta: [0.5, 0.6] as never } })).rejects.toThrow(/parameter beta/);
    await expect(simulate(lif(), x, { steps: 5, record: "v" as never })).rejects.toThrow(/record is "v": expected a list of states/);
    await expect(simulate(lif(), x, { steps: 5, state: { v: new Float32Array(2), u: x } as never })).rejects.toThrow(/no state u/);
    await expect(gradient(lif(), x, undefined as never, { steps: 5 })).rejects.toThrow(/spikeGrad must be a Float32Array/);
    await expect(simulate(lif(), x, { steps: 5, recrod: ["v"] } as never)).rejects.toThrow(/simulate has no option recrod: did you mean record\?/);
    await expect(simulate(lif(), x, { step: 5 } as never)).rejects.toThrow(/simulate has no option step: did you mean steps\?/);
    await expect(gradient(lif(), x, x, { steps: 5, stepwise: true } as never)).rejects.toThrow(/gradient has no option stepwise/);
    await expect(simulate(lif(), x, { steps: 5, stepwise: "yes" as never })).rejects.toThrow(/stepwise is "yes": expected true or false/);
    await expect(simulate(lif(), x, { steps: "5" as never })).rejects.toThrow(/steps is "5": expected an integer/);
    await expect(simulate(lif(), x, { steps: 5, device: 3 as never })).rejects.toThrow(/device is 3: expected a device/);
    await expect(simulate(lif(), [1, 2] as never, { steps: 2 })).rejects.toThrow(/must be a Float32Array.*got \[1, 2\]/);
    await expect(simulate(leaky(), x, { steps: 5, params: { bta: 1 } as never })).rejects.toThrow(/no parameter bta: did you mean beta\?/);
    await expect(simulate(leaky(), x, { steps: 5, params: { threshold: 1e39 } })).rejects.toThrow(/threshold is 1e\+39: expected a number that 32 bits can hold/);
    await expect(simulate(leaky(), x, { steps: 5, params: { threshold: Float32Array.of(1, NaN) } })).rejects.toThrow(/threshold is NaN at index 1/);
    await expect(simulate(lif(), Float32Array.from(x, (_, i) => (i > 6 ? NaN : 0)), { steps: 5 })).rejects.toThrow(/the input is NaN at index 7 \(step 3, neuron 1\)/);
    await expect(simulate(lif(), x, { steps: 5, state: { v: Float32Array.of(NaN, 0) } })).rejects.toThrow(/state v is NaN at index 0/);
    await expect(simulate(lif(), x, { steps: 5, state: { v: [0, 0] as never } })).rejects.toThrow(/state v must have 2 values in a Float32Array/);
    await expect(gradient(lif(), x, x.map(() => Infinity), { steps: 5 })).rejects.toThrow(/spikeGrad is Infinity at index 0 \(step 0, neuron 0\)/);
    expect((await simulate(lif(), x, { steps: 5, record: ["v", "v"] })).traces.v).toHaveLength(10);
    await expect(gradient(lif(), x, new Float32Array(4), { steps: 5 })).rejects.toThrow(/spikeGrad has 4/);
  });
});
