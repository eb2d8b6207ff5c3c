import { checkArgument, show, suggestion, text } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import type { Neuron } from "../define.ts";
import { leaky, synaptic } from "./snntorch.ts";
import { integrateAndFire, lif, parametricLif } from "./spikingjelly.ts";

export { integrateAndFire, lif, parametricLif, leaky, synaptic };
export type { LifOptions, ResetOptions } from "./spikingjelly.ts";
export type { LeakyOptions, SynapticOptions } from "./snntorch.ts";

/** The built-in neurons by name, with their default options: what the command line offers. */
export const neurons: Readonly<Record<string, () => Neuron>> = { lif, integrateAndFire, parametricLif, leaky, synaptic };

/** @throws NeuronError for a name that is not built in. */
export function neuronByName(name: string): Neuron {
  checkArgument("neuronByName", "name", name, text, NeuronError);
  if (!Object.hasOwn(neurons, name)) throw new NeuronError(`unknown neuron ${show(name)}${suggestion(name, Object.keys(neurons))}; built in: ${Object.keys(neurons).join(", ")}`);
  return neurons[name]();
}
