import type { Neuron } from "../neuron/define.ts";
import { type Expr, leaf } from "../neuron/expr.ts";
import type { BufferSpec, Extent, SpikeFormat, TimeLayout } from "./buffers.ts";
import type { Mix, PlanRequest } from "./request.ts";

/** A request with its defaults filled in, and the step traced on leaves whose layout is known. */
export interface Traced {
  readonly neuron: Neuron;
  readonly states: readonly string[];
  /** The states that the backward kernel runs again: all but that of which `mix` makes an input, since it reads the input. */
  readonly recomputed: readonly string[];
  readonly mix: Mix | null;
  readonly inputs: Readonly<Record<string, { time: TimeLayout; extent: Extent }>>;
  readonly params: Readonly<Record<string, Extent>>;
  readonly outputs: Readonly<Record<string, SpikeFormat>>;
  readonly record: readonly string[];
  readonly finalState: boolean;
  readonly gradients: readonly string[];
  /** Of varying inputs, their gradients, and the seeds of outputs. */
  readonly elements: SpikeFormat;
  readonly seeds: Readonly<Record<string, TimeLayout>>;
  readonly leaves: Readonly<Record<"state" | "input" | "param", Readonly<Record<string, Expr>>>>;
  /** The leaves that do not change over time. */
  readonly constants: ReadonlyMap<Expr, Extent>;
  /** The next value of each state and of each output. */
  readonly next: Readonly<Record<string, Expr>>;
  /** What both kernels read; the input of `mix` is not among it. */
  readonly sources: readonly BufferSpec[];
  /** The input of `mix`, as the forward kernel writes it for the backward kernel. */
  mixed(direction: "in" | "out"): BufferSpec[];
  checkpoints(direction: "in" | "out"): BufferSpec[];
}

export function trace(request: PlanRequest, saveCheckpoints: boolean): Traced {
  const { neuron, record = [], finalState = false, initialState = false, elements = "f32", mix = null } = request;
  const differentiates = (request.gradients ?? []).length > 0;
  const gradients = [...new Set([...(request.gradients ?? []), ...(mix && differentiates ? [mix.input] : [])])];
  const states = Object.keys(neuron.state);
  const recomputed = states.filter((name) => name !== mix?.state);
  const inputs = Object.fromEntries(neuron.inputs.map((name) => [name, { time: request.inputs?.[name]?.time ?? "varying", extent: request.inputs?.[name]?.extent ?? "neuron" } as const]));
  const params = Object.fromEntries(Object.keys(neuron.params).map((name) => [name, request.params?.[name] ?? "layer"] as const));
  const outputs = request.outputs ?? Object.fromEntries(neuron.outputs.map((name) => [name, "f32" as const]));
  const seeds = request.seeds ?? Object.fromEntries(Object.keys(outputs).map((name) => [name, "varying" as const]));

  const leaves = {
    state: Object.fromEntries(states.map((name) => [name, leaf("state", name)])),
    input: Object.fromEntries(neuron.inputs.map((name) => [name, leaf("input", name)])),
    param: Object.fromEntries(Object.keys(params).map((name) => [name, leaf("param", name)])),
  };
  const constants = new Map<Expr, Extent>();
  for (const [name, x] of Object.entries(leaves.param)) constants.set(x, params[name]);
  for (const [name, x] of Object.entries(leaves.input)) if (inputs[name].time === "constant") constants.set(x, inputs[name].extent);

  return {
    neuron, states, recomputed, mix, inputs, params, outputs, record: [...new Set(record)], finalState, gradients, elements, seeds, leaves, constants,
    next: neuron.step(leaves.state, leaves.input, leaves.param),
    sources: [
      ...Object.entries(inputs).filter(([name]) => name !== mix?.input).map(([name, { time, extent }]) => ({ name, direction: "in", time, extent, format: time === "varying" ? elements : "f32" }) as const),
      ...Object.entries(params).map(([name, extent]) => ({ name, direction: "in", time: "constant", extent, format: "f32" }) as const),
      ...(mix ? [{ name: "mix.weights", direction: "in", time: "constant", extent: "matrix", format: "f32" } as const] : []),
      ...(initialState ? states : []).map((name) => perNeuron(`state.${name}`, "in", "constant")),
    ],
    mixed: (direction) => (mix && differentiates ? [perNeuron(mix.input, direction, "varying")] : []),
    checkpoints: (direction) => (saveCheckpoints ? recomputed.map((name) => perNeuron(`checkpoint.${name}`, direction, "checkpoint")) : []),
  };
}

export const perNeuron = (name: string, direction: "in" | "out", time: BufferSpec["time"]): BufferSpec => ({ name, direction, time, extent: "neuron", format: "f32" });
