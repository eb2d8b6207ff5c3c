import { grad, numpy as np } from "@jax-js/jax";
import { describe, expect, it } from "vitest";
import { interpretBackward, interpretForward } from "../../src/codegen/interpreter.ts";
import { plan } from "../../src/fusion/plan.ts";
import { describePlan } from "../../src/fusion/print.ts";
import { liftStep } from "../../src/jax/index.ts";
import { leaky, lif, type Neuron, OptionError, surrogate, synaptic } from "../../src/index.ts";
import { recurrentNames, type RecurrentWeights, withRecurrence } from "../../src/neuron/recurrence.ts";
import { noise } from "../conformance/suite.ts";

const [samples, hidden] = [3, 5];
const size = samples * hidden;
const atan = surrogate.atan();
const neurons: readonly [string, Neuron][] = [
  ["leaky", leaky({ surrogate: atan })], ["leaky, reset to zero", leaky({ reset: "zero", surrogate: atan })],
  ["synaptic", synaptic({ surrogate: atan })], ["lif, soft reset", lif({ reset: "soft", surrogate: atan })],
];

/** Inputs, weights and what comes of them by the interpreter. */
function interpreted(neuron: Neuron, weights: RecurrentWeights, steps: number) {
  const random = noise(steps + 3);
  const field = (length: number, scale = 1, base = 0) => Float32Array.from({ length }, () => base + scale * random());
  const dense = weights === "dense";
  const recurrent = withRecurrence(neuron, weights, true);
  const states = Object.keys(recurrent.state);
  const kernels = plan({
    neuron: recurrent, steps, params: { bias: "channel", ...(dense ? {} : { weight: "channel" }) }, mix: dense ? { input: "mixed", state: "previous" } : undefined,
    initialState: true, finalState: true, gradients: ["x", "bias", ...(dense ? [] : ["weight"]), ...states.map((name) => `state.${name}`)],
    seeds: { spike: "varying", ...Object.fromEntries(states.map((name) => [`final.${name}`, "constant" as const])) },
  });
  const buffers: Record<string, Float32Array<ArrayBuffer>> = {
    ...Object.fromEntries(Object.keys(recurrent.params).map((name) => [name, Float32Array.of(recurrent.params[name])])),
    x: field(steps * size, 1, 0.4), bias: field(hidden, 0.1), [dense ? "mix.weights" : "weight"]: field(dense ? hidden ** 2 : hidden, 0.5),
    ...Object.fromEntries(states.flatMap((name) => [[`state.${name}`, name === "previous" ? field(size).map((u) => Number(u > 0)) : field(size, 0.5)], [`d.final.${name}`, field(size)]])),
    "d.spike": field(steps * size),
  };
  for (const { name, time, extent, direction } of [...kernels.forward.buffers, ...kernels.backward!.buffers]) {
    const row = extent === "neuron" ? size : hidden;
    if (direction === "out") buffers[name] = new Float32Array(time === "varying" ? steps * row : time === "checkpoint" ? row * (Math.ceil(steps / kernels.checkpointEvery!) - 1) : row);
  }
  const launch = { steps, size, channels: hidden, buffers };
  interpretForward(kernels, launch);
  interpretBackward(kernels, launch);
  return { buffers, states, kernels };
}

