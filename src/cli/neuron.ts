import { type Neuron, neuronByName, neurons } from "../neuron/index.ts";
import { UsageError } from "./command.ts";

/** For usage texts. */
export const neuronNames = Object.keys(neurons).join(", ");

/** The built-in neuron that is a command's first argument. */
export function requiredNeuron([name]: readonly string[]): Neuron {
  if (name === undefined) throw new UsageError(`which neuron? ${neuronNames}`);
  if (!Object.hasOwn(neurons, name)) throw new UsageError(`unknown neuron ${JSON.stringify(name)}; built in: ${neuronNames}`);
  return neuronByName(name);
}
