import "../../src/device/jax/workers.ts";
import { numpy as np } from "@jax-js/jax";
import { expect, it } from "vitest";
import { gradient, simulate } from "../../src/device/index.ts";
import { stepwise } from "../../src/device/jax/stepwise.ts";
import { leaky, lif, parametricLif, surrogate, synaptic } from "../../src/neuron/index.ts";
import { noise } from "../conformance/suite.ts";

it.each([lif({ surrogate: surrogate.atan() }), lif({ reset: "soft" }), parametricLif(), leaky(), synaptic()].map((neuron) => [neuron.name, neuron] as const))(
  "the stepped baseline of %s computes the same spikes and gradients", async (_, neuron) => {
    const [steps, size] = [9, 33];
    const random = noise(5);
    const x = Float32Array.from({ length: steps * size }, () => 0.5 + random());
    const weights = Float32Array.from({ length: steps * size }, random);
    const rows = (data: Float32Array) => Array.from({ length: steps }, (_unused, t) => np.array(data.slice(t * size, (t + 1) * size)));
    const params = Object.fromEntries(Object.entries(neuron.params).map(([name, value]) => [name, np.array(value)]));
    const state = Object.fromEntries(Object.entries(neuron.state).map(([name, value]) => [name, np.full([size], value)]));
    const run = stepwise(neuron);
    const trajectory = run.forward(rows(x), state, params);
    const shares = run.backward(rows(x), trajectory, rows(weights), params);

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
    for (const [name, value] of Object.entries(expected.params)) close(await shares.params[name].data(), [value as number]);
    for (const [name, value] of Object.entries(expected.state)) close(await shares.state[name].data(), value);
  },
);
