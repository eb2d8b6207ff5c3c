import { checkOptions, finite, flag, fraction, kind, oneOf, type OptionKinds, positive, share } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, type Neuron } from "../define.ts";
import { constant, detach, type Expr, log, maximum, minimum, spike } from "../expr.ts";
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
  /** Whether a spike resets the membrane in the step after it. False: at once, and the gradient passes through this reset. Default true. */
  resetDelay?: boolean;
  /** Default surrogate.atan({ alpha: 2 }). */
  surrogate?: Surrogate;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("beta" | "threshold")[];
}

export interface LapicqueOptions extends Omit<LeakyOptions, "beta" | "resetDelay" | "learnable"> {
  /** Decay e^(−timeStep/(R·C)), in (0, 1): stands for a resistance or a capacitance that is not given. Default 0.9 where neither both are. */
  beta?: number;
  /** R, > 0. Default 1. */
  resistance?: number;
  /** C, > 0. Default: what beta makes it. */
  capacitance?: number;
  /** > 0. Default 1. */
  timeStep?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("resistance" | "capacitance" | "threshold")[];
}

export interface AlphaOptions extends Omit<LeakyOptions, "resetDelay" | "learnable"> {
  /** Decay of the excitatory current per step, in [0, 1], greater than beta. Default 0.9. */
  alpha?: number;
  /** Decay of the inhibitory current per step, in [0, 1). Default 0.8. */
  beta?: number;
  /** Default "zero". */
  reset?: "subtract" | "zero" | "none";
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("alpha" | "beta" | "threshold")[];
}

export interface SynapticOptions extends Omit<LeakyOptions, "learnable"> {
  /** Decay of the synaptic current per step, in [0, 1]. Default 0.8. */
  alpha?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("alpha" | "beta" | "threshold")[];
}

const unitInterval = (x: Expr): Expr => minimum(maximum(x, 0), 1);

const commonKinds = { threshold: finite, reset: oneOf("subtract", "zero", "none"), surrogate: surrogateKind };
const leakyKinds: OptionKinds<LeakyOptions> = { beta: finite, ...commonKinds, resetDelay: flag, learnable: namesAmong("beta", "threshold") };
const synapticKinds: OptionKinds<SynapticOptions> = { ...leakyKinds, alpha: finite, learnable: namesAmong("alpha", "beta", "threshold") };
const openShare = kind("a number in (0, 1)", (x) => typeof x === "number" && x > 0 && Math.fround(x) < 1);
const lapicqueKinds: OptionKinds<LapicqueOptions> = {
  beta: openShare, resistance: positive, capacitance: positive, timeStep: positive, ...commonKinds, learnable: namesAmong("resistance", "capacitance", "threshold"),
};
const alphaKinds: OptionKinds<AlphaOptions> = { alpha: share, beta: fraction, ...commonKinds, learnable: namesAmong("alpha", "beta", "threshold") };

const strictly = { strict: true };

/** Fires, and where resetDelay is false resets at once what the delayed reset of the last step's spike has not. */
function fire(h: Expr, fired: Expr, threshold: Expr, surrogate: Surrogate, { reset = "subtract", resetDelay = true }: Pick<LeakyOptions, "reset" | "resetDelay">): { spike: Expr; v: Expr } {
  const s = spike(h.sub(threshold), surrogate, strictly);
  if (resetDelay || reset === "none") return { spike: s, v: h };
  return { spike: s, v: h.sub(s.sub(fired).mul(reset === "subtract" ? threshold : h)) };
}

/** Leaky integrate-and-fire, snnTorch's `Leaky`: v ← beta·v + x, minus the reset, delayed as by `reset_delay=True` or not. */
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
      return fire(next, fired, p.threshold, surrogate, options);
    },
  });
}

/**
 * Second-order leaky neuron with a synaptic current i, snnTorch's `Synaptic`: i ← alpha·i + x, v ← beta·v + i, minus the reset;
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
      return { ...fire(cleared(charged, fired, p.threshold, reset), fired, p.threshold, surrogate, options), i: current };
    },
  });
}

/**
 * Lapicque's RC circuit, snnTorch's `Lapicque`: v ← x·R·(1/(R·C))·timeStep + (1 − timeStep/(R·C))·v, minus the delayed reset; `zero` clears the whole new membrane.
 * @throws NeuronError for beta together with both R and C, for one of these without beta, and for options of a wrong kind or name
 */
