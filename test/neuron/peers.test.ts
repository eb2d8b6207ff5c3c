import { describe, expect, it } from "vitest";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { plan } from "../../src/fusion/plan.ts";
import { peerCases } from "../peers/cases.ts";

/** Neurons whose output is no spike. */
const graded = ["liaf", "leakyIntegrator"];

describe("the built-in neurons equal their peers", () => {
  it.each(peerCases.map((c) => [c.id, c] as const))("%s", (_, c) => {
    const { steps, size, neuron } = c;
    const gradients = ["x", ...Object.keys(c.parameterGradients)];
    const kernels = plan({ neuron, steps, record: Object.keys(neuron.state), gradients });
    const fresh = () => new Float32Array(steps * size);
    const buffers: Record<string, Float32Array> = { x: c.array("x"), spike: fresh(), "d.spike": c.array("gs"), "grad.x": fresh() };
    for (const [name, value] of Object.entries({ ...neuron.params, ...c.parameters })) buffers[name] = Float32Array.of(value);
    for (const name of Object.keys(neuron.state)) buffers[`trace.${name}`] = fresh();
    for (const name of Object.keys(c.parameterGradients)) buffers[`grad.${name}`] = new Float32Array(1);
    interpretForward(kernels, { steps, size, buffers });
    interpretBackward(kernels, { steps, size, buffers });

    if (graded.includes(neuron.name)) expectClose(buffers.spike, c.array("s"), 1e-5, 0);
    else expect(buffers.spike).toEqual(c.array("s"));
    for (const name of Object.keys(neuron.state)) if (name in c.offsets && name !== "s") expectClose(buffers[`trace.${name}`], c.array(name), 1e-5, 0);
    expectClose(buffers["grad.x"], c.array("gx"), 0, 1e-4);
    for (const [name, value] of Object.entries(c.parameterGradients)) expectClose(buffers[`grad.${name}`], [value], 1e-5, 1e-4);
  });
});

/** Element-wise |a − b| ≤ absolute + relative · max|b|. */
function expectClose(actual: ArrayLike<number>, expected: ArrayLike<number>, absolute: number, relative: number): void {
  const scale = Math.max(...Array.from(expected, Math.abs));
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i] - expected[i]);
    expect(error, `element ${i}: ${actual[i]} against ${expected[i]}`).toBeLessThanOrEqual(absolute + relative * scale);
  }
}
