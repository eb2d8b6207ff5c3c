import { checkOptions, flag, integer, listOf, type OptionKinds, required } from "../check.ts";
import { type Neuron, neuronKind } from "../neuron/define.ts";
import { leaky, lif } from "../neuron/library/index.ts";
import { atan } from "../neuron/surrogate.ts";
import {
  batchNorm2d, conv2d, flatten, type Layer, linear, maxPool2d, meanMembrane, rate, recurrent, type ResnetOptions, sequential, sewResnet18, sewResnet34, sewResnet50, spiking, spikingResnet18, spikingResnet34, spikingResnet50,
} from "../nn/index.ts";

/** The reference models' neuron: LIF with the arctan surrogate. */
export interface ReferenceNeuron {
  /** Membrane time constant in steps. */
  tau: number;
  threshold: number;
  reset: "hard" | "soft";
  /** Whether the input is divided by tau. */
  decayInput: boolean;
  detachReset: boolean;
  /** Of the surrogate. */
  alpha: number;
}

export const referenceNeuron = ({ alpha, ...options }: ReferenceNeuron): Neuron => lif({ ...options, surrogate: atan({ alpha }) });

export interface MlpOptions {
  neuron: Neuron;
  /** Default 784, a flattened 28 × 28 image. */
  inputs?: number;
  /** Sizes of the hidden layers. Default [512, 512]. */
  hidden?: readonly number[];
  /** Default 10. */
  classes?: number;
  /** Whether the hidden layers are connected back to themselves, all to all. Default false. */
  recurrent?: boolean;
}

const mlpKinds: OptionKinds<MlpOptions> = { neuron: required(neuronKind), inputs: integer(1), hidden: listOf(integer(1)), classes: integer(1), recurrent: flag };

const hiddenLayers = ({ neuron, hidden, recurrent: isRecurrent }: Required<MlpOptions>, inputs: number): Layer[] =>
  hidden.flatMap((size, i) => [linear(i === 0 ? inputs : hidden[i - 1], size), isRecurrent ? recurrent(neuron) : spiking(neuron)]);

/** Linear layers, a spiking one after each; reads out the firing rates of the last. */
export function mlp(options: MlpOptions): Layer {
  checkOptions("mlp", options, mlpKinds);
  const { neuron, inputs = 784, hidden = [512, 512], classes = 10, recurrent = false } = options;
  const all = { neuron, inputs, hidden, classes, recurrent };
  return sequential(flatten(), ...hiddenLayers(all, inputs), linear(hidden.at(-1) ?? inputs, classes), spiking(neuron), rate());
}

/** Decay of the integrators that read a sequence out. */
const READOUT_DECAY = 0.95;

/** As `mlp`, for signals over time: in place of the last spiking layer there are leaky integrators that never fire, whose mean membranes are the logits. */
export function sequenceMlp(options: MlpOptions): Layer {
  checkOptions("sequenceMlp", options, mlpKinds);
  const { neuron, inputs = 784, hidden = [256], classes = 10, recurrent = false } = options;
  const all = { neuron, inputs, hidden, classes, recurrent };
  return sequential(flatten(), ...hiddenLayers(all, inputs), linear(hidden.at(-1) ?? inputs, classes), spiking(leaky({ beta: READOUT_DECAY, reset: "none" })), meanMembrane());
}

export interface ConvOptions {
  neuron: Neuron;
  /** Input channels. Default 1. */
  channels?: number;
  /** Height and width of the input, ≥ 4. Default 28. */
  size?: number;
  /** Default 10. */
  classes?: number;
}

/** 32C3-P2-64C3-P2-classes with batch norm: convolutions of 3 × 3, maxima over 2 × 2; reads out firing rates. */
export function conv(options: ConvOptions): Layer {
  checkOptions<ConvOptions>("conv", options, { neuron: required(neuronKind), channels: integer(1), size: integer(4), classes: integer(1) });
  const { neuron, channels = 1, size = 28, classes = 10 } = options;
  const block = (from: number, to: number) => [conv2d(from, to, { kernel: 3, padding: 1, bias: false }), batchNorm2d(to), spiking(neuron), maxPool2d(2)];
  const pooled = Math.floor(Math.floor(size / 2) / 2);
  return sequential(...block(channels, 32), ...block(32, 64), flatten(), linear(64 * pooled * pooled, classes), spiking(neuron), rate());
}

/** A reference model and what it is trained with unless asked otherwise. */
export interface ReferenceModel {
  build(options: { neuron: Neuron }): Layer;
  neuron: ReferenceNeuron;
  epochs: number;
  /** T. */
  steps: number;
  batch: number;
  lr: number;
  /** What the cross-entropy sees: spike counts, or logits as the model reads them out. */
  loss: "count" | "rate";
}

const neuron: ReferenceNeuron = { tau: 2, threshold: 1, reset: "soft", decayInput: false, detachReset: true, alpha: 2 };

/** Integrates as the paper of temporal fusion has it, in SpikingJelly's terms: decay 0.2, threshold 0.3. */
const resnetNeuron: ReferenceNeuron = { tau: 1.25, threshold: 0.3, reset: "hard", decayInput: false, detachReset: false, alpha: 2 };
const sewNeuron: ReferenceNeuron = { tau: 2, threshold: 1, reset: "hard", decayInput: false, detachReset: true, alpha: 2 };

/** Of images of 28 × 28 × 1, ten classes. */
const resnet = (make: (options: ResnetOptions) => Layer, neuron: ReferenceNeuron): ReferenceModel => ({
  build: (options) => make({ ...options, classes: 10, inputChannels: 1 }), neuron, epochs: 5, steps: 4, batch: 100, lr: 1e-3, loss: "rate",
});

export type ReferenceModelName = "mlp" | "conv" | `${"spiking" | "sew"}-resnet${18 | 34 | 50}`;

export const referenceModels: Readonly<Record<ReferenceModelName, ReferenceModel>> = {
  mlp: { build: mlp, neuron, epochs: 4, steps: 8, batch: 128, lr: 2e-3, loss: "count" },
  // Batch norm drives the neurons harder than an image does.
  conv: { build: conv, neuron: { ...neuron, threshold: 1.5, decayInput: true }, epochs: 3, steps: 8, batch: 32, lr: 2e-3, loss: "count" },
  "spiking-resnet18": resnet(spikingResnet18, resnetNeuron),
  "spiking-resnet34": resnet(spikingResnet34, resnetNeuron),
  "spiking-resnet50": resnet(spikingResnet50, resnetNeuron),
  "sew-resnet18": resnet(sewResnet18, sewNeuron),
  "sew-resnet34": resnet(sewResnet34, sewNeuron),
  "sew-resnet50": resnet(sewResnet50, sewNeuron),
};
