import { checkOptions } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import { defineLoss, type Loss } from "../loss.ts";
import { crossEntropyOfSteps } from "./everyStep.ts";
import { lossKinds, type LossOptions, ofProduct } from "./ofRates.ts";
import { labelTarget, lengthsOfOutputs } from "./rows.ts";

/**
 * Cross-entropy of softmax(outputs) against the labels.
 * @throws OptionError for an unknown `of` or `over`, or counts of single steps.
 */
export function crossEntropy(options: LossOptions = {}): Loss {
  checkOptions("crossEntropy", options, lossKinds);
  const { of = "rate", over = "samples" } = options;
  if (over === "steps") {
    if (of === "count") throw new OptionError('crossEntropy: of: "count" is of rates; over: "steps" sees each step as it is');
    return crossEntropyOfSteps();
  }
  return defineLoss({
    name: "crossEntropy",
    options: { of },
    targets: (labels, classes, steps, lengths) => [labelTarget(labels), ...(of === "count" ? [lengthsOfOutputs(labels.length, classes, steps, lengths)] : [])],
    evaluate: (output, [labels, lengths]) => of === "count"
      ? ofProduct(output, lengths, (counts) => counts.device.dense.softmaxCrossEntropy(counts, labels))
      : output.device.dense.softmaxCrossEntropy(output, labels),
  });
}
