import { checkOptions, flag, integer, oneOf, required } from "../../check.ts";
import { type Neuron, neuronKind } from "../../neuron/define.ts";
import { integrateAndFire } from "../../neuron/library/index.ts";
import { atan } from "../../neuron/surrogate.ts";
import { batchNorm2d } from "../batchNorm.ts";
import { conv2d } from "../conv.ts";
import type { Layer } from "../layer.ts";
import { linear } from "../linear.ts";
import { globalAvgPool2d, maxPool2d } from "../pooling.ts";
import { rate } from "../readout.ts";
import { residual } from "../residual.ts";
import { sequential } from "../sequential.ts";
import { spiking } from "../spiking.ts";
import { temporalFusionLif } from "./neuron.ts";
import { withOriginalNames } from "./originalNames.ts";

export interface ResnetOptions {
  /** Outputs of the last layer. */
  classes: number;
  /** Channels of the input, [H, W, C]. Default 3. */
  inputChannels?: number;
  /** Of all spiking layers. Default: the neuron of the model's paper. */
  neuron?: Neuron;
  /** What comes before the blocks: "imagenet", a convolution of 7 × 7 and a maximum over 3 × 3, each with stride 2; "small", a convolution of 3 × 3. Default "imagenet". */
  stem?: "imagenet" | "small";
  /** Whether the last batch normalisation of each block starts with γ = 0, so that the block is its shortcut at first. Default false. */
  zeroInitResidual?: boolean;
}

/**
 * A ResNet whose activations are spiking layers, that after the addition too: [T, B, H, W, C] → logits [B, classes], the mean over time. For any H and W; layers,
 * parameters and their initial distribution are those of SpikingJelly's `spiking_resnet18`. He et al., CVPR 2016. The default neuron is the LIF of temporal fusion (Li et al.,
 * ICANN 2024), decay 0.2 and threshold 0.3, with the arctan surrogate.
 * @throws OptionError for options of a wrong kind, and for those that there are not.
 */
export const spikingResnet18 = (options: ResnetOptions): Layer => resnet("spikingResnet18", spikingBlock, basic([2, 2, 2, 2]), options);

/** `spikingResnet18` with 34 layers. */
export const spikingResnet34 = (options: ResnetOptions): Layer => resnet("spikingResnet34", spikingBlock, basic([3, 4, 6, 3]), options);

/** `spikingResnet18` with 50 layers, three in a block. */
export const spikingResnet50 = (options: ResnetOptions): Layer => resnet("spikingResnet50", spikingBlock, bottleneck([3, 4, 6, 3]), options);

/**
 * Spike-element-wise ResNet with the connection ADD: a block adds its spikes to those that it was given, so that what passes between blocks are small integers. [T, B, H, W, C] →
 * logits [B, classes], the mean over time. For any H and W; layers, parameters and their initial distribution are those of SpikingJelly's `sew_resnet18`. Fang et al.,
 * "Deep Residual Learning in Spiking Neural Networks", NeurIPS 2021. The default neuron is that paper's: integrate-and-fire, threshold 1, arctan surrogate, reset detached.
 * @throws OptionError for options of a wrong kind, and for those that there are not.
 */
export const sewResnet18 = (options: ResnetOptions): Layer => resnet("sewResnet18", sewBlock, basic([2, 2, 2, 2]), options);

/** `sewResnet18` with 34 layers. */
export const sewResnet34 = (options: ResnetOptions): Layer => resnet("sewResnet34", sewBlock, basic([3, 4, 6, 3]), options);

/** `sewResnet18` with 50 layers, three in a block. */
export const sewResnet50 = (options: ResnetOptions): Layer => resnet("sewResnet50", sewBlock, bottleneck([3, 4, 6, 3]), options);

type Fire = () => Layer;

interface Blocks {
  /** How many there are in each of the four stages. */
  counts: readonly number[];
  /** Outputs of a block for each unit of its width. */
  expansion: number;
  /** The layers of a block up to its last normalisation, whose γ starts with `lastGamma`. */
  body(from: number, width: number, stride: number, fire: Fire, lastGamma: number): Layer[];
}

/** How a block ends. */
interface Connection {
  defaultNeuron: () => Neuron;
  block(body: Layer[], shortcut: Layer[] | undefined, fire: Fire): Layer[];
}

