import type { Neuron } from "../../../src/neuron/define.ts";
import { readDefinition } from "../definition/read.ts";
import type { NeuronSource } from "./protocol.ts";

/** The neuron of a text, with its parameters as they are set. Throws DefinitionError. */
export function readNeuron({ source, params }: NeuronSource): Neuron {
  const neuron = readDefinition(source);
  const known = Object.entries(params).filter(([name]) => Object.hasOwn(neuron.params, name));
  return { ...neuron, params: { ...neuron.params, ...Object.fromEntries(known) } };
}
