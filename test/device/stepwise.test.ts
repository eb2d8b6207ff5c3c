import "../../src/device/jax/workers.ts";
import { numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { gradient, openDevice, simulate } from "../../src/device/index.ts";
import { jaxDeviceOf, stepwise } from "../../src/device/jax/stepwise.ts";
import { leaky, lif, parametricLif, surrogate, synaptic } from "../../src/neuron/index.ts";
import { noise } from "../conformance/suite.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";

const neurons = [lif({ surrogate: surrogate.atan() }), lif({ reset: "soft" }), parametricLif(), leaky(), synaptic()].map((neuron) => [neuron.name, neuron] as const);
const [steps, size] = [9, 33];
const random = noise(5);
const x = Float32Array.from({ length: steps * size }, () => 0.5 + random());
const weights = Float32Array.from({ length: steps * size }, random);

describe.each([["cpu", true], ["webgpu", hasWebgpu]] as const)("the stepped baseline of %s", (name, present) => {
  const titled = name === "webgpu" ? needsWebgpu : (title: string): string => title;

  it.skipIf(!present).each(neurons)(titled("computes the same spikes and gradients: %s"), async (_, neuron) => {
    const device = jaxDeviceOf(await openDevice(name));
    const rows = (data: Float32Array) => Array.from({ length: steps }, (_unused, t) => np.array(data.slice(t * size, (t + 1) * size), { device }));
    const params = Object.fromEntries(Object.entries(neuron.params).map(([param, value]) => [param, np.array(value, { device })]));
    const state = Object.fromEntries(Object.entries(neuron.state).map(([each, value]) => [each, np.full([size], value, { device })]));
    const run = stepwise(neuron);
    const trajectory = run.forward(rows(x), state, params);
    const shares = run.backward(rows(x), trajectory, rows(weights), params);
    const results = [...trajectory.spikes, ...shares.input, ...Object.values(shares.params), ...Object.values(shares.state)];
    expect(results.map((array) => array.device)).toEqual(results.map(() => device));

    const fused = await simulate(neuron, x, { steps });
    const expected = await gradient(neuron, x, weights, { steps });
    const close = (actual: ArrayLike<number>, wanted: ArrayLike<number>) => {
      const scale = Math.max(...Array.from(wanted, Math.abs));
      for (let i = 0; i < wanted.length; i++) expect(Math.abs(actual[i] - wanted[i])).toBeLessThanOrEqual(1e-4 * scale);
    };
    for (let t = 0; t < steps; t++) {
      expect(await trajectory.spikes[t].data()).toEqual(fused.spikes.slice(t * size, (t + 1) * size));
      close(await shares.input[t].data(), expected.input.slice(t * size, (t + 1) * size));
    }
    for (const [param, value] of Object.entries(expected.params)) close(await shares.params[param].data(), [value as number]);
    for (const [each, value] of Object.entries(expected.state)) close(await shares.state[each].data(), value);
  });

  it.skipIf(!present)(titled("goes forward and back in pieces, to the same gradients"), async () => {
    const device = jaxDeviceOf(await openDevice(name));
    const rows = (data: Float32Array) => Array.from({ length: steps }, (_, t) => np.array(data.slice(t * size, (t + 1) * size), { device }));
    const [xs, seeds] = [rows(x), rows(weights)];
    const params = { w: np.array(0.3, { device }) };
    const run = stepwise(parametricLif());
    const whole = run.backward(xs, run.forward(xs, { v: np.full([size], 0, { device }) }, params), seeds, params);

    const first = run.forward(xs.slice(0, 4), { v: np.full([size], 0, { device }) }, params);
    const second = run.forward(xs.slice(4), first.states[4], params);
    const late = run.backward(xs.slice(4), second, seeds.slice(4), params);
    const early = run.backward(xs.slice(0, 4), first, seeds.slice(0, 4), params, late.state);
    const values = (arrays: np.Array[]) => Promise.all(arrays.map((array) => array.data()));
    expect(await values([...early.input, ...late.input])).toEqual(await values(whole.input));
    expect(await early.state.v.data()).toEqual(await whole.state.v.data());
    const [a, b, sum] = await values([early.params.w, late.params.w, whole.params.w]);
    expect(a[0] + b[0]).toBeCloseTo(sum[0], 4);
  });

  it.skipIf(!present)(titled("is what simulate runs on request"), async () => {
    const neuron = parametricLif();
    const w = Float32Array.from({ length: 3 }, (_, c) => c / 2 - 1);
    const run = { steps, params: { w }, record: ["v"] as const, state: { v: Float32Array.from({ length: size }, random) } };
    const stepped = await simulate(neuron, x, { ...run, device: name, stepwise: true });
    const expected = await simulate(neuron, x, run);
    expect(stepped.spikes).toEqual(expected.spikes);
    expected.traces.v.forEach((v, i) => expect(stepped.traces.v[i]).toBeCloseTo(v, 5));
  });
});
