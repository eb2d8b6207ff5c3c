import type { PlanRequest, SpikeFormat } from "../../src/fusion/plan.ts";
import { defineNeuron, leaky, lif, maximum, minimum, type Neuron, spike, surrogate } from "../../src/neuron/index.ts";
import { recurrentNames, withRecurrence } from "../../src/neuron/recurrence.ts";
import { adaptiveLif, awkward, builtIn, everything, further, stateless, suffixed } from "./neurons.ts";

/** A plan, and a launch of it. */
export interface ConformanceCase {
  /** What it is a case of: one test. */
  group: string;
  request: PlanRequest;
  /** Neurons. */
  size: number;
  channels: number;
  /** Of outputs and states that are not computed exactly: largest |a − b| / (1 + |b|). */
  tolerance: number;
}

export interface ConformanceOptions {
  /** Elements of inputs that the device reads besides f32. */
  elements?: readonly ("bf16" | "f16")[];
  /** Lengths over which every built-in neuron runs. */
  lengths?: readonly number[];
  /** The groups that are wanted; default: all. */
  groups?: readonly string[];
}

/** All that every device is tested on: each neuron, length, size and layout. */
export function conformanceCases({ elements = [], lengths = [1, 2, 31, 32, 33, 100], groups }: ConformanceOptions = {}): ConformanceCase[] {
  const cases: ConformanceCase[] = [];
  const add = (group: string, request: PlanRequest, size: number, { channels = size, tolerance = 1e-6 } = {}): void =>
    void cases.push({ group, request, size, channels, tolerance });

  for (const [name, neuron] of builtIn) for (const steps of lengths) add(name, { neuron, steps, ...allOf(neuron) }, 21);

  for (const [name, neuron] of further) for (const steps of [1, 33, 100].filter((length) => lengths.includes(length))) add(name, { neuron, steps, ...allOf(neuron) }, 21);

  for (const neuron of [lif({ surrogate: surrogate.atan() }), leaky({ reset: "zero" }), adaptiveLif]) {
    add(`${neuron.name} over 1000 steps`, { neuron, steps: 1000, ...allOf(neuron) }, 21);
  }
  for (const size of [1, 2, 3, 4, 5, 15, 16, 17, 31, 63, 65, 255, 513, 2049]) {
    for (const steps of [1, 3, 70]) add(`${size} neurons`, { neuron: adaptiveLif, steps, ...allOf(adaptiveLif) }, size);
  }
  for (const neuron of [stateless, awkward]) {
    for (const steps of [1, 64, 100, 130]) add(`a neuron called ${neuron.name}`, { neuron, steps, ...allOf(neuron) }, 37);
  }
  for (const steps of [2, 20]) add("names that meet others of a kernel", { neuron: suffixed, steps, ...allOf(suffixed), initialState: true }, 12);
  for (const neuron of [bounded(Infinity), bounded(-Infinity)]) {
    add("neurons that differ in the sign of an infinity only", { neuron, steps: 3, ...allOf(neuron) }, 16);
  }
  add("a population of many tiles", { neuron: lif(), steps: 3, ...allOf(lif()) }, 8192 * 2 + 77, { channels: 1 });
  for (const format of ["f32", "f16", "bf16", "u8", "bits"] satisfies SpikeFormat[]) {
    for (const steps of [1, 31, 32, 33, 70]) for (const size of [16, 37, 100]) add(`spikes as ${format}`, { neuron: lif(), steps, outputs: { spike: format } }, size);
  }
  for (const steps of [1, 8, 40]) {
    add("every operation, two inputs, a graded output", { neuron: everything, steps, ...allOf(everything) }, 53, { tolerance: 1e-4 });
  }
  for (const time of ["varying", "constant"] as const) for (const extent of ["neuron", "channel", "layer"] as const) {
    if (time === "varying" && extent !== "neuron") continue;
    add("inputs that are constant over time, per channel, per layer", {
      neuron: everything, steps: 9, inputs: { x: { time }, gate: { time: "constant", extent } }, ...allOf(everything),
    }, 60, { channels: 12, tolerance: 1e-4 });
  }
  for (const steps of [5, 90]) {
    add("parameters per channel, states given, gradients of traces and final states", {
      neuron: adaptiveLif, steps, ...allOf(adaptiveLif), params: { decay: "channel", rho: "layer", beta: "channel" }, initialState: true,
      seeds: { spike: "constant", "trace.v": "varying", "trace.a": "constant", "final.v": "constant", "final.a": "constant" },
    }, 105, { channels: 7 });
  }
  for (const [channels, samples, steps] of [[1, 3, 40], [7, 5, 9], [32, 9, 33], [33, 4, 1], [16, 3, 2], [64, 35, 31], [40, 2, 100], [300, 2, 20], [700, 1, 5]]) {
    add(`a recurrent product over ${channels} neurons`, { ...recurrentOf(adaptiveLif), steps }, channels * samples, { channels });
  }
  for (const steps of [6, 40]) add("a recurrent product of spikes that are graded, states given, bits out, weights per channel", {
    ...recurrentOf(graded), steps, initialState: true, outputs: { spike: "f32", fired: "bits" }, params: { decay: "channel", bias: "channel" },
    seeds: { spike: "varying", "trace.v": "varying", "final.previous": "constant" },
  }, 33 * 6, { channels: 33 });
  for (const steps of [4, 50]) add("a recurrent weight for each neuron", { neuron: withRecurrence(adaptiveLif, "elementwise", true), steps, ...allOf(withRecurrence(adaptiveLif, "elementwise", true)), params: { weight: "channel", bias: "channel" } }, 60, { channels: 12 });
  for (const format of elements) for (const channels of [20, 600]) {
    add(`a recurrent product beside inputs as ${format}`, { ...recurrentOf(adaptiveLif), steps: 34, elements: format, outputs: { spike: format } }, 3 * channels, { channels });
  }
  for (const format of elements) for (const steps of [1, 8, 33, 100]) for (const size of [16, 37, 64]) {
    add(`inputs and gradients as ${format}`, { neuron: adaptiveLif, steps, elements: format, outputs: { spike: format }, ...allOf(adaptiveLif) }, size);
  }
  return groups ? cases.filter(({ group }) => groups.includes(group)) : cases;
}

/** Everything that a plan of the neuron can be asked for. */
const allOf = (neuron: Neuron) => ({
  gradients: [...neuron.inputs, ...Object.keys(neuron.params), ...Object.keys(neuron.state).map((name) => `state.${name}`)],
  record: Object.keys(neuron.state), finalState: true,
});

/** A layer of a neuron in which all read all. */
export function recurrentOf(neuron: Neuron): Pick<PlanRequest, "neuron" | "mix" | "gradients" | "record" | "finalState"> {
  const { mixed, previous } = recurrentNames(neuron);
  const recurrent = withRecurrence(neuron, "dense", true);
  return { neuron: recurrent, mix: { input: mixed, state: previous }, ...allOf(recurrent) };
}

/** A spike that is a number. */
const graded = defineNeuron({
  name: "graded", state: { v: 0 }, params: { decay: 0.8 },
  step({ v }, { x }, { decay }) {
    const h = v.mul(decay).add(x);
    const fired = spike(h.sub(0.5), surrogate.atan());
    return { spike: fired.mul(h), fired, v: h.sub(fired) };
  },
});

const bounded = (bound: number): Neuron => defineNeuron({
  name: "bounded", state: { v: bound },
  step({ v }, { x }) {
    const h = maximum(minimum(v, 1), x);
    return { spike: spike(h.sub(0.5), surrogate.atan()), v: h };
  },
});
