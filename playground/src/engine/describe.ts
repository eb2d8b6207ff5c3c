import type { Neuron } from "../../../src/neuron/define.ts";
import { constant, type Expr, leaf } from "../../../src/neuron/expr.ts";
import { contains, postOrder } from "../../../src/neuron/walk.ts";
import { printDefinition } from "../definition/print.ts";
import type { NeuronDescription } from "./protocol.ts";
import type { Surrogate } from "../../../src/neuron/surrogate.ts";

export const describeNeuron = (neuron: Neuron): NeuronDescription =>
  ({ name: neuron.name, states: Object.keys(neuron.state), inputs: [...neuron.inputs], params: { ...neuron.params }, text: printDefinition(neuron) });

/** What decides whether a neuron fires. */
interface Firing {
  /** It fires where the potential reaches the threshold: u = potential − threshold. */
  potential: Expr;
  threshold: Expr;
  surrogate: Surrogate;
}

/** The spike that a step's output is made of. */
export function firing(spikeOutput: Expr): Firing {
  const { u, surrogate } = postOrder([spikeOutput]).map(({ node }) => node).findLast((node) => node.kind === "spike")!;
  const [potential, threshold] = u.node.kind === "operation" && u.node.op === "sub" ? u.node.args : [u, constant(0)];
  return { potential, threshold, surrogate };
}

/** The state that the potential depends on: `v` if it does, else the first such. */
export function membraneOf(neuron: Neuron): string | null {
  const leaves = Object.fromEntries(Object.keys(neuron.state).map((name) => [name, leaf("state", name)]));
  const { spike } = neuron.step(leaves, Object.fromEntries(neuron.inputs.map((name) => [name, leaf("input", name)])), Object.fromEntries(Object.keys(neuron.params).map((name) => [name, leaf("param", name)])));
  const { potential } = firing(spike);
  const within = Object.keys(leaves).filter((name) => contains(potential, (x) => x === leaves[name]));
  return within.find((name) => name === "v") ?? within[0] ?? null;
}
