import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Device, openDevice } from "../../src/device/index.ts";
import { integrateAndFire, leaky, lif, type Neuron, parametricLif, surrogate, synaptic } from "../../src/neuron/index.ts";
import { conform, difference } from "./suite.ts";

let device: Device;
beforeAll(async () => { device = await openDevice("cpu"); });
afterAll(() => device.dispose());

const surrogates = [
  surrogate.atan(), surrogate.sigmoid(), surrogate.fastSigmoid(), surrogate.rectangular(), surrogate.triangular(),
  surrogate.piecewiseQuadratic(), surrogate.erf(),
];
const cases: [string, Neuron][] = [];
for (const sur of surrogates) {
  for (const detachReset of [false, true]) {
    cases.push([`lif hard ${sur.name} ${detachReset}`, lif({ surrogate: sur, detachReset, vReset: -0.1, tau: 1.7 })]);
    cases.push([`lif soft ${sur.name} ${detachReset}`, lif({ surrogate: sur, detachReset, reset: "soft", decayInput: false })]);
  }
  cases.push([`integrateAndFire ${sur.name}`, integrateAndFire({ surrogate: sur })]);
  cases.push([`parametricLif ${sur.name}`, parametricLif({ surrogate: sur })]);
  for (const reset of ["subtract", "zero", "none"] as const) {
    cases.push([`leaky ${reset} ${sur.name}`, leaky({ surrogate: sur, reset })], [`synaptic ${reset} ${sur.name}`, synaptic({ surrogate: sur, reset })]);
  }
}

describe("the wasm kernels equal the interpreter", () => {
  it.each(cases)("%s", async (_, neuron) => {
    const gradients = [...neuron.inputs, ...Object.keys(neuron.params), ...Object.keys(neuron.state).map((name) => `state.${name}`)];
    for (const steps of [1, 2, 31, 32, 33, 100]) {
      const { plan, expected, actual } = await conform(device, { neuron, steps, gradients, record: Object.keys(neuron.state), finalState: true }, 37, 37, steps);
      for (const spec of [...plan.forward.buffers, ...plan.backward!.buffers]) {
        if (spec.direction !== "out") continue;
        const error = difference(spec, steps, actual[spec.name], expected[spec.name]);
        expect(error, `${spec.name}, T = ${steps}`).toBeLessThan(spec.name.startsWith("grad.") ? 1e-4 : spec.name === "spike" ? 1e-9 : 1e-6);
      }
    }
  });
});
