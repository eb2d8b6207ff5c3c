import "../dispose.ts";
import { checkArgument, checkOptions, finite, kind, listOf, notNegative, object, oneOf, type OptionKinds, required, suggestion, text } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { OptionError } from "../errors.ts";
import { leaves, type Model } from "../nn/model.ts";
import { overTime } from "../nn/readout.ts";
import { sumOverRanks, weightOf } from "../nn/statistics.ts";
import { runStep } from "../nn/step.ts";
import type { Tape } from "../nn/tape.ts";
import type { Variable } from "../nn/variable.ts";
import { defineStep, type Neuron } from "../neuron/define.ts";
import { abs, maximum, minimum, where } from "../neuron/expr.ts";

/** Something that is added to the loss of what spiking layers do. */
export interface Regularizer {
  readonly name: string;
  readonly options: Readonly<Record<string, string | number | readonly string[] | undefined>>;
  /** Names or paths of spiking layers. Default: all that hand on spikes. */
  readonly layers: readonly string[] | undefined;
  /**
   * Puts the penalty of a layer's spikes, [T, B, ...], on the tape, so that its gradient comes back to them. Returns it, [1], for the caller. Where a batch lies on several processes, penalties
   * and their gradients are summed over them, and `tape.share` says which samples these are.
   */
  penalize(tape: Tape, spikes: Variable): Tensor;
}

export interface RateRegularizerOptions {
  /** The factor of the penalty. */
  weight: number;
  /** Spiking layers by name, "1: spiking(lif)", or by path, "1". Default: all that hand on spikes. */
  layers?: readonly string[];
  /** The rate wanted, in spikes per neuron and step. Default 0. */
  target?: number;
  /** |rate − target|, or its square. Default "l2". */
  norm?: "l1" | "l2";
  /** Whose rate: that of each neuron over the batch, of each neuron in each sample, or of the whole layer. The penalty is the mean over them. Default "neuron". */
  of?: "neuron" | "sample" | "layer";
  /** Whether rates above the target, below it or both are penalised. Default "both". */
  side?: "both" | "above" | "below";
}

const layersKind = listOf(text);
const rateKinds: OptionKinds<RateRegularizerOptions> = {
  weight: required(notNegative), layers: layersKind, target: finite, norm: oneOf("l1", "l2"), of: oneOf("neuron", "sample", "layer"), side: oneOf("both", "above", "below"),
};

/**
 * weight · mean of |rate − target|, or of its square, for each spiking layer: draws firing rates to a target, holds them below one, or wakes silent neurons (`side: "below"`). Rates are over valid steps.
 * @throws OptionError for options out of range.
 */
export function rateRegularizer(options: RateRegularizerOptions): Regularizer {
  checkOptions("rateRegularizer", options, rateKinds);
  const { weight, layers, target = 0, norm = "l2", of = "neuron", side = "both" } = options;
  const step = distanceTo(target, norm, side);
  return {
    name: "rateRegularizer",
    options: { weight, layers, target, norm, of, side },
    layers,
    penalize: (tape, spikes) => penalty(tape, overTime(tape, spikes, "mean"), { step, of, factor: weight, mean: true }),
  };
}

export interface SpikeCountRegularizerOptions {
  /** The factor of the number of spikes. */
  weight: number;
  /** As `rateRegularizer` has them. */
  layers?: readonly string[];
}

const countKinds: OptionKinds<SpikeCountRegularizerOptions> = { weight: required(notNegative), layers: layersKind };

/**
 * weight · the number of all spikes of the batch at valid steps: snnTorch's `l1_rate_sparsity`.
 * @throws OptionError for options out of range.
 */
export function spikeCountRegularizer(options: SpikeCountRegularizerOptions): Regularizer {
  checkOptions("spikeCountRegularizer", options, countKinds);
  const { weight, layers } = options;
  return {
    name: "spikeCountRegularizer",
    options: { weight, layers },
    layers,
    penalize: (tape, spikes) => penalty(tape, overTime(tape, spikes, "sum"), { step: itself, of: "sample", factor: weight, mean: false }),
  };
}

/** Of a rate: the penalty, and its slope. */
function distanceTo(target: number, norm: "l1" | "l2", side: "both" | "above" | "below"): Neuron {
  return defineStep({
    name: "distance", state: {}, inputs: ["rate"],
    step(_, { rate }) {
      const away = rate.sub(target);
      const counted = side === "both" ? away : side === "above" ? maximum(away, 0) : minimum(away, 0);
      return norm === "l2" ? { penalty: counted.square(), slope: counted.mul(2) } : { penalty: abs(counted), slope: where(counted.greater(0), 1, where(counted.less(0), -1, 0)) };
    },
  });
}

