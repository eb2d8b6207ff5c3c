import { defineStep, type Neuron } from "../../neuron/define.ts";
import { constant, detach, equal, type Expr, spike, where } from "../../neuron/expr.ts";
import type { Surrogate } from "../../neuron/surrogate.ts";

/** How a neuron fires and what a spike does: what NIR does not say. */
export interface FiringRule {
  /** hard: v ← v_reset; soft: v ← v − v_threshold. */
  reset: "hard" | "soft" | "none";
  /** Whether a spike resets the membrane in the step after it. */
  resetDelay: boolean;
  /** Whether a neuron fires where v > v_threshold alone, as NIR says, or where they are equal too. */
  strict: boolean;
  surrogate: Surrogate;
}

/** Longest delay, in steps: each is a state of the neuron. */
export const LONGEST_DELAY = 256;

type Values = Record<string, Expr>;

/** The membrane that an input makes of the states, and the states that are not the membrane. */
type Charge = (state: Values, x: Expr, params: Values) => { h: Expr; others: Values };

const leak: Charge = ({ v }, x, { decay, gain, drift }) => ({ h: v.mul(decay).add(x.mul(gain)).add(drift), others: {} });
const integrate: Charge = ({ v }, x, { gain }) => ({ h: v.add(x.mul(gain)), others: {} });
/** The current takes the input up first, and the membrane the new current, as in snnTorch's `Synaptic`. */
const leakOfCurrent: Charge = ({ v, i }, x, params) => {
  const current = i.mul(params.currentDecay).add(x.mul(params.currentGain));
  return { h: leak({ v }, current, params).h, others: { i: current } };
};

/** The nodes that have states, by Euler's method: what charges the membrane, and whether it fires. */
export const DYNAMICS = {
  I: { charge: integrate, fires: false },
  IF: { charge: integrate, fires: true },
  LI: { charge: leak, fires: false },
  LIF: { charge: leak, fires: true },
  CubaLI: { charge: leakOfCurrent, fires: false },
  CubaLIF: { charge: leakOfCurrent, fires: true },
} as const satisfies Record<string, { charge: Charge; fires: boolean }>;

export type DynamicType = keyof typeof DYNAMICS;

/**
 * The neuron of a node: one that fires, or an integrator, which puts out its membrane. All begins at 0.
 * @param params what `discretise` makes of the node's fields
 */
export function dynamicNeuron(type: DynamicType, params: Readonly<Record<string, number>>, rule: FiringRule): Neuron {
  const { charge, fires } = DYNAMICS[type];
  const state: Record<string, number> = type.startsWith("Cuba") ? { i: 0, v: 0 } : { v: 0 };
  return defineStep({
    name: type, state, params: { ...params },
    step: (states, { x }, p) => (fires ? firing(charge, states, x, p, rule) : integrating(charge, states, x, p)),
  });
}

function integrating(charge: Charge, states: Values, x: Expr, params: Values): Values {
  const { h, others } = charge(states, x, params);
  return { spike: h, ...others, v: h };
}

function firing(charge: Charge, states: Values, x: Expr, params: Values, { reset, resetDelay, strict, surrogate }: FiringRule): Values {
  const { threshold, vReset } = params;
  const fires = (h: Expr): Expr => spike(h.sub(threshold), surrogate, { strict });
  const cleared = (h: Expr, s: Expr): Expr => constant(1).sub(s).mul(h).add(s.mul(vReset));
  if (reset === "none" || !resetDelay) {
    const { h, others } = charge(states, x, params);
    const s = fires(h);
    return { spike: s, ...others, v: reset === "none" ? h : reset === "soft" ? h.sub(s.mul(threshold)) : cleared(h, s) };
  }
  // As snnTorch's neurons: decided from the membrane that the last step returned; a hard reset is of that one, or, of a neuron with a current, of the new one.
  const fired = detach(fires(states.v));
  const early = reset === "hard" && !("i" in states);
  const { h, others } = charge(early ? { ...states, v: cleared(states.v, fired) } : states, x, params);
  const v = reset === "soft" ? h.sub(fired.mul(threshold)) : early ? h : cleared(h, fired);
  return { spike: fires(v), ...others, v };
}

/** 1 where the input exceeds the threshold. */
export const thresholdNeuron = (threshold: number, { strict, surrogate }: FiringRule): Neuron =>
  defineStep({ name: "Threshold", state: {}, params: { threshold }, step: (_, { x }, p) => ({ spike: spike(x.sub(p.threshold), surrogate, { strict }) }) });

/** The input times a number. */
export const scaleNeuron = (scale: number): Neuron => defineStep({ name: "Scale", state: {}, params: { scale }, step: (_, { x }, p) => ({ spike: x.mul(p.scale) }) });

/** The input of `steps` steps before; 0 in the first ones. With `longest`, steps is a parameter of each neuron up to that. */
export function delayNeuron(steps: number, longest?: number): Neuron {
  const names = Array.from({ length: longest ?? steps }, (_, k) => `before${k + 1}`);
  return defineStep({
    name: "Delay", state: Object.fromEntries(names.map((name) => [name, 0])), params: longest === undefined ? {} : { steps },
    step(states, { x }, p) {
      const past = [x, ...names.map((name) => states[name])];
      const delayed = longest === undefined ? past[steps] : past.reduceRight((later, value, k) => where(equal(p.steps, k), value, later));
      return { spike: delayed, ...Object.fromEntries(names.map((name, k) => [name, past[k]])) };
    },
  });
}
