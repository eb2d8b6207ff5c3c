import { evaluate, type InterpreterLaunch, reader } from "../../src/codegen/interpreter.ts";
import { lower } from "../../src/fusion/block.ts";
import type { Plan } from "../../src/fusion/plan.ts";
import { operandsOf } from "../../src/neuron/walk.ts";
import type { Expr } from "../../src/neuron/expr.ts";

/** Below this |u|, a spike(u) may be one or not: a kernel that contracts a product and a sum rounds u differently. */
export const TIE = 1e-6;

/** Neuron n along the interpreter's trajectory: the smallest |u| of the step's spikes, at each step. */
export function spikeMargins(plan: Plan, launch: InterpreterLaunch, n: number): number[] {
  const { neuron, states } = plan;
  const spikes = [...spikesOf(Object.values(neuron.next))];
  const block = lower({ ...neuron.next, ...Object.fromEntries(spikes.map((u, i) => [`u${i}.`, u])) });
  const read = reader(plan.forward.buffers, launch);
  let state = Object.fromEntries(states.map((name) => [name, plan.initialState ? read(`state.${name}`, 0, n) : Math.fround(neuron.state[name])]));
  return Array.from({ length: launch.steps }, (_, t) => {
    const result = evaluate(block, (role, name) => (role === "state" ? state[name] : read(name, t, n)));
    state = Object.fromEntries(states.map((name) => [name, result[name]]));
    return Math.min(...spikes.map((_u, i) => Math.abs(result[`u${i}.`])));
  });
}

/** What the spikes below some expressions are spikes of. */
function spikesOf(roots: readonly Expr[]): Set<Expr> {
  const found = new Set<Expr>();
  const visited = new Set<Expr>();
  const visit = (x: Expr): void => {
    if (visited.has(x)) return;
    visited.add(x);
    if (x.node.kind === "spike") found.add(x.node.u);
    operandsOf(x).forEach(visit);
  };
  roots.forEach(visit);
  return found;
}
