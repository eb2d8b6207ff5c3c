import { defineStep, type Neuron } from "./define.ts";

/** How a layer's neurons are connected back to themselves: all to all, or each to itself alone. */
export type RecurrentWeights = "dense" | "elementwise";

/** Names that a recurrent neuron has besides those of the neuron that it is made of. */
export interface RecurrentNames {
  /** The state that holds the spike of the step before. */
  previous: string;
  /** Dense: the input that is made of all neurons' previous spikes. */
  mixed: string;
  /** Elementwise: the parameter that the neuron's own previous spike is multiplied with. */
  weight: string;
  bias: string;
}

/** The names `previous`, `mixed`, `weight` and `bias`, with _ appended where the neuron has such a name. */
export function recurrentNames({ state, inputs, params, outputs }: Neuron): RecurrentNames {
  const taken = new Set([...Object.keys(state), ...inputs, ...Object.keys(params), ...outputs]);
  const free = (name: string): string => (taken.has(name) ? free(`${name}_`) : name);
  return { previous: free("previous"), mixed: free("mixed"), weight: free("weight"), bias: free("bias") };
}

/**
 * The neuron of a recurrent layer: x[t] + (W·s[t − 1] + bias) in place of its only input x[t], where s is its output `spike`. With dense weights W·s is an
 * input, which a plan computes (`mix`); elementwise it is the product of a parameter and the neuron's own previous spike.
 */
export function withRecurrence(neuron: Neuron, weights: RecurrentWeights, hasBias: boolean, names = recurrentNames(neuron)): Neuron {
  const { name, state, params, learnable } = neuron;
  const [input] = neuron.inputs;
  const dense = weights === "dense";
  return defineStep({
    name,
    state: { ...state, [names.previous]: 0 },
    inputs: dense ? [input, names.mixed] : [input],
    params: { ...params, ...(dense ? {} : { [names.weight]: 1 }), ...(hasBias ? { [names.bias]: 0 } : {}) },
    learnable,
    step(states, inputs, values) {
      const recurrent = dense ? inputs[names.mixed] : states[names.previous].mul(values[names.weight]);
      const next = neuron.step(states, { [input]: inputs[input].add(hasBias ? recurrent.add(values[names.bias]) : recurrent) }, values);
      return { ...next, [names.previous]: next.spike };
    },
  });
}
