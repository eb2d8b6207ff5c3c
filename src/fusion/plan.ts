import { OptionError } from "../errors.ts";
import { contains, type Neuron } from "../neuron/define.ts";
import { constant, type Expr, leaf } from "../neuron/expr.ts";
import { adjoint } from "./adjoint.ts";
import { type Block, lower } from "./block.ts";
import { Invariants, type Invariant } from "./invariants.ts";

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

/** Trajectories up to this length are recomputed whole. */
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
 * @throws OptionError for names that the neuron does not have, formats that an output cannot have, or a number of steps that is not positive.
 */
export function plan(request: PlanRequest): Plan {
  const { neuron, steps } = request;
  if (!Number.isInteger(steps) || steps < 1) throw new OptionError(`steps must be a positive integer, got ${steps}`);
  const inputs = Object.fromEntries(neuron.inputs.map((name) => [name, { time: "varying", extent: "neuron", ...request.inputs?.[name] } as const]));
  const params = Object.fromEntries(Object.keys(neuron.params).map((name) => [name, request.params?.[name] ?? "layer"] as const));
  const outputs = request.outputs ?? Object.fromEntries(neuron.outputs.map((name) => [name, "f32" as SpikeFormat]));
  const seeds = request.seeds ?? Object.fromEntries(Object.keys(outputs).map((name) => [name, "varying" as TimeLayout]));
  const { record = [], finalState = false, initialState = false, gradients = [] } = request;
  const states = Object.keys(neuron.state);
  check(request, states);
  for (const [name, { time, extent }] of Object.entries(inputs)) {
    if (time === "varying" && extent !== "neuron") throw new OptionError(`input ${name}: one value per ${extent} must be constant over time`);
  }

  const leaves = {
    state: Object.fromEntries(states.map((name) => [name, leaf("state", name)])),
    input: Object.fromEntries(neuron.inputs.map((name) => [name, leaf("input", name)])),
    param: Object.fromEntries(Object.keys(params).map((name) => [name, leaf("param", name)])),
  };
  const extents = new Map<Expr, Extent>();
  for (const [name, x] of Object.entries(leaves.param)) extents.set(x, params[name]);
  for (const [name, x] of Object.entries(leaves.input)) if (inputs[name].time === "constant") extents.set(x, inputs[name].extent);

  const next = neuron.step(leaves.state, leaves.input, leaves.param);
  const nextStates = Object.fromEntries(states.map((name) => [`state.${name}`, next[name]]));
  const checkpointEvery = gradients.length > 0 && states.length > 0 && steps > WHOLE_STEPS ? CHECKPOINT_EVERY : null;

  const sources: BufferSpec[] = [
    ...Object.entries(inputs).map(([name, { time, extent }]) => ({ name, direction: "in", time, extent, format: "f32" }) as const),
    ...Object.entries(params).map(([name, extent]) => ({ name, direction: "in", time: "constant", extent, format: "f32" }) as const),
    ...(initialState ? states : []).map((name) => perNeuron(`state.${name}`, "in", "constant")),
  ];
  const checkpoints = (direction: "in" | "out") => (checkpointEvery === null ? [] : states.map((name) => perNeuron(`checkpoint.${name}`, direction, "checkpoint")));

  const forward = ((): ForwardPlan => {
    const invariants = new Invariants(extents);
    const step = lower(invariants.hoist({ ...nextStates, ...Object.fromEntries(Object.keys(outputs).map((name) => [name, next[name]])) }));
    const buffers: BufferSpec[] = [
      ...sources,
      ...Object.entries(outputs).map(([name, format]) => ({ name, direction: "out", time: "varying", extent: "neuron", format }) as const),
      ...record.map((name) => perNeuron(`trace.${name}`, "out", "varying")),
      ...(finalState ? states : []).map((name) => perNeuron(`final.${name}`, "out", "constant")),
      ...checkpoints("out"),
    ];
    return { buffers, step, ...invariants.prologue() };
  })();

  const backward = ((): BackwardPlan | null => {
    if (gradients.length === 0) return null;
    const invariants = new Invariants(extents);
    const hoisted = invariants.hoist(next);
    const differentiated = invariants.snapshot();

    const flowing = Object.keys(seeds);
    const seedOf = (name: string): Expr | undefined => {
      if (!flowing.includes(name)) return undefined;
      const seed = leaf("seed", name);
      return seeds[name] === "constant" ? invariants.add(seed, "neuron") : seed;
    };
    const roots = neuron.outputs.flatMap((name) => {
      const seed = seedOf(name);
      return seed ? [{ expr: hoisted[name], seed }] : [];
    });
    for (const name of states) {
      const carried = leaf("adjoint", name);
      const traced = seedOf(`trace.${name}`);
      roots.push({ expr: hoisted[name], seed: traced ? carried.add(traced) : carried });
    }

    const varying = neuron.inputs.filter((name) => inputs[name].time === "varying" && gradients.includes(name));
    const summed = differentiated.filter(({ expr }) => gradients.some((name) => contains(expr, (x) => x === leaves.param[name] || x === leaves.input[name])));
    const wanted = [...states.map((name) => leaves.state[name]), ...varying.map((name) => leaves.input[name]), ...summed.map((invariant) => invariant.leaf)];
    const found = adjoint(roots, wanted);
    const zero = constant(0);
    const results: Record<string, Expr> = {};
    states.forEach((name, i) => (results[`adjoint.${name}`] = found[i] ?? zero));
    varying.forEach((name, i) => (results[`grad.${name}`] = found[states.length + i] ?? zero));
    const sums = summed.flatMap((invariant, i) => {
      const term = found[states.length + varying.length + i];
      if (!term) return [];
      results[`sum.${invariant.name}`] = term;
      return [invariant];
    });
    const reverse = lower(invariants.hoist(results));

    const constants = gradients.filter((name) => name in params || inputs[name]?.time === "constant");
    const leafOf = (name: string): Expr => leaves.param[name] ?? leaves.input[name];
    const shares = adjoint(sums.map(({ name, expr }) => ({ expr, seed: leaf("accumulated", name) })), constants.map(leafOf));
    const epilogueRoots: Record<string, Expr> = {};
    constants.forEach((name, i) => (epilogueRoots[`grad.${name}`] = shares[i] ?? zero));
    for (const name of states) if (gradients.includes(`state.${name}`)) epilogueRoots[`grad.state.${name}`] = leaf("adjoint", name);
    const epilogue = lower(invariants.hoist(epilogueRoots));
    const advance = lower(invariants.hoist(Object.fromEntries(states.map((name) => [`state.${name}`, hoisted[name]]))));

    const seedBuffers = flowing.map((name) => perNeuron(`d.${name}`, "in", name.startsWith("final.") ? "constant" : seeds[name]));
    const gradientBuffers = gradients.map((name): BufferSpec => {
      const extent = params[name] ?? inputs[name]?.extent ?? "neuron";
      return { name: `grad.${name}`, direction: "out", time: varying.includes(name) ? "varying" : "constant", extent, format: "f32", reduce: extent !== "neuron" };
    });
    return { buffers: [...sources, ...checkpoints("in"), ...seedBuffers, ...gradientBuffers], advance, reverse, epilogue, ...invariants.prologue() };
  })();

  const chunk = checkpointEvery ?? Math.min(WHOLE_STEPS, powerOfTwo(Math.max(8, steps)));
  const tile = {
    forward: tileOf(FORWARD_TILE_BYTES, states.length),
    backward: tileOf(BACKWARD_TILE_BYTES, states.length * chunk),
  };
  const contents = { name: neuron.name, forward, backward, checkpointEvery, initialState, initial: neuron.state, chunk: backward && chunk };
  return { key: JSON.stringify(contents), neuron, steps, states, initialState, checkpointEvery, chunk, tile, forward, backward };
}

