import { describe, expect, it } from "vitest";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { assemble } from "../../src/codegen/wasm/assemble.ts";
import { printDefinition } from "../../playground/src/definition/print.ts";
import { defineNeuron, describePlan, emitCuda, emitWasm, emitWgsl, gradient, type Neuron, plan, simulate, spike, surrogate } from "../../src/index.ts";
import { liftStep } from "../../src/jax/index.ts";

/** A step that chains so many operations: a sigmoid at times, a spike at times, a parameter throughout. */
const chain = (length: number): Neuron => defineNeuron({
  name: "long", state: { v: 0 }, params: { decay: 0.9 },
  step({ v }, { x }, { decay }) {
    let [h, k] = [v, decay];
    for (let i = 0; i < length; i++) {
      h = i % 500 === 0 ? h.sub(spike(h.sub(1), surrogate.atan())) : i % 100 === 0 ? h.sigmoid() : i % 2 ? h.mul(0.99) : h.add(x);
      k = k.mul(0.9999).add(0.00001);
    }
    return { spike: spike(h.sub(1), surrogate.atan()), v: h.mul(k) };
  },
});

const [steps, size] = [3, 5];
const x = Float32Array.from({ length: steps * size }, (_, i) => i / 10);
const weights = x.map((value) => 1 - value);

function interpret(neuron: Neuron): { spikes: Float32Array; final: Float32Array; input: Float32Array; decay: Float32Array } {
  const kernels = plan({ neuron, steps, gradients: ["x", "decay"], finalState: true });
  const buffers = { x, decay: Float32Array.of(0.9), spike: new Float32Array(x.length), "d.spike": weights, "final.v": new Float32Array(size), "grad.x": new Float32Array(x.length), "grad.decay": new Float32Array(1) };
  interpretForward(kernels, { steps, size, buffers });
  interpretBackward(kernels, { steps, size, buffers });
  return { spikes: buffers.spike, final: buffers["final.v"], input: buffers["grad.x"], decay: buffers["grad.decay"] };
}

describe("a step of 20 000 chained operations", () => {
  const neuron = chain(20_000);
  const kernels = plan({ neuron, steps, gradients: ["x", "decay"] });

  it("is planned and described, printed, and run by the interpreter", () => {
    expect(kernels.backward!.reverse.values.length).toBeGreaterThan(20_000);
    expect(describePlan(kernels).split("\n").length).toBeGreaterThan(80_000);
    expect(printDefinition(neuron).length).toBeGreaterThan(200_000);
    expect(interpret(neuron).input.every(Number.isFinite)).toBe(true);
  });

  it("is emitted for every target", () => {
    for (const emit of [emitWgsl, emitCuda]) for (const text of Object.values(emit(kernels))) expect((text as string).length).toBeGreaterThan(500_000);
    for (const text of Object.values(emitWasm(kernels))) expect(new WebAssembly.Module(assemble("long", text as string) as Uint8Array<ArrayBuffer>)).toBeDefined();
  });

  it("is lifted to jax-js", () => {
    expect(liftStep(neuron)).toBeTypeOf("function");
  });
});

it("a step with more values than have a local each is the interpreter's on the cpu", async () => {
  const neuron = chain(4500);
  const expected = interpret(neuron);
  const { spikes, state } = await simulate(neuron, x, { steps });
  expect(spikes).toEqual(expected.spikes);
  const close = (actual: ArrayLike<number>, wanted: Float32Array): void => wanted.forEach((value, i) => expect(actual[i]).toBeCloseTo(value, 4));
  close(state.v, expected.final);
  const found = await gradient(neuron, x, weights, { steps });
  close(found.input, expected.input);
  close([found.params.decay as number], expected.decay);
});
