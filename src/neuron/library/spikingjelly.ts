import { defineNeuron, type Neuron } from "../define.ts";
import { constant, detach, type Expr, sigmoid, spike } from "../expr.ts";
import { above, finite, known, oneOf } from "../options.ts";
import { sigmoid as sigmoidSurrogate, type Surrogate } from "../surrogate.ts";

/**
 * Integrate-and-fire neurons with SpikingJelly's semantics and defaults (Fang et al., Science Advances 2023): charge, fire where
 * h ≥ threshold, reset; the state v is the membrane after the reset and starts at vReset (hard) or 0 (soft).
 */
export interface ResetOptions {
  threshold?: number;
  /** hard: v ← vReset after a spike; soft: v ← h − threshold. */
  reset?: "hard" | "soft";
  vReset?: number;
  /** Whether the gradient ignores the spike inside the reset. */
  detachReset?: boolean;
  surrogate?: Surrogate;
}

export interface LifOptions extends ResetOptions {
  /** Membrane time constant in steps, > 1 (of parametricLif: before training). */
  tau?: number;
  /** Whether the input is divided by tau as well. */
  decayInput?: boolean;
}

const resetOptions = ["threshold", "reset", "vReset", "detachReset", "surrogate"];
const lifOptions = ["tau", "decayInput", ...resetOptions];

function withReset(name: string, options: ResetOptions) {
  const { threshold = 1, reset = "hard", vReset = 0, detachReset = false, surrogate = sigmoidSurrogate() } = options;
  finite(name, "threshold", threshold);
  finite(name, "vReset", vReset);
  oneOf(name, "reset", reset, ["hard", "soft"]);
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
export function integrateAndFire(options: ResetOptions = {}): Neuron {
  const name = "integrateAndFire";
  known(name, options, resetOptions);
  const { rest, fire } = withReset(name, options);
  return defineNeuron({ name, state: { v: rest }, step: ({ v }, { x }) => fire(v.add(x)) });
}

/**
 * Leaky integrate-and-fire, SpikingJelly's `LIFNode`: h = v + (x − (v − r))/tau with decayInput (the default), else
 * h = v − (v − r)/tau + x; r is vReset for a hard reset and 0 for a soft one.
 * @throws NeuronError if tau ≤ 1 or an option is not a finite number.
 */
export function lif(options: LifOptions = {}): Neuron {
  const name = "lif";
  known(name, options, lifOptions);
  const tau = above(name, "tau", options.tau ?? 2, 1);
  const { decayInput = true } = options;
  const { rest, fire } = withReset(name, options);
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
 * @throws NeuronError if tau ≤ 1 or an option is not a finite number.
 */
export function parametricLif(options: LifOptions = {}): Neuron {
  const name = "parametricLif";
  known(name, options, lifOptions);
  const tau = above(name, "tau", options.tau ?? 2, 1);
  const { decayInput = true } = options;
  const { rest, fire } = withReset(name, options);
  return defineNeuron({
    name, state: { v: rest }, params: { w: -Math.log(tau - 1) }, learnable: ["w"],
    step({ v }, { x }, { w }) {
      const k = sigmoid(w);
      const leak = v.sub(rest);
      return fire(decayInput ? v.add(x.sub(leak).mul(k)) : v.sub(leak.mul(k)).add(x));
    },
  });
}
