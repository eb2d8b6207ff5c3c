import type { Block } from "../fusion/block.ts";
import type { BufferSpec, Plan } from "../fusion/plan.ts";
import { carries, inPieces, levelsOf } from "../fusion/sums.ts";
import type { LeafRole } from "../neuron/expr.ts";
import { operations } from "../neuron/ops.ts";
import { type BufferArray, decodeElement, encodeElement, writeSpike } from "./formats.ts";

/**
 * The reference that every target is tested against: runs a plan step by step and neuron by neuron in plain JavaScript and rounds to f32 after every
 * operation. Clear, not fast.
 */
export interface InterpreterLaunch {
  steps: number;
  size: number;
  /** Values of a per-channel buffer; default: `size`. */
  channels?: number;
  /** Named buffers as the plan lists them; outputs are written in place. A reduced gradient has its final extent here. */
  buffers: Record<string, BufferArray>;
}

/** Runs the forward kernel of a plan. */
export function interpretForward(plan: Plan, launch: InterpreterLaunch): void {
  const { steps, size, buffers } = launch;
  const { states, mix } = plan;
  const every = plan.checkpointEvery as number;
  const read = reader(plan.forward.buffers, launch);
  const outputs = plan.forward.buffers.filter((buffer) => buffer.direction === "out");
  const invariants = each(size, (n) => evaluate(plan.forward.prologue, (_, name) => read(name, 0, n)));
  let state = each(size, (n) => initialState(plan, states, (name) => read(name, 0, n)));
  for (let t = 0; t < steps; t++) {
    const mixed = mix && product(launch, (n) => state[n][mix.state], false);
    state = each(size, (n) => {
      for (const { name, time } of outputs) {
        if (time === "checkpoint" && t > 0 && t % every === 0) buffers[name][(t / every - 1) * size + n] = state[n][name.slice("checkpoint.".length)];
      }
      const leaves = stepLeaves(read, t, n, state[n], invariants[n]);
      const result = evaluate(plan.forward.step, mixed ? (role, name) => (role === "input" && name === mix.input ? mixed[n] : leaves(role, name)) : leaves);
      const next = Object.fromEntries(states.map((name) => [name, result[`state.${name}`]]));
      for (const { name, format, time } of outputs) {
        if (time !== "varying") continue;
        const value = name.startsWith("trace.") ? next[name.slice("trace.".length)] : result[name];
        writeSpike(buffers[name], format, t, size, n, value);
      }
      return next;
    });
  }
  for (const { name } of outputs) if (name.startsWith("final.")) state.forEach((values, n) => (buffers[name][n] = values[name.slice("final.".length)]));
}

/** Runs the backward kernel of a plan, with the whole trajectory kept. */
export function interpretBackward(plan: Plan, launch: InterpreterLaunch): void {
  const { steps, size, channels = size, buffers } = launch;
  const { states, recomputed, mix } = plan;
  const backward = plan.backward!;
  const read = reader(backward.buffers, launch);
  const sums = Object.keys(backward.reverse.results).filter((name) => name.startsWith("sum."));
  const gradients = backward.buffers.filter((buffer) => buffer.direction === "out");
  const { levels, total } = levelsOf(plan);
  const hasFinalSeed = (name: string): boolean => backward.buffers.some((buffer) => buffer.name === `d.final.${name}`);

  const neurons = each(size, (n) => {
    const invariants = evaluate(backward.prologue, (role, name) => read(role === "seed" ? `d.${name}` : name, 0, n));
    const trajectory = [initialState(plan, recomputed, (name) => read(name, 0, n))];
    for (let t = 0; t + 1 < steps; t++) {
      const result = evaluate(backward.advance, stepLeaves(read, t, n, trajectory[t], invariants));
      trajectory.push(Object.fromEntries(recomputed.map((name) => [name, result[`state.${name}`]])));
    }
    const carried = Object.fromEntries(states.map((name) => [name, hasFinalSeed(name) ? read(`d.final.${name}`, 0, n) : 0]));
    const accumulated = Object.fromEntries(sums.map((name) => [name.slice("sum.".length), levels.map(() => 0)]));
    return { n, invariants, trajectory, carried, accumulated };
  });
  for (let t = steps - 1; t >= 0; t--) {
    const results = neurons.map((neuron) => {
      const { n, invariants, trajectory, carried, accumulated } = neuron;
      const leaves = stepLeaves(read, t, n, trajectory[t], invariants);
      const result = evaluate(backward.reverse, (role, name) => (role === "adjoint" ? carried[name] : role === "seed" ? read(`d.${name}`, t, n) : leaves(role, name)));
      neuron.carried = Object.fromEntries(states.map((name) => [name, result[`adjoint.${name}`]]));
      for (const name of sums) addTerm(accumulated[name.slice("sum.".length)], result[name], inPieces(plan) && t % plan.chunk === 0 ? t / plan.chunk : null);
      for (const { name, time, format } of gradients) if (time === "varying") buffers[name][t * size + n] = encodeElement(format, result[name]);
      return result;
    });
    if (mix) product(launch, (n) => results[n][`grad.${mix.input}`], true).forEach((share, n) => { neurons[n].carried[mix.state] = Math.fround(neurons[n].carried[mix.state] + share); });
  }
  const totals = new Map(gradients.filter(({ time }) => time !== "varying").map(({ name }) => [name, new Float64Array(buffers[name].length)]));
  for (const { n, invariants, carried, accumulated } of neurons) {
    const final = evaluate(backward.epilogue, (role, name) => (role === "accumulated" ? accumulated[name][total] : role === "adjoint" ? carried[name] : invariants[name]));
    for (const { name, time, extent } of gradients) if (time !== "varying") totals.get(name)![indexOf(extent, n, channels)] += final[name];
  }
  for (const [name, values] of totals) buffers[name].set(values);
}

