import { readFileSync } from "node:fs";
import { type Neuron, neurons, surrogate } from "../../src/neuron/index.ts";

interface Case {
  id: string;
  neuron: string;
  options: Record<string, unknown> & { surrogate: { name: string } & Record<string, number> };
  steps: number;
  size: number;
  parameterGradients: Record<string, number>;
  offsets: Record<string, number>;
}

const here = new URL(".", import.meta.url);
const bytes = readFileSync(new URL("cases.bin", here));

/** What a peer computed on random inputs: x, upstream gradient gs, spikes s, membrane v after each step, input gradient gx. */
export const peerCases = (JSON.parse(readFileSync(new URL("cases.json", here), "utf8")) as Case[]).map((given) => ({
  ...given,
  neuron: build(given),
  array: (name: string): Float32Array => new Float32Array(bytes.buffer.slice(bytes.byteOffset + given.offsets[name], bytes.byteOffset + given.offsets[name] + 4 * given.steps * given.size)),
}));

function build({ neuron, options }: Case): Neuron {
  const { name, ...numbers } = options.surrogate;
  const make = surrogate[name as "atan"](numbers);
  const factory = neurons[neuron] as (options: object) => Neuron;
  return factory({ ...options, surrogate: make });
}
