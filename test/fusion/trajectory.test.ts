import { describe, expect, it } from "vitest";
import { plan } from "../../src/fusion/plan.ts";
import { trajectoryOf } from "../../src/fusion/trajectory.ts";
import { operations } from "../../src/neuron/ops.ts";
import { cubaLif, defineNeuron, integerLif, integrateAndFire, klif, leaky, liaf, lif, type Neuron, parametricLif, spike, surrogate, synaptic } from "../../src/neuron/index.ts";
import { adaptiveLif, builtIn, everything, further } from "../conformance/neurons.ts";

const backwardOf = (neuron: Neuron, options: { params?: boolean; elements?: "f32" | "bf16" } = {}) =>
  plan({ neuron, steps: 8, elements: options.elements, gradients: [...neuron.inputs, ...(options.params ? Object.keys(neuron.params) : [])] }).backward!;
const keeps = (...given: Parameters<typeof backwardOf>) => {
  const { kept, inputs } = trajectoryOf(backwardOf(...given));
  return { values: kept.length, inputs };
};

describe("what is kept of a step", () => {
  it("is one value of LIF and its kin", () => {
    for (const neuron of [lif(), lif({ surrogate: surrogate.atan() }), lif({ tau: 3, reset: "soft" }), integrateAndFire(), parametricLif(), leaky(), synaptic(), klif(), liaf(), integerLif(), cubaLif()]) {
      expect(keeps(neuron)).toEqual({ values: 1, inputs: [] });
    }
  });

  it("is two where the time constant is learnt, and a narrow input rather than a value made of it", () => {
    expect(keeps(parametricLif(), { params: true })).toEqual({ values: 2, inputs: [] });
    expect(keeps(parametricLif(), { params: true, elements: "bf16" })).toEqual({ values: 1, inputs: ["x"] });
  });

  it("is never more than the states and inputs, and nothing where the gradient needs none", () => {
    for (const neuron of [...[...builtIn, ...further].map(([, each]) => each), adaptiveLif, everything]) {
      const { values, inputs } = keeps(neuron, { params: true });
      expect(values + inputs.length).toBeLessThanOrEqual(Object.keys(neuron.state).length + neuron.inputs.length);
    }
    const linear = defineNeuron({ name: "linear", state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(x.detach(), surrogate.atan()), v: v.mul(0.5).add(x) }) });
    expect(keeps(linear).values).toBeLessThanOrEqual(1);
  });
});

describe("the two blocks", () => {
  const number = (name: string): number => [...name].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 1009, 7) / 1009 + 0.1;
  type Block = ReturnType<typeof backwardOf>["reverse"];
  const evaluate = (block: Block, leaves: (role: string, name: string) => number): Record<string, number> => {
    const at: number[] = [];
    for (const value of block.values) {
      at.push(value.kind === "constant" ? value.value : value.kind === "leaf" ? leaves(value.role, value.name)
        : operations[value.op].evaluate(at[value.args[0]], at[value.args[1]], at[value.args[2]]));
    }
    return Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, at[n]]));
  };

  it("compute what the plan's do", () => {
    for (const neuron of [...[...builtIn, ...further].map(([, each]) => each), adaptiveLif, everything]) for (const params of [false, true]) {
      const part = backwardOf(neuron, { params });
      const { advance, reverse } = trajectoryOf(part);
      const ahead = evaluate(advance, (_, name) => number(name));
      expect(ahead).toMatchObject(evaluate(part.advance, (_, name) => number(name)));
      expect(evaluate(reverse, (role, name) => (role === "kept" ? ahead[name] : number(name)))).toEqual(evaluate(part.reverse, (_, name) => number(name)));
    }
  });

  it("let nothing be loose on which a state or a decision depends", () => {
    for (const neuron of [...[...builtIn, ...further].map(([, each]) => each), adaptiveLif, everything]) {
      const { advance, reverse } = trajectoryOf(backwardOf(neuron, { params: true }));
      for (const block of [advance, reverse]) {
        const exact = Object.entries(block.results).flatMap(([name, n]) => (name.startsWith("state.") ? [n] : []));
        block.values.forEach((value) => {
          if (value.kind === "operation" && (operations[value.op].result === "b" || value.op === "floor")) exact.push(...value.args);
        });
        for (const n of exact) {
          expect(block.loose.has(n), `${neuron.name}, value ${n}`).toBe(false);
          const value = block.values[n];
          if (value.kind === "operation") exact.push(...value.args);
        }
      }
    }
  });

  it("let the surrogate of a spike be loose", () => {
    const { advance, reverse } = trajectoryOf(backwardOf(lif()));
    const loose = [advance, reverse].flatMap((block) => block.values.flatMap((value, n) => (value.kind === "operation" && block.loose.has(n) ? [value.op] : [])));
    expect(loose).toContain("sigmoid");
  });
});
