import { checkArgument, checkOptions, flag, integer, listOf, object, oneOf, type OptionKinds, required, suggestion, text } from "../check.ts";
import { OptionError } from "../errors.ts";
import { type Neuron, neuronKind } from "../neuron/define.ts";
import type { Extent, SpikeFormat, TimeLayout } from "./buffers.ts";

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
}

const times = oneOf("varying", "constant");
const extents = oneOf("neuron", "channel", "layer");

const kinds: OptionKinds<PlanRequest> = {
  neuron: required(neuronKind), steps: required(integer(1)), inputs: object, elements: oneOf("f32", "bf16", "f16"), params: object, outputs: object, record: listOf(text),
  finalState: flag, initialState: flag, gradients: listOf(text), seeds: object,
};

/** @throws OptionError for names that the request or the neuron does not have, formats that an output cannot have, or a number of steps that is not positive. */
export function checkRequest(request: PlanRequest): void {
  if (neuronKind.accepts(request)) throw new OptionError("plan takes an object of options, and was given a neuron: plan({ neuron, steps })");
  checkOptions<PlanRequest>("plan", request, kinds);
  const { neuron, inputs = {}, params = {}, outputs = {}, record = [], gradients = [], seeds = {} } = request;
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
