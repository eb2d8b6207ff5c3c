import { checkOptions, integer, notNegative, oneOf, type OptionKinds } from "../../check.ts";
import { ShapeError } from "../../errors.ts";
import { defineStep, type Neuron } from "../../neuron/define.ts";
import { abs, detach, div, type Expr, where } from "../../neuron/expr.ts";
import { defineLoss, type Loss } from "../loss.ts";
import { afterFold, countCorrectAfter } from "./overTime.ts";
import { labelTarget, lengthsOfOutputs } from "./rows.ts";

/**
 * What `score` makes of the time of the first spike, counted from 0; that of an output that never fires is its last valid step. A spike time has no derivative with respect to the spikes: as
 * in snnTorch, −1 stands in for it at the first spike, or at the last step where there is none.
 */
const firstSpike = (name: string, inputs: readonly string[], score: (time: Expr, given: Record<string, Expr>) => Expr): Neuron => defineStep({
  name, state: { score: 0, fired: 0, t: 0 }, inputs: ["x", "length", ...inputs],
  step({ score: before, fired, t }, given) {
    const { x, length } = given;
    const isFirst = fired.equal(0).logicalAnd(t.less(length)).logicalAnd(x.notEqual(0).logicalOr(t.equal(length.sub(1))));
    const time = t.sub(x.sub(detach(x)));
    return { score: where(isFirst, score(time, given), before), fired: where(isFirst, 1, fired), t: t.add(1) };
  },
});

const inverses = {
  negate: firstSpike("firstSpikeNegated", [], (time) => time.neg()),
  reciprocal: firstSpike("firstSpikeReciprocal", [], (time) => div(1, time.add(1))),
};

/** As shares of the steps. */
const withTolerance = (tolerance: number): Neuron =>
  firstSpike("firstSpikeShare", ["wanted"], (time, { wanted, length }) => where(abs(time.sub(wanted)).less(tolerance), wanted, time).div(length));

export interface SpikeTimeCrossEntropyOptions {
  /** What the softmax sees of a time t, so that an earlier spike is more: −t, or 1 / (t + 1). Default "negate". */
  inverse?: "negate" | "reciprocal";
}

const crossEntropyKinds: OptionKinds<SpikeTimeCrossEntropyOptions> = { inverse: oneOf("negate", "reciprocal") };

/**
 * Cross-entropy of the times of the outputs' first spikes, in steps: the label's is to fire first. Of a model that ends with `everyStep()`. snnTorch's `ce_temporal_loss`, its stand-in for the derivative of a
 * time included.
 * @throws OptionError for an unknown `inverse`.
 */
export function spikeTimeCrossEntropy(options: SpikeTimeCrossEntropyOptions = {}): Loss {
  checkOptions("spikeTimeCrossEntropy", options, crossEntropyKinds);
  const { inverse = "negate" } = options;
  return defineLoss({
    name: "spikeTimeCrossEntropy",
    options: { inverse },
    over: "steps",
    targets: (labels, classes, steps, lengths) => [labelTarget(ofSamples("spikeTimeCrossEntropy", labels, lengths)), lengthsOfOutputs(labels.length, classes, steps, lengths)],
    evaluate: (output, [labels, length]) => afterFold(output, { neuron: inverses[inverse], state: "score", given: { length } }, (scores) => scores.device.dense.softmaxCrossEntropy(scores, labels)),
  });
}

export interface SpikeTimeSquaredErrorOptions {
  /** Steps at which the label's output and the others are to fire first, from 0; negative: counted from the sample's end, −1 is its last step. Defaults 0 and −1. */
  correct?: number;
  incorrect?: number;
  /** Times that are nearer than this to those wanted are right. Default 0. */
  tolerance?: number;
}

const squaredErrorKinds: OptionKinds<SpikeTimeSquaredErrorOptions> = { correct: integer(-1e6), incorrect: integer(-1e6), tolerance: notNegative };

/**
 * Mean squared error, over batch and classes, of the times of the outputs' first spikes, as shares of the sample's steps, against those wanted. Of a model that ends with `everyStep()`. snnTorch's
 * `mse_temporal_loss` of first spikes, its stand-in for the derivative of a time included.
 * @throws OptionError for times that are no integers, or a tolerance that is no number ≥ 0.
 */
export function spikeTimeSquaredError(options: SpikeTimeSquaredErrorOptions = {}): Loss {
  checkOptions("spikeTimeSquaredError", options, squaredErrorKinds);
  const { correct = 0, incorrect = -1, tolerance = 0 } = options;
  const neuron = withTolerance(tolerance);
  return defineLoss({
    name: "spikeTimeSquaredError",
    options: { correct, incorrect, tolerance },
    over: "steps",
    targets(labels, classes, steps, lengths) {
      const length = lengthsOfOutputs(ofSamples("spikeTimeSquaredError", labels, lengths).length, classes, steps, lengths);
      const wanted = Float32Array.from(length.data, (own, i) => {
        const time = labels[Math.floor(i / classes)] === i % classes ? correct : incorrect;
        return time < 0 ? own + time : time;
      });
      const of = (data: Float32Array) => ({ data, shape: length.shape });
      return [labelTarget(labels), length, of(wanted), of(wanted.map((time, i) => time / length.data[i]))];
    },
    evaluate: (output, [labels, length, wanted, goal]) => afterFold(output, { neuron, state: "score", given: { length, wanted } }, (times) => ({
      ...times.device.dense.meanSquaredError(times, goal),
      correct: countCorrectAfter(output, { neuron: inverses.negate, state: "score", given: { length } }, labels),
    })),
  });
}

function ofSamples(loss: string, labels: Int32Array, lengths: Int32Array | undefined): Int32Array {
  if (lengths && labels.length !== lengths.length) throw new ShapeError(`${loss} takes one label for each sample: an output fires first once, whatever the labels of its steps are`);
  return labels;
}
