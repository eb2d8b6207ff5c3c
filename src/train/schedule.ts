import { checkOptions, fraction, integer, notNegative, object, oneOf, type OptionKinds, positive, required, share } from "../check.ts";
import type { EpochMetrics } from "./history.ts";
import { isBetter, metricKind, type MetricName, valueOf } from "./metric.ts";

/** Where training stands: updates done so far, and how many there will be. */
export interface SchedulePosition {
  /** Updates of the weights before this one. */
  step: number;
  /** Epochs done before the one under way. */
  epoch: number;
  /** Updates that there will be, all calls of `fit` together. */
  totalSteps: number;
  /** Of the epoch under way. */
  stepsPerEpoch: number;
  /** What the schedule has made of the epochs before. Default: nothing yet. */
  state?: ScheduleState;
}

/** What a schedule remembers of the epochs; part of a checkpoint. */
export type ScheduleState = Readonly<Record<string, number>>;

const positionKinds: OptionKinds<SchedulePosition> = { step: required(integer(0)), epoch: required(integer(0)), totalSteps: required(integer(0)), stepsPerEpoch: required(integer(0)), state: object };

/** The learning rate over time, as a factor of the optimiser's own. */
export interface Schedule {
  readonly name: string;
  readonly options: Readonly<Record<string, number | string>>;
  /** Whether totalSteps matters: a run that is resumed must then keep its number of epochs, and a training in several calls must know their sum. */
  readonly usesTotal?: boolean;
  /** What of an epoch it goes by: `fit` then needs a test set for one of the test set. Default: nothing. */
  readonly metric?: MetricName;
  factor(position: SchedulePosition): number;
  /** What to remember after an epoch; `state` is what it remembered before. Default: nothing. */
  observe?(state: ScheduleState | undefined, epoch: EpochMetrics): ScheduleState;
}

/** The optimiser's learning rate throughout. */
export const constant = (): Schedule => ({ name: "constant", options: {}, factor: () => 1 });

export interface CosineOptions {
  /** Updates over which the rate rises linearly from nearly 0. Default 0. */
  warmup?: number;
  /** The factor at the end, in [0, 1]. Default 0. */
  final?: number;
}

const cosineKinds: OptionKinds<CosineOptions> = { warmup: integer(0), final: share };

/**
 * Half a cosine from 1 down to `final` over all updates after the warm-up (Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts).
 * @throws OptionError for a warm-up that is not an integer ≥ 0, a final factor outside [0, 1], an option that there is not.
 */
export function cosine(options: CosineOptions = {}): Schedule {
  checkOptions("cosine", options, cosineKinds);
  const { warmup = 0, final = 0 } = options;
  return {
    name: "cosine",
    options: { warmup, final },
    usesTotal: true,
    factor(position) {
      checkOptions("cosine.factor", position, positionKinds);
      const { step, totalSteps } = position;
      if (step < warmup) return (step + 1) / (warmup + 1);
      const progress = Math.min(1, (step - warmup) / Math.max(1, totalSteps - warmup));
      return final + ((1 - final) * (1 + Math.cos(Math.PI * progress))) / 2;
    },
  };
}

export interface StepDecayOptions {
  /** Epochs between two decays. */
  every: number;
  /** What the rate is multiplied with each time. Default 0.1. */
  gamma?: number;
}

const decayKinds: OptionKinds<StepDecayOptions> = { every: required(integer(1)), gamma: positive };

/**
 * The rate times `gamma` after every `every` epochs.
 * @throws OptionError for `every` that is not an integer ≥ 1, gamma ≤ 0, an option that there is not.
 */
export function stepDecay(options: StepDecayOptions): Schedule {
  checkOptions("stepDecay", options, decayKinds);
  const { every, gamma = 0.1 } = options;
  return {
    name: "stepDecay",
    options: { every, gamma },
    factor(position) {
      checkOptions("stepDecay.factor", position, positionKinds);
      return gamma ** Math.floor(position.epoch / every);
    },
  };
}

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

const plateauKinds: OptionKinds<ReduceOnPlateauOptions> = {
  metric: metricKind, factor: fraction, patience: integer(0), threshold: notNegative, thresholdMode: oneOf("relative", "absolute"), cooldown: integer(0), minFactor: share,
};

const AT_FIRST: ScheduleState = { factor: 1, bad: 0, cooldown: 0 };

/**
 * The rate times `factor` whenever the metric has not got better for more than `patience` epochs: PyTorch's `ReduceLROnPlateau`, with rates as shares of the optimiser's. Its state is part of a checkpoint.
 * @throws OptionError for options out of range.
 */
export function reduceOnPlateau(options: ReduceOnPlateauOptions = {}): Schedule {
  checkOptions("reduceOnPlateau", options, plateauKinds);
  const { metric = "testLoss", factor = 0.1, patience = 10, threshold = 1e-4, thresholdMode = "relative", cooldown = 0, minFactor = 0 } = options;
  return {
    name: "reduceOnPlateau",
    options: { metric, factor, patience, threshold, thresholdMode, cooldown, minFactor },
    metric,
    factor(position) {
      checkOptions("reduceOnPlateau.factor", position, positionKinds);
      return position.state?.factor ?? 1;
    },
    observe(state, epoch) {
      const value = valueOf(epoch, metric);
      if (value === undefined) return state ?? AT_FIRST;
      const { best, ...before } = state ?? AT_FIRST;
      if (best === undefined || isBetter(metric, value, best, thresholdMode === "relative" ? threshold * best : threshold)) return { ...before, best: value, bad: 0, cooldown: Math.max(0, before.cooldown - 1) };
      const cooling = before.cooldown > 0;
      const bad = cooling ? 0 : before.bad + 1;
      if (bad <= patience) return { ...before, best, bad, cooldown: Math.max(0, before.cooldown - 1) };
      return { factor: Math.max(before.factor * factor, minFactor), best, bad: 0, cooldown };
    },
  };
}
