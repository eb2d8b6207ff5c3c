import { describe, expect, it } from "vitest";
import { liftStep, toJax } from "../../src/jax/index.ts";
import { grad, jit, numpy as np, valueAndGrad } from "@jax-js/jax";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { plan } from "../../src/fusion/plan.ts";
import { lif, parametricLif, leaky, type Neuron, synaptic, integrateAndFire, surrogate } from "../../src/neuron/index.ts";
import { everything } from "../conformance/neurons.ts";
import { noise } from "../conformance/suite.ts";
import { sample } from "../sample.ts";

const neurons: readonly Neuron[] = [
  integrateAndFire({ surrogate: surrogate.rectangular() }), lif(), lif({ reset: "soft", detachReset: true, surrogate: surrogate.atan() }), lif({ vReset: -0.2, decayInput: false }),
  parametricLif({ surrogate: surrogate.triangular() }), leaky(), leaky({ reset: "zero", surrogate: surrogate.fastSigmoid() }),
  synaptic({ surrogate: surrogate.erf() }), synaptic({ reset: "none", surrogate: surrogate.piecewiseQuadratic() }),
];
const steps = 12;
const size = 8;

describe("the jax-js lift", () => {
  it.each(sample(neurons.map((neuron, i) => [`${neuron.name} ${i}`, neuron] as const), 4))("%s: spikes and gradients equal the compiler's", async (_, neuron) => {
    const random = noise(7);
    const x = Float32Array.from({ length: steps * size }, () => 0.4 + random());
    const weight = Float32Array.from({ length: steps * size }, random);
    const names = Object.keys(neuron.params);
    const kernels = plan({ neuron, steps, gradients: ["x", ...names] });
    const buffers: Record<string, Float32Array> = { x, spike: new Float32Array(x.length), "d.spike": weight, "grad.x": new Float32Array(x.length) };
    for (const name of names) {
      buffers[name] = Float32Array.of(neuron.params[name]);
      buffers[`grad.${name}`] = new Float32Array(1);
    }
    interpretForward(kernels, { steps, size, buffers });
    interpretBackward(kernels, { steps, size, buffers });

    const run = toJax(neuron);
    const shape = [steps, size];
    const spikes = await run(np.array(x).reshape(shape)).data();
    expect([...spikes]).toEqual([...buffers.spike]);

    const loss = (xs: np.Array, ...params: np.Array[]) =>
      np.sum(run(xs, Object.fromEntries(names.map((name, i) => [name, params[i]]))).mul(np.array(weight).reshape(shape)));
    const gradients = grad(loss, { argnums: [0, ...names.map((_name, i) => i + 1)] })(np.array(x).reshape(shape), ...names.map((name) => np.array(neuron.params[name]))) as np.Array[];
    const close = (actual: ArrayLike<number>, expected: ArrayLike<number>) => {
      const scale = Math.max(1e-6, ...Array.from(expected, Math.abs));
      for (let i = 0; i < expected.length; i++) expect(Math.abs(actual[i] - expected[i])).toBeLessThanOrEqual(1e-4 * scale);
    };
    close(await gradients[0].data(), buffers["grad.x"]);
    for (const [i, name] of names.entries()) close(await gradients[i + 1].data(), buffers[`grad.${name}`]);
  });

  it("lifts every operation", async () => {
    const run = liftStep(everything);
    const random = noise(2);
    const [x, gate, v, w] = Array.from({ length: 4 }, () => Float32Array.from({ length: 64 }, random));
    const next = run({ v: np.array(v), w: np.array(w) }, { x: np.array(x), gate: np.array(gate) });
    const kernels = plan({ neuron: everything, steps: 1, finalState: true, initialState: true });
    const buffers: Record<string, Float32Array> = { x, gate, "state.v": v, "state.w": w, rate: Float32Array.of(0.4), offset: Float32Array.of(0.3) };
    for (const name of ["spike", "graded", "final.v", "final.w"]) buffers[name] = new Float32Array(64);
    interpretForward(kernels, { steps: 1, size: 64, buffers });
    for (const [name, buffer] of [["spike", "spike"], ["graded", "graded"], ["v", "final.v"], ["w", "final.w"]]) {
      (await next[name].data()).forEach((value: number, i: number) => expect(value).toBeCloseTo(buffers[buffer][i], 4));
    }
  });

  it("works inside jit and valueAndGrad", async () => {
    const run = toJax(lif({ surrogate: surrogate.atan() }));
    const x = np.array(Float32Array.from({ length: 40 }, (_, i) => Math.sin(i) + 0.8)).reshape([5, 8]);
    const loss = jit((xs: np.Array) => np.sum(run(xs)));
    const eager = await np.sum(run(x.ref)).data();
    const [value, gradient] = valueAndGrad(loss)(x);
    expect(await value.data()).toEqual(eager);
    expect((await gradient.data()).some((g: number) => g !== 0)).toBe(true);
  });
});