const powerOfTwo = (atLeast: number): number => 2 ** Math.ceil(Math.log2(atLeast));
const tileOf = (bytes: number, values: number): number => Math.max(256, Math.min(MAX_TILE, bytes / 4 / powerOfTwo(Math.max(1, values))));

const perNeuron = (name: string, direction: "in" | "out", time: BufferSpec["time"]): BufferSpec => ({ name, direction, time, extent: "neuron", format: "f32" });

function check({ neuron, inputs = {}, params = {}, outputs = {}, record = [], gradients = [], seeds = {} }: PlanRequest, states: readonly string[]): void {
  const known = (what: string, given: readonly string[], allowed: readonly string[]): void => {
    for (const name of given) if (!allowed.includes(name)) throw new OptionError(`neuron ${neuron.name} has no ${what} ${JSON.stringify(name)}; it has ${allowed.join(", ") || "none"}`);
  };
  const prefixed = (prefix: string): string[] => states.map((name) => `${prefix}.${name}`);
  known("input", Object.keys(inputs), neuron.inputs);
  known("parameter", Object.keys(params), Object.keys(neuron.params));
  known("output", Object.keys(outputs), neuron.outputs);
  known("state", record, states);
  known("gradient", gradients, [...neuron.inputs, ...Object.keys(neuron.params), ...prefixed("state")]);
  known("output or state", Object.keys(seeds), [...neuron.outputs, ...prefixed("trace"), ...prefixed("final")]);
  for (const [name, format] of Object.entries(outputs)) {
    if (format !== "f32" && neuron.next[name].node.kind !== "spike") {
      throw new OptionError(`output ${name} of neuron ${neuron.name} is not a plain spike, so it can only be written as f32, not ${format}`);
    }
  }
}
