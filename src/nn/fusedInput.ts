import { defineStep, type Neuron } from "../neuron/define.ts";
import { constant, type Expr } from "../neuron/expr.ts";

/** What a spiking layer's kernel adds up to make the neuron's input. */
export type TermKind = "plain" | "affine";

/**
 * Names of the kernel's inputs for each term: `x` or, with scale and shift per channel, `x`, `x_scale`, `x_shift`; `x_residual`… for the second. A name that the neuron has
 * for something of its own gets a _ at its end.
 */
export function termInputs(neuron: Neuron, kinds: readonly TermKind[]): string[][] {
  const [input] = neuron.inputs;
  const taken = [...Object.keys(neuron.state), ...Object.keys(neuron.params), ...neuron.outputs];
  const free = (name: string): string => (taken.includes(name) ? free(`${name}_`) : name);
  return kinds.map((kind, i) => {
    const name = i === 0 ? input : `${input}_residual`;
    return (kind === "plain" ? [name] : [name, `${name}_scale`, `${name}_shift`]).map(free);
  });
}

/**
 * The neuron with its first input, the only one but for that of a recurrent product, replaced by a sum of terms, plain x or x·scale + shift, and with the parameters that nobody
 * learns as constants.
 */
export function withTerms(neuron: Neuron, terms: readonly TermKind[], learnt: readonly string[]): Neuron {
  const params = Object.keys(neuron.params);
  const [input, ...others] = neuron.inputs;
  if (terms.length === 1 && terms[0] === "plain" && params.every((name) => learnt.includes(name))) return neuron;
  const fixed = Object.fromEntries(params.filter((name) => !learnt.includes(name)).map((name) => [name, constant(neuron.params[name])]));
  const names = termInputs(neuron, terms);
  return defineStep({
    name: neuron.name,
    state: neuron.state,
    inputs: [...names.flat(), ...others],
    params: Object.fromEntries(learnt.map((name) => [name, neuron.params[name]])),
    step(state, inputs, learntParams) {
      const values = names.map(([x, scale, shift]): Expr => (scale ? inputs[x].mul(inputs[scale]).add(inputs[shift]) : inputs[x]));
      const sum = values.reduce((a, b) => a.add(b));
      return neuron.step(
        state, { ...Object.fromEntries(others.map((name) => [name, inputs[name]])), [input]: sum }, { ...fixed, ...Object.fromEntries(learnt.map((name) => [name, learntParams[name]])) },
      );
    },
  });
}
