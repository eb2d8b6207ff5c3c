import { checkOptions, flag, fraction, integer, listOf, required } from "../../check.ts";
import { type Neuron, neuronKind } from "../../neuron/define.ts";
import { batchNorm2d } from "../batchNorm.ts";
import { conv2d } from "../conv.ts";
import { dropout } from "../dropout.ts";
import type { Layer } from "../layer.ts";
import { linear } from "../linear.ts";
import { maxPool2d } from "../pooling.ts";
import { rate } from "../readout.ts";
import { sequential } from "../sequential.ts";
import { spiking } from "../spiking.ts";
import { temporalFusionLif } from "./neuron.ts";
import { withOriginalNames } from "./originalNames.ts";
import { pooledLinear } from "./pooledLinear.ts";

export interface VggOptions {
  /** Outputs of the last layer. */
  classes: number;
  /** Channels of the input, [H, W, C]. Default 2: events that brighten and events that darken. */
  inputChannels?: number;
  /** Of all spiking layers. Default: the LIF of temporal fusion. */
  neuron?: Neuron;
  /** Whether each convolution is followed by a batch normalisation. Default true. */
  batchNorm?: boolean;
  /** The last map is averaged to grid × grid positions before the linear layers. Default 7. */
  grid?: number;
  /** Sizes of the hidden linear layers. Default [4096, 4096]. */
  hidden?: readonly number[];
  /** Probability of dropout after each hidden linear layer. Default 0.5. */
  dropout?: number;
}

/**
 * VGG-11 (configuration A of Simonyan & Zisserman, ICLR 2015) with spiking layers for activations: [T, B, H, W, C] → logits [B, classes], the mean over time. For any H, W ≥ 32: frames of events,
 * [128, 128, 2] of DVS Gesture for one. Layers, parameters and their initial distribution are those of SpikingJelly's `spiking_vgg11_bn`, or with `batchNorm: false` of `spiking_vgg11`;
 * nearly all parameters are those of the first linear layer (103 million), so `{ grid: 1, hidden: [] }` makes a network of 9 million.
 * The default neuron is the LIF of temporal fusion (Li et al., ICANN 2024), decay 0.2 and threshold 0.3, with the arctan surrogate.
 * @throws OptionError for options of a wrong kind, and for those that there are not.
 */
export function spikingVgg11(options: VggOptions): Layer {
  checkOptions<VggOptions>("spikingVgg11", options, {
    classes: required(integer(1)), inputChannels: integer(1), neuron: neuronKind, batchNorm: flag, grid: integer(1), hidden: listOf(integer(1)), dropout: fraction,
  });
  const { classes, inputChannels = 2, neuron = temporalFusionLif(), batchNorm = true, grid = 7, hidden = [4096, 4096], dropout: p = 0.5 } = options;
  let from = inputChannels;
  const convolutions = STAGES.flatMap((widths) => [
    ...widths.flatMap((width) => {
      const layers = [conv2d(from, width, { kernel: 3, padding: 1, init: "kaimingFanOut" }), ...(batchNorm ? [batchNorm2d(width)] : []), spiking(neuron)];
      from = width;
      return layers;
    }),
    maxPool2d(2),
  ]);
  const sizes = [...hidden, classes];
  const classifier = sizes.flatMap((size, i) => [
    ...(i > 0 ? [spiking(neuron), dropout(p)] : []),
    i === 0 ? pooledLinear({ grid, channels: from, outputs: size, init: INIT }) : linear(sizes[i - 1], size, { init: INIT }),
  ]);
  const named = (layers: readonly Layer[], part: string) => layers.map((layer, i) => [layer, `${part}.${i}`] as const);
  return withOriginalNames(sequential(...convolutions, ...classifier, rate()), [...named(convolutions, "features"), ...named(classifier, "classifier")]);
}

/** Channels of the convolutions; a maximum over 2 × 2 ends each stage. */
const STAGES = [[64], [128], [256, 256], [512, 512], [512, 512]];
/** Standard deviation of the linear layers' weights. */
const INIT = 0.01;