export function lapicque(options: LapicqueOptions = {}): Neuron<"v", "x", "resistance" | "capacitance" | "threshold"> {
  const name = "lapicque";
  checkOptions(name, options, lapicqueKinds, NeuronError);
  const { timeStep = 1, threshold = 1, reset = "subtract", surrogate = atan(), learnable = [] } = options;
  return defineNeuron({
    name, state: { v: 0 }, params: { ...circuit(options, timeStep), threshold }, learnable,
    step({ v }, { x }, p) {
      const product = p.resistance.mul(p.capacitance);
      const fired = detach(spike(v.sub(p.threshold), surrogate, strictly));
      const charged = x.mul(p.resistance).mul(constant(1).div(product)).mul(timeStep).add(constant(1).sub(constant(timeStep).div(product)).mul(v));
      return fire(cleared(charged, fired, p.threshold, reset), fired, p.threshold, surrogate, {});
    },
  });
}

/** R and C of beta = e^(−timeStep/(R·C)), or as given. */
function circuit({ beta, resistance, capacitance }: LapicqueOptions, timeStep: number): { resistance: number; capacitance: number } {
  const both = resistance !== undefined && capacitance !== undefined;
  if (both && beta !== undefined) throw new NeuronError("lapicque: beta, resistance and capacitance are given; each two of them make the third, leave one out");
  if (both) return { resistance, capacitance };
  if (beta === undefined && (resistance !== undefined || capacitance !== undefined)) {
    throw new NeuronError(`lapicque: ${resistance === undefined ? "capacitance" : "resistance"} is given alone; give ${resistance === undefined ? "resistance" : "capacitance"} or beta beside it`);
  }
  const product = timeStep / Math.log(1 / (beta ?? 0.9));
  return capacitance === undefined ? { resistance: resistance ?? 1, capacitance: product / (resistance ?? 1) } : { resistance: product / capacitance, capacitance };
}

/** The new membrane with the delayed reset, by which "zero" clears all of it. */
const cleared = (charged: Expr, fired: Expr, threshold: Expr, reset: LeakyOptions["reset"]): Expr =>
  reset === "subtract" ? charged.sub(fired.mul(threshold)) : reset === "zero" ? charged.sub(charged.mul(fired)) : charged;

/**
 * Alpha-function membrane, snnTorch's `Alpha`: currents e ← alpha·e + x and i ← beta·i − x make v = τ·(e + i), with τ = ln α/(ln β − ln α) + 1. The delayed
 * reset `zero` clears currents and membrane, `subtract` takes the threshold from e, clears i and adds the last i to v.
 * @throws NeuronError for an alpha that is not greater than beta, and for options of a wrong kind or name
 */
export function alpha(options: AlphaOptions = {}): Neuron<"e" | "i" | "v", "x", "alpha" | "beta" | "threshold"> {
  const name = "alpha";
  checkOptions(name, options, alphaKinds, NeuronError);
  const { alpha: excitatory = 0.9, beta = 0.8, threshold = 1, reset = "zero", surrogate = atan(), learnable = [] } = options;
  if (!(excitatory > beta)) throw new NeuronError(`alpha: alpha is ${excitatory} and beta is ${beta}: expected an alpha greater than beta`);
  return defineNeuron({
    name, state: { e: 0, i: 0, v: 0 }, params: { alpha: excitatory, beta, threshold }, learnable,
    step({ e, i, v }, { x }, p) {
      const [a, b] = [unitInterval(p.alpha), unitInterval(p.beta)];
      const scale = log(a).div(log(b).sub(log(a))).add(1);
      const fired = detach(spike(v.sub(p.threshold), surrogate, strictly));
      const [nextE, nextI] = [a.mul(e).add(x), b.mul(i).sub(x)];
      const charged = scale.mul(nextE.add(nextI));
      const next = reset === "subtract" ? charged.add(i.mul(fired)) : cleared(charged, fired, p.threshold, reset);
      return {
        ...fire(next, fired, p.threshold, surrogate, {}),
        e: cleared(nextE, fired, p.threshold, reset),
        i: cleared(nextI, fired, p.threshold, reset === "subtract" ? "zero" : reset),
      };
    },
  });
}
