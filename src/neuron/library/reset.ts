import { finite, flag, oneOf, type OptionKinds } from "../../check.ts";
import { constant, detach, type Expr, type ExprLike, spike } from "../expr.ts";
import { surrogateKind } from "../kinds.ts";
import { sigmoid, type Surrogate } from "../surrogate.ts";

/**
 * Integrate-and-fire neurons with SpikingJelly's semantics and defaults (Fang et al., Science Advances 2023): charge, fire where
 * h ≥ threshold, reset; the state v is the membrane after the reset and starts at vReset (hard) or 0 (soft).
 */
export interface ResetOptions {
  /** Default 1. */
  threshold?: number;
  /** hard: v ← vReset after a spike; soft: v ← h − threshold. Default "hard". */
  reset?: "hard" | "soft";
  /** Default 0; a soft reset ignores it. */
  vReset?: number;
  /** Whether the gradient ignores the spike inside the reset. Default false. */
  detachReset?: boolean;
  /** Default surrogate.sigmoid({ alpha: 4 }). */
  surrogate?: Surrogate;
}

export const resetKinds: OptionKinds<ResetOptions> = { threshold: finite, reset: oneOf("hard", "soft"), vReset: finite, detachReset: flag, surrogate: surrogateKind };

/** Where the membrane begins and is reset to, how a neuron fires, and what is left of a membrane after a spike. */
export function withReset({ threshold = 1, reset = "hard", vReset = 0, detachReset = false, surrogate = sigmoid() }: ResetOptions) {
  const rest = reset === "hard" ? vReset : 0;
  const through = (s: Expr): Expr => (detachReset ? detach(s) : s);
  const after = (h: Expr, s: Expr, drop: ExprLike = threshold): Expr => {
    const q = through(s);
    if (reset === "soft") return h.sub(q.mul(drop));
    const kept = constant(1).sub(q).mul(h);
    return rest === 0 ? kept : q.mul(rest).add(kept);
  };
  return {
    threshold, reset, rest, through, after,
    fire(h: Expr): { spike: Expr; v: Expr } {
      const s = spike(h.sub(threshold), surrogate);
      return { spike: s, v: after(h, s) };
    },
  };
}
