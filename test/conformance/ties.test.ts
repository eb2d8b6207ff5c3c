import { expect, it } from "vitest";
import type { BufferArray } from "../../src/codegen/formats.ts";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { plan } from "../../src/fusion/plan.ts";
import { defineNeuron, spike, surrogate } from "../../src/neuron/index.ts";
import { compareWithTies } from "./check.ts";

const accumulator = defineNeuron({
  name: "accumulator", state: { v: 0 }, params: { gain: 1 },
  step({ v }, { x }, { gain }) {
    const h = v.add(x.mul(gain));
    const s = spike(h.sub(1), surrogate.atan());
    return { spike: s, v: h.sub(s) };
  },
});
const [steps, size] = [4, 3];
const kernels = plan({ neuron: accumulator, steps, gradients: ["x", "gain"], record: ["v"], finalState: true });
const outputs = [...kernels.forward.buffers, ...kernels.backward!.buffers].filter(({ direction }) => direction === "out");

/** Neuron 1 is a tie at step 2: ½ + ¼ + ¼ = 1. The others stay far from their threshold. */
function interpreted(): Record<string, BufferArray> {
  const buffers = {
    x: Float32Array.of(0.1, 0.5, 0.7, 0.1, 0.25, 0.7, 0.1, 0.25, 0.7, 0.1, 0.25, 0.7), gain: Float32Array.of(1), "d.spike": new Float32Array(12).fill(1),
    spike: new Float32Array(12), "trace.v": new Float32Array(12), "final.v": new Float32Array(3), "grad.x": new Float32Array(12), "grad.gain": new Float32Array(1),
  };
  interpretForward(kernels, { steps, size, buffers });
  interpretBackward(kernels, { steps, size, buffers });
  return buffers;
}

/** What is found where a device's results differ from the interpreter's. */
function found(change: (actual: Record<string, BufferArray>) => void) {
  const [expected, actual] = [interpreted(), interpreted()];
  change(actual);
  return compareWithTies({ plan: kernels, expected, actual }, outputs, { size, channels: size, tolerance: 1e-6 });
}
const at = (t: number, n: number): number => t * size + n;

it("finds nothing in equal results", () => {
  expect(found(() => {})).toEqual({ failures: [], flips: 0 });
});

it("allows a spike at a tie, and what follows from it in that neuron and in sums", () => {
  expect(found(({ spike: spikes, "trace.v": v, "final.v": final, "grad.x": gradX, "grad.gain": gradGain }) => {
    spikes[at(2, 1)] = 0;
    spikes[at(3, 1)] = 1;
    v[at(2, 1)] = v[at(3, 1)] = final[1] = 1;
    gradX[at(0, 1)] = gradX[at(3, 1)] = 7;
    gradGain[0] = 7;
  })).toEqual({ failures: [], flips: 1 });
});

it("allows the backward kernel a tie of its own", () => {
  expect(found(({ "grad.x": gradX, "grad.gain": gradGain }) => { gradX[at(0, 1)] = gradGain[0] = 7; })).toEqual({ failures: [], flips: 1 });
});

it.each<[string, (actual: Record<string, BufferArray>) => void]>([
  ["spike", (actual) => { actual.spike[at(1, 1)] = 1; }],
  ["spike", (actual) => { actual.spike[at(2, 0)] = 1; }],
  ["trace.v", (actual) => { actual["trace.v"][at(2, 1)] += 1; }],
  ["trace.v", (actual) => { actual.spike[at(2, 1)] = 0; actual["trace.v"][at(1, 1)] += 1e-4; }],
  ["final.v", (actual) => { actual.spike[at(2, 1)] = 0; actual["final.v"][2] += 1e-4; }],
  ["grad.x", (actual) => { actual["grad.x"][at(2, 2)] += 1e-3; }],
  ["grad.x", (actual) => { actual["grad.x"][at(2, 2)] = NaN; }],
  ["grad.gain", (actual) => { actual["grad.gain"][0] *= 1.01; }],
])("finds a difference in %s that no tie explains", (name, change) => {
  expect(found(change).failures).toMatchObject([{ name }]);
});
