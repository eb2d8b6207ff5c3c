import { checkOptions, finite, oneOf, type OptionKinds } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, type Neuron } from "../define.ts";
import { constant, detach, type Expr, maximum, minimum, spike } from "../expr.ts";
import { surrogateKind, namesAmong } from "../kinds.ts";
import { atan, type Surrogate } from "../surrogate.ts";

/**
 * Leaky neurons with snnTorch's semantics and defaults (Eshraghian et al., Proc. IEEE 2023): a neuron fires where v > threshold, and the reset
 * belongs to the next step: it is decided from the membrane that the last step returned, and no gradient flows through the decision.
 * Decays are clamped to [0, 1].
 */
export interface LeakyOptions {
  /** Decay of the membrane per step, in [0, 1]. Default 0.9. */
  beta?: number;
  /** Default 1. */
  threshold?: number;
  /** Default "subtract". */
  reset?: "subtract" | "zero" | "none";
  /** Default surrogate.atan({ alpha: 2 }). */
  surrogate?: Surrogate;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("beta" | "threshold")[];
}

export interface SynapticOptions extends Omit<LeakyOptions, "learnable"> {
  /** Decay of the synaptic current per step, in [0, 1]. Default 0.8. */
  alpha?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("alpha" | "beta" | "threshold")[];
}

const unitInterval = (x: Expr): Expr => minimum(maximum(x, 0), 1);

const leakyKinds: OptionKinds<LeakyOptions> = {
  beta: finite, threshold: finite, reset: oneOf("subtract", "zero", "none"), surrogate: surrogateKind, learnable: namesAmong("beta", "threshold"),
};
const synapticKinds: OptionKinds<SynapticOptions> = { ...leakyKinds, alpha: finite, learnable: namesAmong("alpha", "beta", "threshold") };

const strictly = { strict: true };

/** Leaky integrate-and-fire, snnTorch's `Leaky` with `reset_delay=True`: v ← beta·v + x, minus the delayed reset. */
export function leaky(options: LeakyOptions = {}): Neuron<"v", "x", "beta" | "threshold"> {
  const name = "leaky";
  checkOptions(name, options, leakyKinds, NeuronError);
  const { beta = 0.9, threshold = 1, reset = "subtract", surrogate = atan(), learnable = [] } = options;
  return defineNeuron({
    name, state: { v: 0 }, params: { beta, threshold }, learnable,
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
export function synaptic(options: SynapticOptions = {}): Neuron<"i" | "v", "x", "alpha" | "beta" | "threshold"> {
  const name = "synaptic";
  checkOptions(name, options, synapticKinds, NeuronError);
  const { alpha = 0.8, beta = 0.9, threshold = 1, reset = "subtract", surrogate = atan(), learnable = [] } = options;
  return defineNeuron({
    name, state: { i: 0, v: 0 }, params: { alpha, beta, threshold }, learnable,
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
