import type { Block } from "../../fusion/block.ts";
import type { Invariant } from "../../fusion/invariants.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import { type Dialect, emitBlock } from "./block.ts";
import { indent, tuple } from "./names.ts";

const letters: Partial<Record<LeafRole, string>> = { state: "s_", input: "i_", param: "p_", seed: "d_", adjoint: "adj_", accumulated: "sum_" };

type Part = { readonly invariants: readonly Invariant[]; readonly prologue: Block };

/** What an invariant is called: a parameter by its name, anything made of parameters k0, k1, … */
export function invariantName({ prologue }: Part, name: string): string {
  const value = prologue.values[prologue.results[name]];
  return value.kind === "leaf" ? leafName(value.role, value.name) : name;
}

const leafName = (role: LeafRole, name: string): string => `${letters[role] ?? ""}${name}`;

/** The text of a leaf in a part's blocks. */
export const leavesIn = (part: Part) => (role: LeafRole, name: string): string => (role === "invariant" ? invariantName(part, name) : leafName(role, name));

/** The invariants of which the backward kernel sums terms over time. */
export const sumsOf = ({ backward }: Plan): string[] => Object.keys(backward!.reverse.results).filter((name) => name.startsWith("sum.")).map((name) => name.slice("sum.".length));

/**
 * A step and its derivative as functions of arrays, one value of each neuron: `_before` and `_before_backward` (parameters → what does not change over time),
 * `_step` → outputs and next states, `_reverse` → gradients of inputs, adjoints, terms of sums, `_after` → gradients of parameters and first states.
 */
export function stepFunctions(plan: Plan, dialect: Dialect, full: (value: string, like: string) => string): string {
  const { neuron: { inputs, outputs, params }, states, forward } = plan;
  const backward = plan.backward!;
  const parameters = Object.keys(params);
  const sums = sumsOf(plan);
  const named = (role: LeafRole, names: readonly string[]): string[] => names.map((name) => leafName(role, name));
  const invariants = (part: Part): string[] => part.invariants.map(({ name }) => invariantName(part, name));
  const define = (name: string, args: readonly string[], part: Part, block: Block, results: readonly string[]): string => {
    const { lines, results: found } = emitBlock(block, dialect, "t", leavesIn(part));
    const values = results.map((result) => (found[result].constant === undefined ? found[result].text : full(found[result].text, args[0])));
    return [`def ${name}(${args.join(", ")}):`, ...indent([...lines, `return ${tuple(values)}`])].join("\n");
  };
  return [
    define("_before", named("param", parameters), forward, forward.prologue, forward.invariants.map(({ name }) => name)),
    define("_step", [...named("state", states), ...named("input", inputs), ...invariants(forward)], forward, forward.step, [...outputs, ...states.map((name) => `state.${name}`)]),
    define("_before_backward", named("param", parameters), backward, backward.prologue, backward.invariants.map(({ name }) => name)),
    define("_reverse", [...named("state", states), ...named("input", inputs), ...named("adjoint", states), ...named("seed", outputs), ...invariants(backward)], backward, backward.reverse,
      [...inputs.map((name) => `grad.${name}`), ...states.map((name) => `adjoint.${name}`), ...sums.map((name) => `sum.${name}`)]),
    define("_after", [...named("accumulated", sums), ...named("adjoint", states), ...invariants(backward)], backward, backward.epilogue,
      [...parameters.map((name) => `grad.${name}`), ...states.map((name) => `grad.state.${name}`)]),
  ].join("\n\n\n");
}
