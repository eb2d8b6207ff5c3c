import { describe, expect, it } from "vitest";
import { runBench } from "../../playground/src/engine/bench.ts";
import { runForward } from "../../playground/src/engine/evaluate.ts";
import { printKernels } from "../../playground/src/engine/kernels.ts";
import type { BenchRequest } from "../../playground/src/engine/protocol.ts";
import { makeInput } from "../../playground/src/engine/signals.ts";
import { interpretForward } from "../../src/codegen/interpreter.ts";
import { plan as planOf } from "../../src/fusion/plan.ts";
import { leaky, lif, synaptic } from "../../src/neuron/library/index.ts";

const settings = { kind: "noise", amplitude: 1, period: 20, rate: 0.1, jitter: 0.1, seed: 3 } as const;
const request: BenchRequest = { kind: "bench", source: "lif({ tau: 4 })", params: {}, input: settings, steps: 120, size: 64, shown: 5 };

describe("the bench's evaluator", () => {
  it.each([["lif", lif()], ["leaky", leaky({ reset: "zero" })], ["synaptic", synaptic()]])("gives the interpreter's numbers: %s", (_, neuron) => {
    const [steps, size] = [50, 9];
    const states = Object.keys(neuron.state);
    const kernels = planOf({ neuron, steps, record: states });
    const params = Object.fromEntries(Object.entries(neuron.params).map(([name, value]) => [name, Float32Array.of(value)]));
    const x = makeInput(settings, steps, size);
    const buffers = { x, ...params, spike: new Float32Array(steps * size), ...Object.fromEntries(states.map((name) => [`trace.${name}`, new Float32Array(steps * size)])) };
    interpretForward(kernels, { steps, size, channels: 1, buffers });
    const written = runForward(kernels, { steps, size, values: { x, ...params } });
    expect(buffers.spike.includes(1)).toBe(true);
    for (const [name, values] of Object.entries(written)) expect(values, name).toEqual(buffers[name as "x"]);
  });
});

describe("the bench", () => {
  it("spikes where the potential reaches the threshold, and nowhere else", () => {
    const { spikes, potential, threshold, membrane, states } = runBench(request);
    const own = Array.from({ length: request.steps }, (_, t) => spikes[t * request.size + request.shown]);
    expect(own).toContain(1);
    expect(own).toEqual(Array.from(potential, (value, t) => Number(value >= threshold[t])));
    expect(new Set(threshold)).toEqual(new Set([1]));
    expect(membrane).toBe("v");
    expect(states.v.filter((_, t) => own[t] === 1).every((v) => v === 0)).toBe(true);
  });

  it("returns the gradient of the number of spikes", () => {
    const { gradient, input } = runBench({ ...request, source: "integrateAndFire({ threshold: 1e3 })", steps: 3, input: { ...settings, jitter: 0 } });
    // Without a spike, x[t] is part of every later membrane: each step back adds one more surrogate derivative.
    expect(input).toHaveLength(3);
    expect(gradient[0]).toBeGreaterThanOrEqual(gradient[2]);
    const found = runBench({ ...request, source: `defineNeuron({ name: "n", state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(x, surrogate.custom((u) => u)), v }) })` });
    expect(found.gradient).toEqual(found.input);
  });

  it("takes parameters, inputs that are constant, and neurons with names of its own", () => {
    const source = `defineNeuron({ name: "n", state: { threshold: 0 }, inputs: ["x", "gate"], params: { potential: 1 },
      step: (s, { x, gate }, p) => ({ spike: spike(x.mul(gate).sub(p.potential), surrogate.atan()), threshold: s.threshold.add(1) }) })`;
    const open = runBench({ ...request, source });
    const shut = runBench({ ...request, source, params: { gate: 0 } });
    const easy = runBench({ ...request, source, params: { potential: -10 } });
    expect(open.membrane).toBeNull();
    expect(open.spikes.reduce((a, b) => a + b)).toBeGreaterThan(0);
    expect(shut.spikes.reduce((a, b) => a + b)).toBe(0);
    expect(easy.spikes.every((spike) => spike === 1)).toBe(true);
    expect(open.states.threshold[119]).toBe(120);
  });

  it("draws the same numbers for the same settings, others for another seed", () => {
    for (const kind of ["constant", "noise", "sine", "pulses", "poisson"] as const) {
      const one = makeInput({ ...settings, kind }, 60, 4);
      expect(makeInput({ ...settings, kind }, 60, 4)).toEqual(one);
      expect(makeInput({ ...settings, kind, seed: 4 }, 60, 4)).not.toEqual(one);
      expect(one.every(Number.isFinite)).toBe(true);
    }
    const rows = makeInput({ ...settings, kind: "poisson", rate: 0.25, jitter: 0 }, 1000, 8);
    expect(rows.reduce((a, b) => a + b) / rows.length).toBeCloseTo(0.25, 1);
  });

  it("answers within a frame", () => {
    const times = Array.from({ length: 20 }, () => runBench(request).milliseconds);
    expect(Math.min(...times)).toBeLessThan(16);
  });
});

describe("the kernels of a definition", () => {
  it.each(["lif()", "synaptic()"])("are printed for every target: %s", (source) => {
    const { neuron, forward, backward, plan } = printKernels({ kind: "kernels", source, steps: 100, inputs: "f32", spikes: "bits" });
    for (const direction of [forward, backward]) {
      for (const target of ["wgsl", "cuda", "wat"] as const) expect(direction[target], target).toMatchObject({ text: expect.stringContaining(neuron.name) });
    }
    expect(forward.wat).not.toEqual(backward.wat);
    expect(plan).toContain(`${neuron.name}, T = 100`);
  });
});
