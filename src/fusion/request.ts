import { checkArgument, checkOptions, flag, integer, listOf, object, oneOf, type OptionKinds, required, suggestion, text } from "../check.ts";
import { OptionError } from "../errors.ts";
import { type Neuron, neuronKind } from "../neuron/define.ts";
import type { Extent, SpikeFormat, TimeLayout } from "./buffers.ts";

/**
 * A recurrent product inside the kernel: `input`, an input of the neuron, is not read but computed, from `state`, one of its states, of all neurons of the
 * sample before the step: input[i] = Σ_j state[j]·W[j, i], j ascending, where i and j run over the `channels` = C neurons of a sample (neuron n is neuron n mod C of
 * sample ⌊n/C⌋). W is the buffer "mix.weights" [C, C] of both kernels, row = from, column = to. A plan with gradients has the forward kernel write the input, a
 * varying f32 buffer of the input's name, which the backward kernel reads like any varying input: its trajectory needs no product, and `state` is not part
 * of it (`Plan.recomputed`). The input's gradient is always among those computed ("grad." + input, varying, f32); after each step backward
 * adjoint.state[j] += Σ_i W[j, i]·grad.input[i], before the step before it is walked. ∂W[j, i] = Σ over t and samples of state[j] before step t · grad.input[i] at t
 * is the caller's, one product after the kernel. To the forward step's code the input is a leaf like others, and a result of its own name, so that it is written as outputs are.
 */
export interface Mix {
  input: string;
  state: string;
}

/** What is asked of a plan. Everything but the neuron and the number of steps has a default. */
export interface PlanRequest {
  neuron: Neuron;
  /** T; the plan depends on it only through `checkpointEvery`. */
  steps: number;
  /** Layout of the inputs; default: varying in time, one value per neuron. */
  inputs?: Record<string, { time?: TimeLayout; extent?: Extent }>;
  /** Elements of the inputs that vary over time, of their gradients and of the gradients that flow in from outputs; states are f32 always. Default: f32. */
  elements?: "f32" | "bf16" | "f16";
  /** Extent of the parameters; default: layer. */
  params?: Record<string, Extent>;
  /** Outputs to write and their formats; default: { spike: "f32" }. */
  outputs?: Record<string, SpikeFormat>;
  /** States of which every step's value is written ("trace.v"). */
  record?: readonly string[];
  /** Write the states after the last step ("final.v"). */
  finalState?: boolean;
  /** Read the states before the first step from buffers ("state.v") instead of the definition. */
  initialState?: boolean;
  /** What gradients to compute: inputs, params, "state.v". Default: none, no backward kernel. */
  gradients?: readonly string[];
  /** Gradients that flow in, by what they belong to: outputs, "trace.v", "final.v"; and whether they vary in time. Default: those of all outputs, varying. */
  seeds?: Record<string, TimeLayout>;
  /** The input that is a product of a state with a matrix: a recurrent layer. Default: none. */
  mix?: Mix;
}

const times = oneOf("varying", "constant");
const extents = oneOf("neuron", "channel", "layer");

const kinds: OptionKinds<PlanRequest> = {
  neuron: required(neuronKind), steps: required(integer(1)), inputs: object, elements: oneOf("f32", "bf16", "f16"), params: object, outputs: object, record: listOf(text),
  finalState: flag, initialState: flag, gradients: listOf(text), seeds: object, mix: object,
};

/** @throws OptionError for names that the request or the neuron does not have, formats that an output cannot have, or a number of steps that is not positive. */
export function checkRequest(request: PlanRequest): void {
  if (neuronKind.accepts(request)) throw new OptionError("plan takes an object of options, and was given a neuron: plan({ neuron, steps })");
  checkOptions<PlanRequest>("plan", request, kinds);
  const { neuron, inputs = {}, params = {}, outputs = {}, record = [], gradients = [], seeds = {}, mix } = request;
  const states = Object.keys(neuron.state);
  const known = (what: string, given: readonly string[], allowed: readonly string[]): void => {
    for (const name of given) if (!allowed.includes(name)) throw new OptionError(`neuron ${neuron.name} has no ${what} ${JSON.stringify(name)}${suggestion(name, allowed)}; it has ${allowed.join(", ") || "none"}`);
  };
  const prefixed = (prefix: string): string[] => states.map((name) => `${prefix}.${name}`);
  known("input", Object.keys(inputs), neuron.inputs);
  known("parameter", Object.keys(params), Object.keys(neuron.params));
  known("output", Object.keys(outputs), neuron.outputs);
  known("state", record, states);
  known("gradient", gradients, [...neuron.inputs, ...Object.keys(neuron.params), ...prefixed("state")]);
  known("output or state", Object.keys(seeds), [...neuron.outputs, ...prefixed("trace"), ...prefixed("final")]);
  if (mix) {
    checkOptions<Mix>("plan: mix", mix, { input: required(text), state: required(text) });
    known("input", [mix.input], neuron.inputs);
    known("state", [mix.state], states);
    if (mix.input in inputs) throw new OptionError(`input ${mix.input} is computed in the kernel (mix), one value per neuron at each step; its layout is not to be given`);
  }
  for (const [name, layout] of Object.entries(inputs)) {
    checkOptions(`plan: input ${name}`, layout, { time: times, extent: extents });
    const { time = "varying", extent = "neuron" } = layout;
    if (time === "varying" && extent !== "neuron") throw new OptionError(`input ${name}: one value per ${extent} must be constant over time`);
  }
  for (const [name, extent] of Object.entries(params)) checkArgument("plan: params", name, extent, extents);
  for (const [name, time] of Object.entries(seeds)) checkArgument("plan: seeds", name, time, times);
  for (const [name, format] of Object.entries(outputs)) {
    checkArgument("plan: outputs", name, format, oneOf("f32", "f16", "bf16", "u8", "bits"));
    if (format !== "f32" && neuron.next[name].node.kind !== "spike") {
      throw new OptionError(`output ${name} of neuron ${neuron.name} is not a plain spike, so it can only be written as f32, not ${format}`);
    }
  }
}
