import { checkArgument, checkOptions, integer, kind, object, type OptionKinds, positive, required, withMethods } from "../check.ts";
import type { Tensor } from "../device/device.ts";
import { defineStep } from "../neuron/define.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import { runStep } from "./step.ts";

export const groupKind = withMethods("a group of processes", "allReduce", "broadcast", "gather");

/** The values that a pass shares with the passes of other processes: its part of the samples of a batch, or of their time steps. */
export interface SharedStatistics {
  group: ProcessGroup;
  /** Samples or steps that count here; 0 where what the pass runs stands in for nothing. */
  own: number;
  /** Those of all ranks. */
  all: number;
  /** Those that the pass runs. Default: `own`. */
  passed?: number;
}

const KINDS: OptionKinds<SharedStatistics> = { group: required(groupKind), own: required(integer(0)), all: required(integer(1)), passed: integer(1) };
export const statisticsKind = kind("an object { group, own, all }", object.accepts);

/** @throws OptionError for what is out of range. */
export function checkStatistics(statistics: SharedStatistics): void {
  checkOptions("Tape: statistics", statistics, KINDS);
  checkArgument("Tape: statistics", "passed", statistics.passed ?? statistics.own, positive);
}

/** The share of all values that count here. */
export const weightOf = ({ own, all }: SharedStatistics): number => own / all;

/** Values in all passes for each in this one. */
export const timesAll = ({ own, all, passed = own }: SharedStatistics): number => all / passed;

/** Sums over all ranks of tensors, in place. They go side by side. */
export function sumOverRanks(group: ProcessGroup, ...tensors: readonly Tensor[]): void {
  for (const pending of tensors.map((tensor) => group.allReduce(tensor))) pending.join();
}

const share = defineStep({ name: "shareOfMean", state: {}, inputs: ["mean"], params: { weight: 1 }, step: (_, { mean }, { weight }) => ({ share: mean.mul(weight) }) });
const spread = defineStep({
  name: "shareOfVariance", state: {}, inputs: ["mean", "variance", "own"], params: { weight: 1 },
  step: (_, { mean, variance, own }, { weight }) => ({ share: variance.add(own.sub(mean).square()).mul(weight) }),
});

/**
 * Mean and biased variance of each channel over all ranks, from those of this one, which are freed. With `weight` w_r, [1], the share of the values that each rank has, m = Σ w_r·m_r and then
 * v = Σ w_r·(v_r + (m_r − m)²), which loses no digits where the mean is large (Chan, Golub & LeVeque, 1979).
 */
export function momentsOverRanks(group: ProcessGroup, weight: Tensor, given: { mean: Tensor; variance: Tensor }): { mean: Tensor; variance: Tensor } {
  const { device, size } = given.mean;
  const { share: mean } = runStep(device, share, { inputs: { mean: given.mean, weight }, size });
  sumOverRanks(group, mean);
  const { share: variance } = runStep(device, spread, { inputs: { mean, variance: given.variance, own: given.mean, weight }, size });
  sumOverRanks(group, variance);
  for (const tensor of [given.mean, given.variance]) tensor.dispose();
  return { mean, variance };
}
