import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { plan } from "../../src/fusion/plan.ts";
import { defineNeuron, spike, surrogate, type Surrogate } from "../../src/neuron/index.ts";

interface Curve {
  name: string;
  options: Record<string, number>;
  peer: string;
  u: number[];
  derivative: number[];
}
const curves = JSON.parse(readFileSync(new URL("../peers/surrogates.json", import.meta.url), "utf8")) as Curve[];

/** ∂spike/∂u as the backward kernel has it. */
function derivativeOf(given: Surrogate, u: readonly number[]): Float32Array {
  const neuron = defineNeuron({ name: "bare", state: {}, step: (_, { x }) => ({ spike: spike(x, given) }) });
  const kernels = plan({ neuron, steps: 1, gradients: ["x"] });
  const fresh = () => new Float32Array(u.length);
  const buffers = { x: Float32Array.from(u), spike: fresh(), "d.spike": fresh().fill(1), "grad.x": fresh() };
  interpretForward(kernels, { steps: 1, size: u.length, buffers });
  interpretBackward(kernels, { steps: 1, size: u.length, buffers });
  return buffers["grad.x"];
}

function expectCurve(actual: Float32Array, expected: readonly number[], u: readonly number[]): void {
  expected.forEach((value, i) => expect(Math.abs(actual[i] - value), `at u = ${u[i]}: ${actual[i]} against ${value}`).toBeLessThanOrEqual(1e-6 * (1 + Math.abs(value))));
}

describe("the derivatives of the surrogates equal their peers'", () => {
  it.each(curves.map((curve) => [`${curve.name} ${JSON.stringify(curve.options)}, ${curve.peer}`, curve] as const))("%s", (_, { name, options, u, derivative }) => {
    expectCurve(derivativeOf(surrogate[name as "atan"](options), u), derivative, u);
  });

  it("but for multiGaussian, which equals its paper's formula", () => {
    const [sigma, height, scale, gamma] = [0.4, 0.2, 5, 0.6];
    const u = curves[0].u;
    const normal = (x: number, deviation: number): number => Math.exp(-((x / deviation) ** 2) / 2) / (deviation * Math.sqrt(2 * Math.PI));
    const expected = u.map((x) => gamma * (normal(x, sigma) * (1 + height) - normal(x - sigma, scale * sigma) * height - normal(x + sigma, scale * sigma) * height));
    expectCurve(derivativeOf(surrogate.multiGaussian({ sigma, height, scale, gamma }), u), expected, u);
    expect(Math.min(...expected)).toBeLessThan(0);
  });

  it("covers every surrogate", () => {
    expect(Object.keys(surrogate).filter((name) => !["custom", "multiGaussian"].includes(name) && !curves.some((curve) => curve.name === name))).toEqual([]);
  });
});
