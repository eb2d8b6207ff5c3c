import { constant, type Expr, leaf } from "../neuron/expr.ts";
import { contains } from "../neuron/walk.ts";
import { adjoint } from "./adjoint.ts";
import { type Block, lower } from "./block.ts";
import type { BufferSpec } from "./buffers.ts";
import { type Invariant, Invariants } from "./invariants.ts";
import { perNeuron, type Traced } from "./trace.ts";

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

const zero = constant(0);

/**
 * The kernel that runs the steps again, for their states, and then backward. The gradient of an invariant is summed over time; the chain rule from
 * the invariants to the parameters is applied to the sums, once, in the epilogue.
 */
export function planBackward(traced: Traced): BackwardPlan {
  const { states, recomputed, leaves, next, constants, sources, mixed, checkpoints } = traced;
  const invariants = new Invariants(constants);
  const step = invariants.hoist(next);
  const learnt = new Set(traced.gradients.flatMap((name) => leaves.param[name] ?? leaves.input[name] ?? []));
  const summed = invariants.snapshot().filter(({ expr }) => contains(expr, (x) => learnt.has(x)));

  const varying = Object.keys(traced.inputs).filter((name) => traced.inputs[name].time === "varying" && traced.gradients.includes(name));
  const wanted = {
    ...Object.fromEntries(states.map((name) => [`adjoint.${name}`, leaves.state[name]])),
    ...Object.fromEntries(varying.map((name) => [`grad.${name}`, leaves.input[name]])),
    ...Object.fromEntries(summed.map((invariant) => [`sum.${invariant.name}`, invariant.leaf])),
  };
  const found = adjoint(roots(traced, step, invariants), Object.values(wanted));
  const results = Object.fromEntries(Object.keys(wanted).flatMap((name, i) => (found[i] || !name.startsWith("sum.") ? [[name, found[i] ?? zero]] : [])));
  const sums = summed.filter(({ name }) => `sum.${name}` in results);

  const still = traced.gradients.filter((name) => name in traced.params || traced.inputs[name]?.time === "constant");
  const shares = adjoint(sums.map(({ name, expr }) => ({ expr, seed: leaf("accumulated", name) })), still.map((name) => leaves.param[name] ?? leaves.input[name]));
  const last = {
    ...Object.fromEntries(still.map((name, i) => [`grad.${name}`, shares[i] ?? zero])),
    ...Object.fromEntries(states.filter((name) => traced.gradients.includes(`state.${name}`)).map((name) => [`grad.state.${name}`, leaf("adjoint", name)])),
  };
  return {
    buffers: [...sources, ...mixed("in"), ...checkpoints("in"), ...seedBuffers(traced), ...gradientBuffers(traced)],
    advance: lower(Object.fromEntries(recomputed.map((name) => [`state.${name}`, step[name]]))),
    reverse: lower(invariants.hoist(results)),
    epilogue: lower(invariants.hoist(last)),
    ...invariants.prologue(),
  };
}

/** What the gradient of a step starts from: the outputs' seeds, and each state's adjoint, carried back from the step after. */
function roots({ neuron, states, seeds }: Traced, step: Record<string, Expr>, invariants: Invariants): { expr: Expr; seed: Expr }[] {
  const seedOf = (name: string): Expr => (seeds[name] === "constant" ? invariants.add(leaf("seed", name), "neuron") : leaf("seed", name));
  const outputs = neuron.outputs.filter((name) => name in seeds).map((name) => ({ expr: step[name], seed: seedOf(name) }));
  const carried = states.map((name) => {
    const adjointOfState = leaf("adjoint", name);
    return { expr: step[name], seed: `trace.${name}` in seeds ? adjointOfState.add(seedOf(`trace.${name}`)) : adjointOfState };
  });
  return [...outputs, ...carried];
}

const seedBuffers = ({ neuron, seeds, elements }: Traced): BufferSpec[] => Object.entries(seeds).map(([name, time]) => ({
  ...perNeuron(`d.${name}`, "in", name.startsWith("final.") ? "constant" : time),
  format: time === "varying" && neuron.outputs.includes(name) ? elements : "f32",
}));

const gradientBuffers = ({ gradients, inputs, params, elements, mix }: Traced): BufferSpec[] => gradients.map((name) => {
  const extent = params[name] ?? inputs[name]?.extent ?? "neuron";
  const time = inputs[name]?.time ?? "constant";
  return { ...perNeuron(`grad.${name}`, "out", time), extent, format: time === "varying" && name !== mix?.input ? elements : "f32", reduce: extent !== "neuron" };
});
