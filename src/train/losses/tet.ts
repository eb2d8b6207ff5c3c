import { checkOptions, finite, type OptionKinds, share } from "../../check.ts";
import { crossEntropyOfSteps, squaredErrorOfSteps } from "./everyStep.ts";
import type { Loss } from "../loss.ts";
import { sumOfLosses } from "./sum.ts";

export interface TetOptions {
  /** The share of the squared error, in [0, 1]. Default 10⁻³. */
  lambda?: number;
  /** What the outputs are drawn to. Default 1, as the threshold. */
  phi?: number;
}

const kinds: OptionKinds<TetOptions> = { lambda: share, phi: finite };

/**
 * Temporal efficient training: (1 − λ) · cross-entropy at every step + λ · mean squared error of all outputs to φ (Deng, Li, Zhang & Gu, "Temporal Efficient Training of Spiking Neural Network via
 * Gradient Re-weighting", ICLR 2022, eqs. 9 to 11). Of a model that ends with `everyStep()`, or better `membranes()`.
 * @throws OptionError for a λ outside [0, 1], a φ that is not finite.
 */
export function tet(options: TetOptions = {}): Loss {
  checkOptions("tet", options, kinds);
  const { lambda = 1e-3, phi = 1 } = options;
  const terms = [[1 - lambda, crossEntropyOfSteps()], [lambda, squaredErrorOfSteps({ correct: phi, incorrect: phi })]] as const;
  return { ...sumOfLosses(terms), name: "tet", options: { lambda, phi } };
}
