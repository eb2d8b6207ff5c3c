import { defineNeuron, type Neuron } from "../define.ts";
import { constant, detach, type Expr, maximum, minimum, spike } from "../expr.ts";
import { finite, known, oneOf } from "../options.ts";
import { atan, type Surrogate } from "../surrogate.ts";

/**
 * Leaky neurons with snnTorch's semantics and defaults (Eshraghian et al., Proc. IEEE 2023): a neuron fires where v > threshold, and the reset
 * belongs to the next step: it is decided from the membrane that the last step returned, and no gradient flows through the decision.
 * Decays are clamped to [0, 1].
 */
export interface LeakyOptions {
  /** Decay of the membrane per step, in [0, 1]. */
  beta?: number;
  threshold?: number;
  reset?: "subtract" | "zero" | "none";
  surrogate?: Surrogate;
  /** Parameters that a layer learns: "beta", "alpha" (synaptic), "threshold". */
  learnable?: readonly string[];
}

export interface SynapticOptions extends LeakyOptions {
  /** Decay of the synaptic current per step, in [0, 1]. */
  alpha?: number;
}

const unitInterval = (x: Expr): Expr => minimum(maximum(x, 0), 1);

const leakyOptions = ["beta", "threshold", "reset", "surrogate", "learnable"];

const strictly = { strict: true };

function options(name: string, { beta = 0.9, threshold = 1, reset = "subtract", surrogate = atan(), learnable = [] }: LeakyOptions) {
  finite(name, "beta", beta);
  finite(name, "threshold", threshold);
  oneOf(name, "reset", reset, ["subtract", "zero", "none"]);
  return { beta, threshold, reset, surrogate, learnable };
}

/** Leaky integrate-and-fire, snnTorch's `Leaky` with `reset_delay=True`: v ← beta·v + x, minus the delayed reset. */
export function leaky(given: LeakyOptions = {}): Neuron {
  const name = "leaky";
  known(name, given, leakyOptions);
  const { beta, threshold, reset, surrogate, learnable } = options(name, given);
  return defineNeuron({
    name, state: { v: 0 }, params: { beta, threshold }, learnable: learnable as ("beta" | "threshold")[],
    step({ v }, { x }, p) {
      const decay = unitInterval(p.beta);
      const fired = detach(spike(v.sub(p.threshold), surrogate, strictly));
      const kept = reset === "zero" ? constant(1).sub(fired).mul(v) : v;
      const charged = decay.mul(kept).add(x);
      const next = reset === "subtract" ? charged.sub(fired.mul(p.threshold)) : charged;
      return { spike: spike(next.sub(p.threshold), surrogate, strictly), v: next };
    },
  });
}

/**
 * Second-order leaky neuron with a synaptic current i, snnTorch's `Synaptic`: i ← alpha·i + x, v ← beta·v + i, minus the delayed reset;
 * `zero` clears the whole new membrane.
 */
export function synaptic(given: SynapticOptions = {}): Neuron {
  const name = "synaptic";
  known(name, given, ["alpha", ...leakyOptions]);
  const alpha = finite(name, "alpha", given.alpha ?? 0.8);
  const { beta, threshold, reset, surrogate, learnable } = options(name, given);
  return defineNeuron({
    name, state: { i: 0, v: 0 }, params: { alpha, beta, threshold }, learnable: learnable as ("alpha" | "beta" | "threshold")[],
    step({ i, v }, { x }, p) {
      const current = unitInterval(p.alpha).mul(i).add(x);
      const charged = unitInterval(p.beta).mul(v).add(current);
      const fired = detach(spike(v.sub(p.threshold), surrogate, strictly));
      const next = reset === "subtract" ? charged.sub(fired.mul(p.threshold))
        : reset === "zero" ? charged.sub(charged.mul(fired)) : charged;
      return { spike: spike(next.sub(p.threshold), surrogate, strictly), i: current, v: next };
    },
  });
}
