import type { Neuron } from "../../../src/neuron/define.ts";
import { firing } from "../../../src/neuron/firing.ts";
import { contains } from "../../../src/neuron/walk.ts";
import { printDefinition } from "../definition/print.ts";
import type { NeuronDescription } from "./protocol.ts";

export const describeNeuron = (neuron: Neuron): NeuronDescription =>
  ({ name: neuron.name, states: Object.keys(neuron.state), inputs: [...neuron.inputs], params: { ...neuron.params }, text: printDefinition(neuron) });

/** The state that the potential depends on: `v` if it does, else the first such. */
export function membraneOf({ next, state }: Neuron): string | null {
  const states = Object.keys(state);
  const { potential } = firing(next, states);
  const within = states.filter((name) => contains(potential, ({ node }) => node.kind === "leaf" && node.role === "state" && node.name === name));
  return within.find((name) => name === "v") ?? within[0] ?? null;
}
