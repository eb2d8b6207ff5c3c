import { describe, expect, it } from "vitest";
import { chunkPlan, divideTime, warmUpPlan } from "../../src/fusion/timeParallel.ts";
import { lif, parametricLif, plan } from "../../src/index.ts";
import { defineStep } from "../../src/neuron/define.ts";

const kernels = plan({ neuron: lif(), steps: 16_384, gradients: ["x"] });
const shape = { steps: 16_384, size: 8, threads: 2, group: 16 };

describe("divideTime", () => {
  it("fills idle lanes with chunks, and says so", () => {
    const { division, reason } = divideTime(kernels, "backward", shape);
    expect(division).toEqual({ chunks: 4, steps: 4096, rest: 0 });
    expect(reason).toMatch(/8 neurons leave 24 of 32 lanes idle; 4 chunks of 4096 steps/);
  });

  it.each([
    ["neurons that fill all lanes", kernels, { ...shape, size: 128 }, /128 neurons keep all 32 lanes of 2 threads busy/],
    ["a gradient that is a sum over time", plan({ neuron: parametricLif(), steps: 16_384, gradients: ["x", "w"] }), shape, /gradients of parameters.* are sums over all steps/],
    ["too few steps", plan({ neuron: lif(), steps: 100, gradients: ["x"] }), { ...shape, steps: 100 }, /100 steps are too few for chunks/],
    ["chunks that would take longer", plan({ neuron: lif(), steps: 500, gradients: ["x"] }), { ...shape, steps: 500 }, /chunks would take about \d+ % of the time/],
    ["no state", plan({ neuron: defineStep({ name: "double", state: {}, step: (_, { x }) => ({ y: x.mul(2) }) }), steps: 16_384, gradients: ["x"] }), shape, /has no state/],
    ["a recurrent product", plan({
      neuron: defineStep({ name: "mixing", state: { v: 0, s: 0 }, inputs: ["x", "r"], step: ({ v }, { x, r }) => { const y = v.mul(0.5).add(x).add(r); return { y, v: y, s: y }; } }),
      steps: 16_384, mix: { input: "r", state: "s" }, gradients: ["x"],
    }), shape, /its neurons read one another/],
  ])("leaves %s to one step after the other", (_, planned, given, why) => {
    const { division, reason } = divideTime(planned, "backward", given);
    expect(division).toBeNull();
    expect(reason).toMatch(why);
  });

  it("covers all steps, in chunks that begin at saved states and have room for their warm-up", () => {
    let divided = 0;
    for (const threads of [1, 2, 3, 16]) {
      for (const size of [1, 2, 5, 17, 40, 100]) {
        for (const steps of [1000, 4099, 16_384, 100_000]) {
          const { division } = divideTime(kernels, "backward", { steps, size, threads, group: 16, warmUp: 128 });
          if (!division) continue;
          divided++;
          expect(division.chunks * division.steps + division.rest).toBe(steps);
          expect(division.steps % 32).toBe(0);
          expect(division.steps).toBeGreaterThanOrEqual(256);
          expect(division.rest).toBeGreaterThanOrEqual(0);
          expect(division.chunks).toBeGreaterThan(1);
        }
      }
    }
    expect(divided).toBeGreaterThan(20);
  });

  it("plans chunks by the same steps", () => {
    expect(chunkPlan(kernels).backward!.reverse).toEqual(kernels.backward!.reverse);
    expect(chunkPlan(kernels).backward!.advance).toEqual(kernels.backward!.advance);
    expect(chunkPlan(kernels).forward.step).toEqual(kernels.forward.step);
    expect(chunkPlan(kernels).checkpointEvery).toBe(kernels.checkpointEvery);
    expect(warmUpPlan(kernels).forward.buffers.map(({ name }) => name)).toEqual(["x", "state.v", "final.v"]);
  });
});
