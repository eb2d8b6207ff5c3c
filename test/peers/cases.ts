import { readFileSync } from "node:fs";
import { type Expr, greater, type Neuron, neurons, surrogate, tanh, where } from "../../src/neuron/index.ts";

interface Case {
  id: string;
  neuron: string;
  options: Record<string, unknown> & { surrogate?: { name: string } & Record<string, number>; activation?: keyof typeof activations };
  /** Values of parameters that the peer starts with at random are its own. */
  parameters: Record<string, number>;
  steps: number;
  size: number;
  parameterGradients: Record<string, number>;
  offsets: Record<string, number>;
}

/** The activations of `liaf`, by PyTorch's names. */
const activations = { relu: (u: Expr) => where(greater(u, 0), u, 0), tanh };

const here = new URL(".", import.meta.url);
const bytes = readFileSync(new URL("cases.bin", here));

/** What a peer computed on random inputs: x, upstream gradient gs, spikes s, membrane v after each step, input gradient gx. */
export const peerCases = (JSON.parse(readFileSync(new URL("cases.json", here), "utf8")) as Case[]).map((given) => ({
  ...given,
  neuron: build(given),
  array: (name: string): Float32Array => new Float32Array(bytes.buffer.slice(bytes.byteOffset + given.offsets[name], bytes.byteOffset + given.offsets[name] + 4 * given.steps * given.size)),
}));

function build({ neuron, options: { surrogate: shape, activation, ...options } }: Case): Neuron {
  const factory = neurons[neuron] as (options: object) => Neuron;
  return factory({ ...options, ...(shape && { surrogate: makeSurrogate(shape) }), ...(activation && { activation: activations[activation] }) });
}

function makeSurrogate({ name, ...numbers }: { name: string } & Record<string, number>) {
  return surrogate[name as "atan"](numbers);
}
