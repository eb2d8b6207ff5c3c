import { checkArgument, checkOptions, flag, integer, kind, listOf, object, oneOf, type OptionKinds, required, suggestion, text } from "../check.ts";
import { OptionError } from "../errors.ts";
import { neuronKind } from "../neuron/kinds.ts";
import type { Neuron } from "../neuron/define.ts";
import { planBackward } from "./backward.ts";
import type { Block } from "./block.ts";
import { planForward } from "./forward.ts";
import type { Invariant } from "./invariants.ts";
import { trace } from "./trace.ts";

/** How many values a buffer has at one time step: one per neuron, per channel (neuron n belongs to channel n mod C), or one for the layer. */
export type Extent = "neuron" | "channel" | "layer";

/** Spikes as 32-bit or 16-bit floats, bytes, or bits (32 steps of one neuron in one u32, step t in bit t mod 32). */
export type SpikeFormat = "f32" | "f16" | "bf16" | "u8" | "bits";

/** Whether an input changes from step to step ([T, size]) or is the same at all steps (time stride 0: [size]). */
export type TimeLayout = "varying" | "constant";

export interface BufferSpec {
  readonly name: string;
  readonly direction: "in" | "out";
  /** `checkpoint`: the states before steps K, 2K, …: [⌈T/K⌉ − 1, size]. */
  readonly time: TimeLayout | "checkpoint";
  readonly extent: Extent;
  readonly format: SpikeFormat;
  /** The kernel writes one partial sum per neuron; a second pass adds those of a channel or layer in a fixed order. */
  readonly reduce?: boolean;
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
}

export interface ForwardPlan {
  readonly buffers: readonly BufferSpec[];
  readonly invariants: readonly Invariant[];
  /** Time-invariant values, computed before the time loop: results are the invariants' names. */
  readonly prologue: Block;
  /** One step: leaves input, state, invariant; results `state.v` (next) and outputs by name. */
  readonly step: Block;
}

export interface BackwardPlan {
  readonly buffers: readonly BufferSpec[];
  readonly invariants: readonly Invariant[];
  readonly prologue: Block;
  /** The forward step reduced to what the states need. */
  readonly advance: Block;
  /**
   * One step backward: leaves input, state (before the step), invariant, seed, adjoint (of the state after the step); results
   * `adjoint.v` (of the state before the step), `grad.x` (of varying inputs) and `sum.p`, terms to be summed over time.
   */
  readonly reverse: Block;
  /** After the time loop: leaves accumulated (the sums), adjoint, invariant; results `grad.p` per neuron. */
  readonly epilogue: Block;
}

/** The two kernels of a neuron, for no target in particular. */
export interface Plan {
  readonly key: string;
  readonly neuron: Neuron;
  readonly steps: number;
  readonly states: readonly string[];
  readonly initialState: boolean;
  /** K: backward recomputes the trajectory K steps at a time from states saved by the forward kernel; null: all T steps at once. */
  readonly checkpointEvery: number | null;
  /** The longest piece of a trajectory that is recomputed at once: K, or T rounded up to a power of two. */
  readonly chunk: number;
  /** Neurons that a target without a thread per neuron walks through time together, in each direction. */
  readonly tile: { readonly forward: number; readonly backward: number };
  readonly forward: ForwardPlan;
  readonly backward: BackwardPlan | null;
}

export const planKind = kind("a plan: plan({ neuron, steps })", (x) => typeof x === "object" && x !== null && typeof (x as Plan).key === "string" && "forward" in x);

/**
 * A thread of a GPU keeps this many values of a trajectory (states and inputs) in registers, for at most so many steps; longer ones are
 * recomputed from checkpoints.
 */
const TRAJECTORY_VALUES = 128;
const WHOLE_STEPS = 64;
const CHECKPOINT_EVERY = 32;

/**
 * A tile's working set should stay in a core's caches: its states in the first level going forward, its trajectory in the second level going
 * backward. Long runs of each row matter as much: LIF at T = 32 and 65 536 neurons takes half as long with rows of 16 KiB as with rows of 2 KiB.
 */
const FORWARD_TILE_BYTES = 32 << 10;
const BACKWARD_TILE_BYTES = 512 << 10;
const MAX_TILE = 8192;

/**
 * Plans the forward and the backward kernel of a neuron over T steps.
 * @throws OptionError for names that the request or the neuron does not have, formats that an output cannot have, or a number of steps that is not positive.
 */
export function plan(request: PlanRequest): Plan {
  check(request);
  const { neuron, steps, gradients = [], initialState = false } = request;
  const states = Object.keys(neuron.state);
  const varying = neuron.inputs.filter((name) => (request.inputs?.[name]?.time ?? "varying") === "varying");
  const whole = Math.min(WHOLE_STEPS, powerOfTwoBelow(Math.max(1, TRAJECTORY_VALUES / Math.max(1, states.length + varying.length))));
  const recomputes = gradients.length > 0 && states.length > 0;
  const checkpointEvery = recomputes && steps > whole ? Math.min(CHECKPOINT_EVERY, whole) : null;
  const traced = trace(request, checkpointEvery !== null);
  const forward = planForward(traced);
  const backward = gradients.length > 0 ? planBackward(traced) : null;

  const chunk = checkpointEvery ?? Math.min(whole, powerOfTwo(Math.max(8, steps)));
  const tile = { forward: tileOf(FORWARD_TILE_BYTES, states.length), backward: tileOf(BACKWARD_TILE_BYTES, states.length * chunk) };
  const contents = { name: neuron.name, forward, backward, checkpointEvery, initialState, initial: neuron.state, chunk: backward && chunk };
  return { key: JSON.stringify(contents, exactNumbers), neuron, steps, states, initialState, checkpointEvery, chunk, tile, forward, backward };
}

/** JSON has no word for these numbers, and a key must tell them apart. */
const exactNumbers = (_: string, value: unknown): unknown =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? (Object.is(value, -0) ? "-0" : String(value)) : value;

const powerOfTwoBelow = (atMost: number): number => 2 ** Math.floor(Math.log2(atMost));
const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(atLeast));
const tileOf = (bytes: number, values: number): number => Math.max(256, Math.min(MAX_TILE, bytes / 4 / powerOfTwo(Math.max(1, values))));

const times = oneOf("varying", "constant");
const extents = oneOf("neuron", "channel", "layer");

const kinds: OptionKinds<PlanRequest> = {
  neuron: required(neuronKind), steps: required(integer(1)), inputs: object, elements: oneOf("f32", "bf16", "f16"), params: object, outputs: object, record: listOf(text),
  finalState: flag, initialState: flag, gradients: listOf(text), seeds: object,
};

function check(request: PlanRequest): void {
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
