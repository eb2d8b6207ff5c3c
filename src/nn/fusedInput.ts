import { defineNeuron, type Neuron } from "../neuron/define.ts";
import { constant, type Expr } from "../neuron/expr.ts";

/** What a spiking layer's kernel adds up to make the neuron's input. */
export type TermKind = "plain" | "affine";

/** Names of the kernel's inputs for a term: `x` or, with scale and shift per channel, `x`, `x_scale`, `x_shift`; `x_residual`… for the second. */
export function termInputs(input: string, kind: TermKind, index: number): string[] {
  const name = index === 0 ? input : `${input}_residual`;
  return kind === "plain" ? [name] : [name, `${name}_scale`, `${name}_shift`];
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
  const names = terms.map((kind, i) => termInputs(input, kind, i));
  return defineNeuron<string, string, string>({
    name: neuron.name,
    state: neuron.state,
    inputs: [...names.flat(), ...others],
    params: Object.fromEntries(learnt.map((name) => [name, neuron.params[name]])),
    step(state, inputs, learntParams) {
      const values = names.map(([x, scale, shift]): Expr => (scale ? inputs[x].mul(inputs[scale]).add(inputs[shift]) : inputs[x]));
      const sum = values.reduce((a, b) => a.add(b));
      return neuron.step(state, { ...Object.fromEntries(others.map((name) => [name, inputs[name]])), [input]: sum }, { ...fixed, ...Object.fromEntries(learnt.map((name) => [name, learntParams[name]])) }) as Record<string, Expr> & { spike: Expr };
    },
  });
}