describe.each(["dense", "elementwise"] as const)("a neuron with %s recurrent weights", (weights) => {
  it.each(neurons)("%s: spikes and gradients equal those of the lifted step with the product written out", async (_, neuron) => {
    const steps = 7;
    const { buffers, states } = interpreted(neuron, weights, steps);
    const step = liftStep(neuron);
    const shape = [samples, hidden];
    const rowOf = (data: Float32Array<ArrayBuffer>, t: number): np.Array => np.array(data.slice(t * size, (t + 1) * size)).reshape(shape);
    /** x + (W·s + b) into the neuron itself, step after step. */
    const run = (xs: np.Array[], weight: np.Array, bias: np.Array, start: Record<string, np.Array>): { spikes: np.Array[]; state: Record<string, np.Array> } => {
      let state = { ...start };
      const spikes: np.Array[] = [];
      for (const x of xs) {
        const { previous, ...own } = state;
        const recurrent = weights === "dense" ? np.matmul(previous, weight.ref) : previous.mul(weight.ref);
        const { spike, ...next } = step(own, { x: x.add(recurrent.add(bias.ref)) });
        spikes.push(spike.ref);
        state = { ...next, previous: spike };
      }
      return { spikes, state };
    };
    const arrays = () => ({
      xs: Array.from({ length: steps }, (__, t) => rowOf(buffers.x, t)), start: states.map((name) => rowOf(buffers[`state.${name}`], 0)),
      weight: np.array(buffers[weights === "dense" ? "mix.weights" : "weight"]).reshape(weights === "dense" ? [hidden, hidden] : [hidden]), bias: np.array(buffers.bias),
    });
    const named = (values: np.Array[]) => Object.fromEntries(states.map((name, i) => [name, values[i]]));

    const first = arrays();
    const { spikes } = run(first.xs, first.weight, first.bias, named(first.start));
    for (const [t, row] of spikes.entries()) expect(Float32Array.from(await row.data())).toEqual(buffers.spike.slice(t * size, (t + 1) * size));
    expect(buffers.spike.some((s) => s === 1)).toBe(true);

    const loss = (xs: np.Array, weight: np.Array, bias: np.Array, ...start: np.Array[]): np.Array => {
      const rows = Array.from({ length: steps }, (__, t) => xs.ref.slice(t));
      const { spikes: found, state } = run(rows, weight, bias, named(start));
      const terms = [...found.map((s, t) => s.mul(rowOf(buffers["d.spike"], t))), ...states.map((name) => state[name].mul(rowOf(buffers[`d.final.${name}`], 0)))];
      return np.sum(terms.reduce((a, b) => a.add(b)));
    };
    const second = arrays();
    const gradients = grad(loss, { argnums: [0, 1, 2, ...states.map((__, i) => i + 3)] })(np.array(buffers.x).reshape([steps, ...shape]), second.weight, second.bias, ...second.start) as np.Array[];
    const expected = [buffers["grad.x"], weights === "dense" ? weightGradient(buffers, steps) : buffers["grad.weight"], buffers["grad.bias"], ...states.map((name) => buffers[`grad.state.${name}`])];
    for (const [i, wanted] of expected.entries()) {
      const scale = Math.max(1e-6, ...Array.from(wanted, Math.abs));
      const actual = await gradients[i].data();
      for (let n = 0; n < wanted.length; n++) expect(Math.abs(actual[n] - wanted[n])).toBeLessThanOrEqual(1e-4 * scale);
    }
  });
});

/** Σ_t previous[t]ᵀ·grad.mixed[t], as a layer takes it. */
function weightGradient(buffers: Record<string, Float32Array>, steps: number): Float32Array {
  const result = new Float32Array(hidden ** 2);
  for (let t = 0; t < steps; t++) for (let n = 0; n < size; n++) for (let from = 0; from < hidden; from++) {
    const source = n - (n % hidden) + from;
    result[from * hidden + (n % hidden)] += (t === 0 ? buffers["state.previous"][source] : buffers.spike[(t - 1) * size + source]) * buffers["grad.mixed"][t * size + n];
  }
  return result;
}

describe("a plan with a recurrent product", () => {
  const neuron = withRecurrence(lif(), "dense", false);
  const mix = { input: "mixed", state: "previous" };

  it("has the backward kernel read the product, and recompute the neuron's own states alone", () => {
    const { forward, backward, recomputed } = plan({ neuron, steps: 100, mix, gradients: ["x"] });
    const names = (buffers: readonly { name: string; direction: string }[], way: string) => buffers.filter(({ direction }) => direction === way).map(({ name }) => name);
    expect(names(forward.buffers, "in")).toEqual(["x", "mix.weights"]);
    expect(names(forward.buffers, "out")).toEqual(["spike", "mixed", "checkpoint.v"]);
    expect(names(backward!.buffers, "in")).toEqual(["x", "mix.weights", "mixed", "checkpoint.v", "d.spike"]);
    expect(names(backward!.buffers, "out")).toEqual(["grad.x", "grad.mixed"]);
    expect(recomputed).toEqual(["v"]);
    expect(describePlan(plan({ neuron, steps: 100, mix }))).toMatch(/mixed of each neuron = the previous of all C neurons of its sample · mix\.weights/);
  });

  it("is refused where it names what is not there", () => {
    const asked = (given: object) => () => plan({ neuron, steps: 2, mix: given as never });
    expect(asked({ input: "mixd", state: "previous" })).toThrow(/no input "mixd": did you mean mixed\?/);
    expect(asked({ input: "mixed", state: "s" })).toThrow(/no state "s"/);
    expect(asked({ input: "mixed" })).toThrow(OptionError);
    expect(() => plan({ neuron, steps: 2, mix, inputs: { mixed: { time: "constant" } } })).toThrow(/computed in the kernel/);
  });

  it("is another plan than one that reads the input", () => {
    expect(plan({ neuron, steps: 2, mix }).key).not.toBe(plan({ neuron, steps: 2 }).key);
  });
});

it("names of a recurrent neuron meet none of the neuron's own", () => {
  const first = withRecurrence(lif(), "elementwise", true);
  expect(recurrentNames(first)).toEqual({ previous: "previous_", mixed: "mixed", weight: "weight_", bias: "bias_" });
});
