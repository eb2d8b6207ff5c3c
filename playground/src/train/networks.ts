import type { Neuron } from "../../../src/neuron/define.ts";
import { batchNorm2d, conv2d, flatten, type Layer, linear, maxPool2d, rate, sequential, spiking } from "../../../src/nn/index.ts";
import { mlp } from "../../../src/train/models.ts";
import type { NetworkName } from "./settings.ts";

/** A block of the small convolutional network: 3 × 3, batch norm, neurons, maxima over 2 × 2. */
const block = (from: number, to: number, neuron: Neuron): Layer[] =>
  [conv2d(from, to, { kernel: 3, padding: 1, bias: false }), batchNorm2d(to), spiking(neuron), maxPool2d(2)];

const builders: Readonly<Record<NetworkName, (neuron: Neuron) => Layer>> = {
  mlp: (neuron) => mlp({ neuron, hidden: [256] }),
  deep: (neuron) => mlp({ neuron, hidden: [256, 128] }),
  conv: (neuron) => sequential(...block(1, 8, neuron), ...block(8, 16, neuron), flatten(), linear(7 * 7 * 16, 10), spiking(neuron), rate()),
};

export const buildNetwork = (name: NetworkName, neuron: Neuron): Layer => builders[name](neuron);
