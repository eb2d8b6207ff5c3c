import { describe, expect, it } from "vitest";
import { shapeOf } from "../../../src/device/cuda/shape.ts";
import { plan, type Plan } from "../../../src/fusion/plan.ts";
import { defineStep } from "../../../src/neuron/define.ts";
import { type Expr, lif } from "../../../src/neuron/index.ts";

const vectorOf = (of: Plan, direction: "forward" | "backward", size: number, multiprocessors = 1): number => shapeOf(of, direction, size, of.steps, multiprocessors).vector;

describe("neurons of one thread", () => {
  const withGradient = (steps: number) => plan({ neuron: lif(), steps, gradients: ["x"] });

  it("divide the number of neurons and make accesses of 16 bytes at most", () => {
    const forward = plan({ neuron: lif(), steps: 8 });
    expect([8, 12, 6, 7, 1].map((size) => vectorOf(forward, "forward", size))).toEqual([4, 4, 2, 1, 1]);
    const bits = plan({ neuron: lif(), steps: 8, outputs: { spike: "bits" } });
    expect(vectorOf(bits, "forward", 16)).toBe(4);
  });

  it("are as many as let the trajectory stay in registers", () => {
    expect([8, 16, 32, 64].map((steps) => vectorOf(withGradient(steps), "backward", 1024))).toEqual([4, 2, 1, 1]);
    const half = (steps: number) => plan({ neuron: lif(), steps, gradients: ["x"], elements: "bf16", outputs: { spike: "bf16" } });
    expect([8, 16, 32, 64].map((steps) => vectorOf(half(steps), "backward", 1024))).toEqual([8, 4, 2, 2]);
  });

  it("are as many as let the sums over time stay in registers", () => {
    const params = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, i) => [`p${i}`, 0.1]));
    const neuron = (count: number) => defineStep({ name: "sums", state: {}, params: params(count), step: (_, { x }, p) => ({ y: Object.values(p).reduce<Expr>((sum, factor) => sum.mul(x).add(factor), x) }) });
    const widths = [1, 2, 4, 8].map((count) => vectorOf(plan({ neuron: neuron(count), steps: 8, elements: "bf16", gradients: Object.keys(params(count)) }), "backward", 1024));
    expect(widths).toEqual([8, 4, 2, 1]);
  });

  it("are fewer where a small population would leave multiprocessors idle", () => {
    const forward = plan({ neuron: lif(), steps: 32 });
    expect([1 << 14, 1 << 16, 1 << 18, 1 << 24].map((size) => vectorOf(forward, "forward", size, 132))).toEqual([1, 4, 4, 4]);
    for (let size = 256; size < 1 << 22; size *= 2) {
      const busy = (vector: number): number => Math.min(132, Math.ceil(size / vector / 128));
      const vector = vectorOf(forward, "forward", size, 132);
      expect(busy(vector)).toBeGreaterThan(0.7 * busy(1));
    }
  });
});

describe("blocks of a multiprocessor", () => {
  it("leave a thread the registers that its trajectory and its sums need", () => {
    const registers = (of: Plan): number => Math.floor(65536 / shapeOf(of, "backward", 1 << 20, of.steps, 132).resident / 128);
    for (const elements of ["f32", "bf16"] as const) for (const steps of [1, 4, 8, 16, 32, 64, 100, 1000]) {
      const of = plan({ neuron: lif(), steps, elements, outputs: { spike: elements }, gradients: ["x"] });
      expect(registers(of)).toBeGreaterThanOrEqual(32 + Math.min(steps, of.chunk) * shapeOf(of, "backward", 1 << 20, of.steps, 132).vector);
    }
  });
});
