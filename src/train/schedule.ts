import { OptionError } from "../errors.ts";
import { checkInteger, checkPositive } from "../data/check.ts";

/** Where training stands: updates done so far, and how many there will be. */
export interface SchedulePosition {
  /** Updates of the weights before this one. */
  step: number;
  totalSteps: number;
  stepsPerEpoch: number;
}

/** The learning rate over time, as a factor of the optimiser's own. */
export interface Schedule {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  /** Whether totalSteps matters: a run that is resumed must then keep its number of epochs. */
  readonly usesTotal?: boolean;
  factor(position: SchedulePosition): number;
}

/** The optimiser's learning rate throughout. */
export const constant = (): Schedule => ({ name: "constant", options: {}, factor: () => 1 });

export interface CosineOptions {
  /** Updates over which the rate rises linearly from nearly 0. Default 0. */
  warmup?: number;
  /** The factor at the end, in [0, 1]. Default 0. */
  final?: number;
}

/**
 * Half a cosine from 1 down to `final` over all updates after the warm-up (Loshchilov & Hutter, "SGDR", ICLR 2017, without restarts).
 * @throws OptionError for a warm-up that is not an integer ≥ 0, or a final factor outside [0, 1].
 */
export function cosine({ warmup = 0, final = 0 }: CosineOptions = {}): Schedule {
  checkInteger("warmup", warmup, 0);
  if (!(final >= 0 && final <= 1)) throw new OptionError(`final is ${String(final)}: expected a factor in [0, 1]`);
  return {
    name: "cosine",
    options: { warmup, final },
    usesTotal: true,
    factor({ step, totalSteps }) {
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

/**
 * The rate times `gamma` after every `every` epochs.
 * @throws OptionError for `every` that is not an integer ≥ 1, or gamma ≤ 0.
 */
export function stepDecay({ every, gamma = 0.1 }: StepDecayOptions): Schedule {
  checkInteger("every", every, 1);
  checkPositive("gamma", gamma);
  return {
    name: "stepDecay",
    options: { every, gamma },
    factor: ({ step, stepsPerEpoch }) => gamma ** Math.floor(step / (stepsPerEpoch * every)),
  };
}
