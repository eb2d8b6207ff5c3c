import { suggestion } from "../check.ts";
import { type Neuron, neuronByName, neurons } from "../neuron/index.ts";
import { UsageError } from "./command.ts";
import { isNeuronFile, neuronFromFile } from "./neuronFile.ts";

const names = Object.keys(neurons);

/** For usage texts: what may stand for NEURON. */
export const neuronHelp = `${names.join(", ")}, or a module of yours: FILE.mjs, FILE.mjs#EXPORT`;

/** The neuron that is a command's first argument. */
export function requiredNeuron([given]: readonly string[]): Promise<Neuron> {
  if (given === undefined) throw new UsageError(`which neuron? ${neuronHelp}`);
  return chosenNeuron(given);
}

/**
 * A built-in neuron with its default options, by name, or one that a module exports.
 * @throws UsageError for a name that is neither; NeuronError or FileFormatError as `neuronFromFile`.
 */
export async function chosenNeuron(given: string): Promise<Neuron> {
  if (names.includes(given)) return neuronByName(given);
  if (isNeuronFile(given)) return neuronFromFile(given);
  throw unknownNeuron(given);
}

export const unknownNeuron = (given: string): UsageError => new UsageError(`unknown neuron ${JSON.stringify(given)}${suggestion(given, names) || ":"} expected ${neuronHelp}`);