/** Counts are linear in the spikes: a neuron that is silent has a slope too. */
const itself = defineStep({ name: "count", state: {}, inputs: ["rate"], step: (_, { rate }) => ({ penalty: rate, slope: rate.mul(0).add(1) }) });

interface Penalty {
  step: Neuron;
  of: "neuron" | "sample" | "layer";
  /** The factor of the sum over rates, or of their mean. */
  factor: number;
  mean: boolean;
}

/** Puts a penalty of rates [B, ...] on the tape, whose gradient comes back to them, and returns it, [1]. */
function penalty(tape: Tape, rates: Variable, { step, of, factor, mean }: Penalty): Tensor {
  const { dense } = tape.device;
  const { value, batch } = rates;
  const { share } = tape;
  const counts = share?.own === 0 ? 0 : 1;
  // Values of the whole batch.
  const values = (value.size / batch) * (share?.all ?? batch);
  const all = of === "layer" ? values : (share?.all ?? batch);
  using averaged = of === "sample" ? value.reshape([value.size]) : of === "neuron" ? dense.sumFirst(value, counts / all) : sumOfAll(value, counts / all);
  if (share && of !== "sample") sumOverRanks(share.group, averaged);
  using rate = averaged.reshape([averaged.size]);
  const { penalty: each, slope } = runStep(tape.device, step, { inputs: { rate }, size: rate.size });
  using distances = each;
  tape.record({
    inputs: [rates], outputs: [], saved: [slope], always: true,
    backward() {
      using spread = dense.repeatFirst(slope, value.size / slope.size, counts * (mean ? factor / values : factor));
      return [spread.reshape(value.shape)];
    },
  });
  // Rates of the whole batch are the same on all ranks, those of samples each on one.
  const own = of === "sample" ? counts : share ? weightOf(share) : 1;
  return sumOfAll(distances, own * (mean ? factor / (of === "sample" ? values : distances.size) : factor));
}

function sumOfAll(x: Tensor, factor: number): Tensor {
  const { dense } = x.device;
  using column = x.reshape([x.size, 1]);
  const sum = dense.channelSums(column);
  dense.scale(sum, factor);
  return sum;
}

export const regularizersKind = kind("a list of regularisers: [rateRegularizer({ weight: 0.1, target: 0.05 })]", (x) =>
  Array.isArray(x) && x.every((each) => object.accepts(each) && text.accepts((each as Regularizer).name) && typeof (each as Regularizer).penalize === "function"));

const names = (layer: string): string[] => [layer, layer.split(": ")[0]];

/** @throws OptionError for a layer that the model does not have, or that does not spike. */
export function checkRegularizers(regularizers: readonly Regularizer[], model: Model): void {
  checkArgument("new Trainer", "regularizers", regularizers, regularizersKind);
  const spiking = leaves(model.body).filter((layer) => layer.endsInSpikes()).map(({ name }) => name);
  for (const { name: regularizer, layers = [] } of regularizers) {
    for (const layer of layers) {
      if (!spiking.some((known) => names(known).includes(layer))) throw new OptionError(`${regularizer}: the model has no spiking layer ${JSON.stringify(layer)}${suggestion(layer, spiking)}; it has ${spiking.join(", ") || "none"}`);
    }
  }
}

/** The penalties of one forward pass. */
export class Penalties {
  readonly #regularizers: readonly Regularizer[];
  readonly #seen = new Set<string>();
  #total: Tensor | undefined;
  #isThrough = false;

  constructor(regularizers: readonly Regularizer[]) {
    this.#regularizers = regularizers;
  }

  /** For the tape. What is computed again in the backward pass counts no more. */
  readonly add = (tape: Tape, layer: string, spikes: Variable): void => {
    this.#seen.add(layer);
    for (const { layers, penalize } of this.#regularizers) {
      if (layers && !names(layer).some((name) => layers.includes(name))) continue;
      const value = penalize(tape, spikes);
      if (this.#isThrough) value.dispose();
      else if (!this.#total) this.#total = value;
      else {
        value.device.dense.addInto(this.#total, value, 1);
        value.dispose();
      }
    }
  };

  /** `[1]`, to be called once the forward pass is through; it stays this object's. @throws OptionError for a layer that handed on no spikes. */
  total(): Tensor {
    this.#isThrough = true;
    for (const { name, layers = [] } of this.#regularizers) {
      const missing = layers.find((wanted) => ![...this.#seen].some((layer) => names(layer).includes(wanted)));
      if (missing !== undefined) throw new OptionError(`${name}: the spikes of layer ${JSON.stringify(missing)} are not computed: what follows reads its membrane, or nothing does`);
    }
    if (!this.#total) throw new OptionError("regularizers: no spiking layer hands on spikes");
    return this.#total;
  }

  dispose(): void {
    this.#total?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
