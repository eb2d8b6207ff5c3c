import { above, checkOptions, finite, flag, oneOf, type OptionKinds } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, type Neuron } from "../define.ts";
import { constant, detach, type Expr, sigmoid, spike } from "../expr.ts";
import { surrogateKind } from "../kinds.ts";
import { sigmoid as sigmoidSurrogate, type Surrogate } from "../surrogate.ts";

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

export interface LifOptions extends ResetOptions {
  /** Membrane time constant in steps, > 1 (of parametricLif: before training). Default 2. */
  tau?: number;
  /** Whether the input is divided by tau as well. Default true. */
  decayInput?: boolean;
}

const resetKinds: OptionKinds<ResetOptions> = { threshold: finite, reset: oneOf("hard", "soft"), vReset: finite, detachReset: flag, surrogate: surrogateKind };
const lifKinds: OptionKinds<LifOptions> = { tau: above(1), decayInput: flag, ...resetKinds };

function withReset(options: ResetOptions) {
  const { threshold = 1, reset = "hard", vReset = 0, detachReset = false, surrogate = sigmoidSurrogate() } = options;
  const rest = reset === "hard" ? vReset : 0;
  return {
    rest,
    fire(h: Expr): { spike: Expr; v: Expr } {
      const s = spike(h.sub(threshold), surrogate);
      const q = detachReset ? detach(s) : s;
      if (reset === "soft") return { spike: s, v: h.sub(q.mul(threshold)) };
      const kept = constant(1).sub(q).mul(h);
      return { spike: s, v: rest === 0 ? kept : q.mul(rest).add(kept) };
    },
  };
}

/** Integrate-and-fire: h = v + x. SpikingJelly's `IFNode`. */
export function integrateAndFire(options: ResetOptions = {}): Neuron<"v", "x", never> {
  const name = "integrateAndFire";
  checkOptions(name, options, resetKinds, NeuronError);
  const { rest, fire } = withReset(options);
  return defineNeuron({ name, state: { v: rest }, step: ({ v }, { x }) => fire(v.add(x)) });
}

/**
 * Leaky integrate-and-fire, SpikingJelly's `LIFNode`: h = v + (x − (v − r))/tau with decayInput (the default), else
 * h = v − (v − r)/tau + x; r is vReset for a hard reset and 0 for a soft one.
 * @throws NeuronError for an option of a wrong kind, such as tau ≤ 1, or of an unknown name
 */
export function lif(options: LifOptions = {}): Neuron<"v", "x", never> {
  const name = "lif";
  checkOptions(name, options, lifKinds, NeuronError);
  const { tau = 2, decayInput = true } = options;
  const { rest, fire } = withReset(options);
  return defineNeuron({
    name, state: { v: rest },
    step({ v }, { x }) {
      const leak = v.sub(rest);
      return fire(decayInput ? v.add(x.sub(leak).div(tau)) : v.sub(leak.div(tau)).add(x));
    },
  });
}

/**
 * LIF with a learnable time constant tau = 1/sigmoid(w), SpikingJelly's `ParametricLIFNode` (Fang et al., ICCV 2021);
 * the parameter is called `w` and starts at −ln(tau − 1).
 * @throws NeuronError for an option of a wrong kind, such as tau ≤ 1, or of an unknown name
 */
export function parametricLif(options: LifOptions = {}): Neuron<"v", "x", "w"> {
  const name = "parametricLif";
  checkOptions(name, options, lifKinds, NeuronError);
  const { tau = 2, decayInput = true } = options;
  const { rest, fire } = withReset(options);
  return defineNeuron({
    name, state: { v: rest }, params: { w: -Math.log(tau - 1) }, learnable: ["w"],
    step({ v }, { x }, { w }) {
      const k = sigmoid(w);
      const leak = v.sub(rest);
      return fire(decayInput ? v.add(x.sub(leak).mul(k)) : v.sub(leak.mul(k)).add(x));
    },
  });
}
