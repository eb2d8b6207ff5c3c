import { above, checkOptions, flag, type OptionKinds } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, type Neuron } from "../define.ts";
import { type Expr, sigmoid } from "../expr.ts";
import { type ResetOptions, resetKinds, withReset } from "./reset.ts";

export interface LifOptions extends ResetOptions {
  /** Membrane time constant in steps, > 1 (of parametricLif: before training). Default 2. */
  tau?: number;
  /** Whether the input is divided by tau as well. Default true. */
  decayInput?: boolean;
}

export const lifKinds: OptionKinds<LifOptions> = { tau: above(1), decayInput: flag, ...resetKinds };

/** The membrane h that an input makes of v: h = v + (x − (v − r))·k with decayInput, else h = v − (v − r)·k + x; `leak` multiplies by k. */
export const charge = (v: Expr, x: Expr, rest: number, decayInput: boolean, leak: (difference: Expr) => Expr): Expr =>
  decayInput ? v.add(leak(x.sub(v.sub(rest)))) : v.sub(leak(v.sub(rest))).add(x);

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
    step: ({ v }, { x }) => fire(charge(v, x, rest, decayInput, (difference) => difference.div(tau))),
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
      return fire(charge(v, x, rest, decayInput, (difference) => difference.mul(k)));
    },
  });
}
