import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import type { OperationName } from "../../src/neuron/ops.ts";
import type { Plan, PlanRequest, SpikeFormat } from "../../src/fusion/plan.ts";
import { defineNeuron, leaky, lif, maximum, minimum, type Neuron, spike, surrogate } from "../../src/neuron/index.ts";
import { adaptiveLif, awkward, builtIn, everything, stateless } from "./neurons.ts";
import { conform, difference } from "./suite.ts";

const allOf = (neuron: Neuron) => ({
  gradients: [...neuron.inputs, ...Object.keys(neuron.params), ...Object.keys(neuron.state).map((name) => `state.${name}`)],
  record: Object.keys(neuron.state), finalState: true,
});

const mathOperations = new Set<string>(["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "atan", "erf"] satisfies OperationName[]);

/** Whether a kernel of the plan computes a function that is not rounded correctly everywhere. */
function computesMath({ forward, backward }: Plan): boolean {
  const blocks = [forward.prologue, forward.step, ...(backward ? [backward.prologue, backward.advance, backward.reverse, backward.epilogue] : [])];
  return blocks.some(({ values }) => values.some((value) => value.kind === "operation" && mathOperations.has(value.op)));
}

export interface Conformance {
  /** Elements of inputs that the device reads besides f32. */
  elements?: readonly ("bf16" | "f16")[];
  /** Every bit must be the interpreter's, where no exp, tanh and the like is computed and nothing is summed over neurons. */
  exact?: boolean;
  /** Lengths over which every built-in neuron runs. */
  lengths?: readonly number[];
}

/** The suite that every device passes: its kernels against the interpreter on every neuron, length, size and layout. */
export function describeConformance(title: string, open: () => Promise<Device>, { elements = [], exact = false, lengths = [1, 2, 31, 32, 33, 100] }: Conformance = {}): void {
  let device: Device;

  async function expectEqual(request: PlanRequest, size: number, channels: number, tolerance = 1e-6): Promise<void> {
    const { plan, expected, actual } = await conform(device, request, size, channels, request.steps + size);
    for (const spec of [...plan.forward.buffers, ...(plan.backward?.buffers ?? [])]) {
      if (spec.direction !== "out") continue;
      const error = difference(spec, request.steps, actual[spec.name], expected[spec.name]);
      const allowed = spec.name === "spike" || (exact && !spec.reduce && !computesMath(plan)) ? 0 : spec.name.startsWith("grad.") ? 1e-4 : tolerance;
      expect(error, `${spec.name}, T = ${request.steps}, N = ${size}`).toBeLessThanOrEqual(allowed);
    }
  }

  describe(title, () => {
    beforeAll(async () => { device = await open(); });
    afterAll(() => device.dispose());

    it.each(builtIn)("%s", async (_, neuron) => {
      for (const steps of lengths) await expectEqual({ neuron, steps, ...allOf(neuron) }, 21, 21);
    });

    it.each([lif({ surrogate: surrogate.atan() }), leaky({ reset: "zero" }), adaptiveLif].map((neuron) => [neuron.name, neuron] as const))("%s over 1000 steps", async (_, neuron) => {
      await expectEqual({ neuron, steps: 1000, ...allOf(neuron) }, 21, 21);
    });

    it.each([1, 2, 3, 4, 5, 15, 16, 17, 31, 63, 65, 255, 513, 2049])("%i neurons", async (size) => {
      for (const steps of [1, 3, 70]) await expectEqual({ neuron: adaptiveLif, steps, ...allOf(adaptiveLif) }, size, size);
    });

    it.each([stateless, awkward].map((neuron) => [neuron.name, neuron] as const))("a neuron called %s", async (_, neuron) => {
      for (const steps of [1, 64, 100, 130]) await expectEqual({ neuron, steps, ...allOf(neuron) }, 37, 37);
    });

    it("neurons that differ in the sign of an infinity only", async () => {
      for (const bound of [Infinity, -Infinity]) {
        const neuron = defineNeuron({ name: "bounded", state: { v: bound }, step: ({ v }, { x }) => { const h = maximum(minimum(v, 1), x); return { spike: spike(h.sub(0.5), surrogate.atan()), v: h }; } });
        await expectEqual({ neuron, steps: 3, ...allOf(neuron) }, 16, 16);
      }
    });

    it("a population of many tiles", async () => {
      await expectEqual({ neuron: lif(), steps: 3, ...allOf(lif()) }, 8192 * 2 + 77, 1);
    });

    it.each(["f32", "f16", "bf16", "u8", "bits"] satisfies SpikeFormat[])("spikes as %s", async (format) => {
      for (const steps of [1, 31, 32, 33, 70]) for (const size of [16, 37, 100]) {
        await expectEqual({ neuron: lif(), steps, outputs: { spike: format } }, size, size);
      }
    });

    it("every operation, two inputs, a graded output", async () => {
      for (const steps of [1, 8, 40]) {
        await expectEqual({ neuron: everything, steps, ...allOf(everything) }, 53, 53, 1e-4);
      }
    });

    it("inputs that are constant over time, per channel, per layer", async () => {
      for (const time of ["varying", "constant"] as const) for (const extent of ["neuron", "channel", "layer"] as const) {
        if (time === "varying" && extent !== "neuron") continue;
        await expectEqual({ neuron: everything, steps: 9, inputs: { x: { time }, gate: { time: "constant", extent } }, ...allOf(everything) }, 60, 12, 1e-4);
      }
    });

    it("parameters per channel, states given, gradients of traces and final states", async () => {
      for (const steps of [5, 90]) {
        await expectEqual({
          neuron: adaptiveLif, steps, ...allOf(adaptiveLif), params: { decay: "channel", rho: "layer", beta: "channel" }, initialState: true,
          seeds: { spike: "constant", "trace.v": "varying", "trace.a": "constant", "final.v": "constant", "final.a": "constant" },
        }, 105, 7);
      }
    });

    for (const format of elements) {
      it(`inputs and gradients as ${format}`, async () => {
        for (const steps of [1, 8, 33, 100]) for (const size of [16, 37, 64]) {
          await expectEqual({ neuron: adaptiveLif, steps, elements: format, outputs: { spike: format }, ...allOf(adaptiveLif) }, size, size);
        }
      });
    }
  });
}
