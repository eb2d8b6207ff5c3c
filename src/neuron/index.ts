export * from "./expr.ts";
export * as surrogate from "./surrogate.ts";
export type { Surrogate } from "./surrogate.ts";
export { defineNeuron, type Neuron, type NeuronDefinition } from "./define.ts";
export * from "./library/index.ts";