const spikingBlock: Connection = {
  defaultNeuron: temporalFusionLif,
  block: (body, shortcut, fire) => [added(body, shortcut), fire()],
};

const sewBlock: Connection = {
  defaultNeuron: () => integrateAndFire({ detachReset: true, surrogate: atan() }),
  block: (body, shortcut, fire) => [added([...body, fire()], shortcut && [...shortcut, fire()])],
};

const added = (body: Layer[], shortcut: Layer[] | undefined): Layer => (shortcut ? residual(...body, { shortcut: sequential(...shortcut) }) : residual(...body));

const basic = (counts: readonly number[]): Blocks => ({
  counts, expansion: 1,
  body: (from, width, stride, fire, lastGamma) => [...convNorm(from, width, 3, stride), fire(), ...convNorm(width, width, 3, 1, lastGamma)],
});

/** The stride is the middle convolution's, as in torchvision ("ResNet v1.5"). */
const bottleneck = (counts: readonly number[]): Blocks => ({
  counts, expansion: 4,
  body: (from, width, stride, fire, lastGamma) => [
    ...convNorm(from, width, 1), fire(), ...convNorm(width, width, 3, stride), fire(), ...convNorm(width, 4 * width, 1, 1, lastGamma),
  ],
});

function resnet(name: string, { defaultNeuron, block }: Connection, { counts, body, expansion }: Blocks, options: ResnetOptions): Layer {
  checkOptions<ResnetOptions>(name, options, {
    classes: required(integer(1)), inputChannels: integer(1), neuron: neuronKind, stem: oneOf("imagenet", "small"), zeroInitResidual: flag,
  });
  const { classes, inputChannels = 3, neuron = defaultNeuron(), stem = "imagenet", zeroInitResidual = false } = options;
  const fire = () => spiking(neuron);
  const names: [Layer, string][] = [];
  let from = 64;
  const stages = counts.map((count, stage) => {
    const width = 64 * 2 ** stage;
    return sequential(...Array.from({ length: count }, (_, i) => {
      const stride = stage > 0 && i === 0 ? 2 : 1;
      const through = body(from, width, stride, fire, zeroInitResidual ? 0 : 1);
      const outputs = expansion * width;
      const past = stride > 1 || from !== outputs ? convNorm(from, outputs, 1, stride) : undefined;
      from = outputs;
      const layers = block(through, past, fire);
      names.push(...blockNames(layers, `layer${stage + 1}.${i}.`));
      return layers;
    }).flat());
  });
  const first = stem === "imagenet" ? [...convNorm(inputChannels, 64, 7, 2), fire(), maxPool2d(3, { stride: 2, padding: 1 })] : [...convNorm(inputChannels, 64, 3), fire()];
  const last = linear(from, classes);
  names.push(...numbered(first, ""), [last, "fc"]);
  return withOriginalNames(sequential(...first, ...stages, globalAvgPool2d(), last, rate()), names);
}

const WORDS: Readonly<Record<string, string>> = { conv2d: "conv", batchNorm2d: "bn", spiking: "sn", maxPool2d: "maxpool" };

/** conv1, bn1, sn1, conv2, … as torchvision and SpikingJelly call them. */
function numbered(layers: readonly Layer[], prefix: string): [Layer, string][] {
  const counts: Record<string, number> = {};
  return layers.map((layer) => [layer, `${prefix}${WORDS[layer.kind]}${(counts[layer.kind] = (counts[layer.kind] ?? 0) + 1)}`]);
}

function blockNames([sum, ...after]: readonly Layer[], prefix: string): [Layer, string][] {
  const [body, shortcut] = sum.layers();
  const past = ["downsample.0", "downsample.1", "downsample_sn"];
  return [...numbered([...body.layers(), ...after], prefix), ...(shortcut?.layers() ?? []).map((layer, i): [Layer, string] => [layer, `${prefix}${past[i]}`])];
}

const convNorm = (from: number, to: number, kernel: number, stride = 1, gamma = 1): Layer[] => [
  conv2d(from, to, { kernel, stride, padding: (kernel - 1) / 2, bias: false, init: "kaimingFanOut" }), batchNorm2d(to, { init: gamma }),
];
