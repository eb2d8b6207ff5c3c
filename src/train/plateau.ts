import { checkOptions, fraction, integer, notNegative, oneOf, type OptionKinds, share } from "../check.ts";
import { isBetter, metricKind, type MetricName, valueOf } from "./metric.ts";
import type { Schedule, ScheduleState } from "./schedule.ts";

export interface ReduceOnPlateauOptions {
  /** What is to get better, epoch by epoch; epochs without an evaluation do not count for one of the test set. Default "testLoss". */
  metric?: MetricName;
  /** What the rate is multiplied with each time, in [0, 1). Default 0.1. */
  factor?: number;
  /** Epochs without a better value that are let pass: the next one reduces. Default 10. */
  patience?: number;
  /** By how much a value must be better to count: of the best, or absolutely. Default 10⁻⁴. */
  threshold?: number;
  thresholdMode?: "relative" | "absolute";
  /** Epochs after a reduction in which none is counted as bad. Default 0. */
  cooldown?: number;
  /** The rate falls no lower than this share of the optimiser's, in [0, 1]. Default 0. */
  minFactor?: number;
}

const kinds: OptionKinds<ReduceOnPlateauOptions> = {
  metric: metricKind, factor: fraction, patience: integer(0), threshold: notNegative, thresholdMode: oneOf("relative", "absolute"), cooldown: integer(0), minFactor: share,
};

const START = { factor: 1, bad: 0, cooldown: 0 };

/**
 * The rate times `factor` whenever the metric has not got better for more than `patience` epochs: PyTorch's `ReduceLROnPlateau`, with rates as shares of the optimiser's. Its state is part of a checkpoint.
 * @throws OptionError for options out of range.
 */
export function reduceOnPlateau(options: ReduceOnPlateauOptions = {}): Schedule {
  checkOptions("reduceOnPlateau", options, kinds);
  const { metric = "testLoss", factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = "relative", cooldown = 0, minFactor = 0 } = options;
  return {
    name: "reduceOnPlateau",
    options: { metric, factor, patience, threshold, thresholdMode, cooldown, minFactor },
    metric,
    factor: ({ state }) => state?.factor ?? 1,
    observe(state, epoch) {
      const value = valueOf(epoch, metric);
      if (value === undefined) return state ?? START;
      const { best, ...before } = state ?? (START as ScheduleState);
      if (best === undefined || isBetter(metric, value, best, thresholdMode === "relative" ? threshold * best : threshold)) return { ...before, best: value, bad: 0, cooldown: Math.max(0, before.cooldown - 1) };
      const cooling = before.cooldown > 0;
      const bad = cooling ? 0 : before.bad + 1;
      if (bad <= patience) return { ...before, best, bad, cooldown: Math.max(0, before.cooldown - 1) };
      return { factor: Math.max(before.factor * factor, minFactor), best, bad: 0, cooldown };
    },
  };
}
