import { checkOptions, finite, type OptionKinds } from "../../check.ts";
import type { Tensor } from "../../device/device.ts";
import { OptionError } from "../../errors.ts";
import { defineLoss, type Loss, type LossValue } from "../loss.ts";
import { countCorrect } from "./correct.ts";
import { squaredErrorOfSteps } from "./everyStep.ts";
import { lossKinds, type LossOptions, ofProduct } from "./ofRates.ts";
import { labelTarget, lengthsOfOutputs } from "./rows.ts";

export interface SquaredErrorOptions extends LossOptions {
  /** Firing rates wanted of the label's output and of the others; `over: "steps"`: values wanted at each step. Defaults 1 and 0. */
  correct?: number;
  incorrect?: number;
}

const kinds: OptionKinds<SquaredErrorOptions> = { ...lossKinds, correct: finite, incorrect: finite };

/**
 * Mean squared error, over batch and classes, against the rates wanted; of counts, those are multiplied by the steps of each sample too.
 * @throws OptionError for an unknown `of` or `over`, counts of single steps, or wanted rates that are not finite.
 */
export function meanSquaredError(options: SquaredErrorOptions = {}): Loss {
  checkOptions("meanSquaredError", options, kinds);
  const { of = "rate", over = "samples", correct = 1, incorrect = 0 } = options;
  if (over === "steps") {
    if (of === "count") throw new OptionError('meanSquaredError: of: "count" is of rates; over: "steps" sees each step as it is');
    return squaredErrorOfSteps({ correct, incorrect });
  }
  return defineLoss({
    name: "meanSquaredError",
    options: { of, correct, incorrect },
    targets(labels, classes, steps, lengths) {
      const factors = lengthsOfOutputs(labels.length, classes, steps, lengths);
      const wanted = Float32Array.from(factors.data, (factor, i) => (labels[Math.floor(i / classes)] === i % classes ? correct : incorrect) * (of === "count" ? factor : 1));
      return [labelTarget(labels), { data: wanted, shape: factors.shape }, ...(of === "count" ? [factors] : [])];
    },
    evaluate(output, [labels, wanted, factors]) {
      const judge = (x: Tensor): LossValue => ({ ...x.device.dense.meanSquaredError(x, wanted), correct: countCorrect(x, labels) });
      return of === "count" ? ofProduct(output, factors, judge) : judge(output);
    },
  });
}
