import { checkOptions, flag, integer, kind, notNegative, object, type OptionKinds, required } from "../check.ts";
import type { EpochMetrics } from "./history.ts";
import { isBetter, metricKind, type MetricName, valueOf } from "./metric.ts";

export interface EarlyStoppingOptions {
  /** What is to get better, epoch by epoch; epochs without an evaluation do not count for one of the test set. Default "testLoss". */
  metric?: MetricName;
  /** Epochs without a better value, one after the other, that end the training. */
  patience: number;
  /** By how much a value must be better to count. Default 0. */
  minDelta?: number;
  /** At the end, take the weights of the best epoch back. Default false. */
  restoreBest?: boolean;
}

const kinds: OptionKinds<EarlyStoppingOptions> = { metric: metricKind, patience: required(integer(1)), minDelta: notNegative, restoreBest: flag };

export const earlyStoppingKind = kind('an object { metric: "testLoss", patience: 5, minDelta, restoreBest }', object.accepts);

/** How far early stopping has come in a call of `fit`; part of a checkpoint. */
export interface EarlyStoppingState {
  /** The best value, and the epoch that it is of. */
  best?: number;
  bestEpoch?: number;
  /** Epochs since then. */
  bad: number;
}

export const NOT_BEGUN: EarlyStoppingState = { bad: 0 };

/** @throws OptionError for options out of range. */
export const checkEarlyStopping = (options: EarlyStoppingOptions): void => checkOptions("fit: earlyStopping", options, kinds);

/** After another epoch. */
export function afterEpoch({ metric = "testLoss", minDelta = 0 }: EarlyStoppingOptions, state: EarlyStoppingState, epoch: EpochMetrics): EarlyStoppingState {
  const value = valueOf(epoch, metric);
  if (value === undefined) return state;
  const better = state.best === undefined || isBetter(metric, value, state.best, minDelta);
  return better ? { best: value, bestEpoch: epoch.epoch, bad: 0 } : { ...state, bad: state.bad + 1 };
}

export const isOver = (options: EarlyStoppingOptions | undefined, { bad }: EarlyStoppingState): boolean => options !== undefined && bad >= options.patience;
