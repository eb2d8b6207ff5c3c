import { oneOf } from "../check.ts";
import { OptionError } from "../errors.ts";
import type { EpochMetrics } from "./history.ts";

/** What of an epoch a training may be steered by. Losses are better when lower, accuracies when higher. */
export type MetricName = "testLoss" | "testAccuracy" | "trainLoss" | "trainAccuracy";

export const metricKind = oneOf("testLoss", "testAccuracy", "trainLoss", "trainAccuracy");

/** Whether `value` is better than `best` by more than `margin`. */
export const isBetter = (metric: MetricName, value: number, best: number, margin: number): boolean => (metric.endsWith("Loss") ? value < best - margin : value > best + margin);

/** Undefined where the epoch was not evaluated. */
export const valueOf = (epoch: EpochMetrics, metric: MetricName): number | undefined => epoch[metric];

/** @throws OptionError for a metric of a test set that there is not. */
export function checkMetric(what: string, metric: MetricName | undefined, testDataset: unknown): void {
  if (metric?.startsWith("test") && !testDataset) throw new OptionError(`${what} goes by ${metric}: give fit a testDataset, or the metric trainLoss or trainAccuracy`);
}