const each = <T>(size: number, of: (n: number) => T): T[] => Array.from({ length: size }, (_, n) => of(n));

/** The values of the neurons of each sample as a row times the matrix of `mix`, or times its transpose; summed in f32 from the first to the last. */
function product({ size, channels = size, buffers }: InterpreterLaunch, value: (n: number) => number, transposed: boolean): number[] {
  const weights = buffers["mix.weights"];
  return each(size, (n) => {
    const to = n % channels;
    let sum = 0;
    for (let from = 0; from < channels; from++) {
      const weight = weights[transposed ? to * channels + from : from * channels + to];
      sum = Math.fround(sum + Math.fround(value(n - to + from) * weight));
    }
    return sum;
  });
}

/** Adds a term to the sums of all levels; `piece` is the piece that it ends, if it ends one. */
function addTerm(sums: number[], term: number, piece: number | null): void {
  sums[0] = Math.fround(sums[0] + term);
  if (piece === null) return;
  for (const { from, to, every } of carries) {
    if (piece % every !== 0) return;
    sums[to] = Math.fround(sums[to] + sums[from]);
    sums[from] = 0;
  }
}

type Leaves = (role: LeafRole, name: string) => number;
type Read = (name: string, t: number, n: number) => number;

const indexOf = (extent: BufferSpec["extent"], n: number, channels: number): number => (extent === "neuron" ? n : extent === "channel" ? n % channels : 0);

/** Reads buffers of a launch: the value that neuron n has at step t. */
export function reader(specs: readonly BufferSpec[], { size, channels = size, buffers }: InterpreterLaunch): Read {
  const layout = new Map(specs.map((spec) => [spec.name, spec]));
  return (name, t, n) => {
    const { time, extent, format } = layout.get(name)!;
    return decodeElement(format, buffers[name][(time === "varying" ? t * size : 0) + indexOf(extent, n, channels)]);
  };
}

const initialState = (plan: Plan, states: readonly string[], given: (name: string) => number): Record<string, number> =>
  Object.fromEntries(states.map((name) => [name, plan.initialState ? given(`state.${name}`) : Math.fround(plan.neuron.state[name])]));

const stepLeaves = (read: Read, t: number, n: number, state: Record<string, number>, invariants: Record<string, number>): Leaves =>
  (role, name) => (role === "state" ? state[name] : role === "invariant" ? invariants[name] : read(name, t, n));

/** Evaluates straight-line code; every result is an f32. */
export function evaluate(block: Block, leaf: Leaves): Record<string, number> {
  const computed: number[] = [];
  for (const value of block.values) {
    if (value.kind === "constant") computed.push(value.value);
    else if (value.kind === "leaf") computed.push(leaf(value.role, value.name));
    else {
      const [a, b, c] = value.args;
      computed.push(Math.fround(operations[value.op].evaluate(computed[a], computed[b], computed[c])));
    }
  }
  return Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, computed[n]]));
}
