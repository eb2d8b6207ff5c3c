import { kind } from "../check.ts";
import type { Neuron } from "../neuron/define.ts";
import { type BackwardPlan, planBackward } from "./backward.ts";
import { type ForwardPlan, planForward } from "./forward.ts";
import { checkRequest, type Mix, type PlanRequest } from "./request.ts";
import { trace } from "./trace.ts";

export type { BackwardPlan } from "./backward.ts";
export type { BufferExtent, BufferSpec, Extent, SpikeFormat, TimeLayout } from "./buffers.ts";
export type { ForwardPlan } from "./forward.ts";
export type { Mix, PlanRequest } from "./request.ts";

/** The two kernels of a neuron, for no target in particular. */
export interface Plan {
  readonly key: string;
  /** What was asked for. */
  readonly request: PlanRequest;
  readonly neuron: Neuron;
  readonly steps: number;
  readonly states: readonly string[];
  /** The states that the backward kernel recomputes, checkpoints of them included: all but that of `mix`. */
  readonly recomputed: readonly string[];
  /** The input that the kernels make of a state of all neurons of a sample, see `Mix`; null: none, neurons are independent of each other. */
  readonly mix: Mix | null;
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
const WHOLE_STEPS = 32;

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
  checkRequest(request);
  const { neuron, steps, gradients = [], initialState = false, mix = null } = request;
  const states = Object.keys(neuron.state);
  const recomputed = states.filter((name) => name !== mix?.state);
  const varying = neuron.inputs.filter((name) => (request.inputs?.[name]?.time ?? "varying") === "varying");
  const whole = Math.min(WHOLE_STEPS, powerOfTwoBelow(Math.max(1, TRAJECTORY_VALUES / Math.max(1, recomputed.length + varying.length))));
  const recomputes = gradients.length > 0 && recomputed.length > 0;
  const checkpointEvery = recomputes && steps > whole ? whole : null;
  const traced = trace(request, checkpointEvery !== null);
  const forward = planForward(traced);
  const backward = gradients.length > 0 ? planBackward(traced) : null;

  const chunk = checkpointEvery ?? Math.min(whole, powerOfTwo(Math.max(8, steps)));
  const tile = { forward: tileOf(FORWARD_TILE_BYTES, states.length), backward: tileOf(BACKWARD_TILE_BYTES, recomputed.length * chunk) };
  const contents = { name: neuron.name, forward, backward, checkpointEvery, initialState, initial: neuron.state, chunk: backward && chunk, mix: mix ?? undefined };
  return { key: JSON.stringify(contents, exactNumbers), request, neuron, steps, states, recomputed, mix, initialState, checkpointEvery, chunk, tile, forward, backward };
}

/** JSON has no word for these numbers, and a key must tell them apart. */
const exactNumbers = (_: string, value: unknown): unknown =>
  typeof value === "number" && (!Number.isFinite(value) || Object.is(value, -0)) ? (Object.is(value, -0) ? "-0" : String(value)) : value;

const powerOfTwoBelow = (atMost: number): number => 2 ** Math.floor(Math.log2(atMost));
const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(atLeast));
const tileOf = (bytes: number, values: number): number => Math.max(256, Math.min(MAX_TILE, bytes / 4 / powerOfTwo(Math.max(1, values))));
