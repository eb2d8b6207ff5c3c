import { checkArgument, show, suggestion, text } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import type { Neuron } from "../define.ts";
import { exponentialIf, izhikevich, quadraticIf } from "./nonlinear.ts";
import { adaptiveLif, adEx, leakyIntegrator, refractoryLif } from "./norse.ts";
import { resonateAndFire } from "./resonate.ts";
import { alpha, lapicque, leaky, synaptic } from "./snntorch.ts";
import { integrateAndFire, lif, parametricLif } from "./spikingjelly.ts";
import { cubaLif, gatedLif, integerLif, klif, liaf } from "./variants.ts";

export {
  adaptiveLif, adEx, alpha, cubaLif, exponentialIf, gatedLif, integerLif, integrateAndFire, izhikevich, klif, lapicque, leaky, leakyIntegrator, liaf, lif, parametricLif, quadraticIf,
  refractoryLif, resonateAndFire, synaptic,
};
export type { ExponentialIfOptions, IzhikevichOptions, QuadraticIfOptions } from "./nonlinear.ts";
export type { AdaptiveLifOptions, AdExOptions, LeakyIntegratorOptions, RefractoryLifOptions } from "./norse.ts";
export type { ResetOptions } from "./reset.ts";
export type { ResonateAndFireOptions } from "./resonate.ts";
export type { AlphaOptions, LapicqueOptions, LeakyOptions, SynapticOptions } from "./snntorch.ts";
export type { LifOptions } from "./spikingjelly.ts";
export type { CubaLifOptions, GatedLifOptions, IntegerLifOptions, KlifOptions, LiafOptions } from "./variants.ts";

/** The built-in neurons by name, with their default options: what the command line offers. */
export const neurons: Readonly<Record<string, () => Neuron>> = {
  lif, integrateAndFire, parametricLif, leaky, synaptic, lapicque, alpha, cubaLif, quadraticIf, exponentialIf, izhikevich, gatedLif, klif, liaf, integerLif,
  adaptiveLif, leakyIntegrator, refractoryLif, adEx, resonateAndFire,
};

/** @throws NeuronError for a name that is not built in. */
export function neuronByName(name: string): Neuron {
  checkArgument("neuronByName", "name", name, text, NeuronError);
  if (!Object.hasOwn(neurons, name)) throw new NeuronError(`unknown neuron ${show(name)}${suggestion(name, Object.keys(neurons))}; built in: ${Object.keys(neurons).join(", ")}`);
  return neurons[name]();
}
