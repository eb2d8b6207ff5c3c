import { above, checkOptions, finite, type OptionKinds, positive } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, type Neuron } from "../define.ts";
import { constant, exp, spike } from "../expr.ts";
import { sigmoid } from "../surrogate.ts";
import { type ResetOptions, resetKinds, withReset } from "./reset.ts";

/** Neurons whose membrane drives itself towards the spike, with SpikingJelly's equations and defaults; `ResetOptions` are as for `lif`. */
interface NonlinearOptions extends ResetOptions {
  /** Membrane time constant in steps, > 1. Default 2. */
  tau?: number;
  /** Resting membrane. Default 0 (`izhikevich`: −0.1). */
  vRest?: number;
}

export interface QuadraticIfOptions extends NonlinearOptions {
  /** The membrane from which on it grows by itself. Default 0.8. */
  vCritical?: number;
  /** How steep the parabola is, > 0. Default 1. */
  a0?: number;
}

export interface ExponentialIfOptions extends NonlinearOptions {
  /** Sharpness of the upswing, > 0. Default 1. */
  deltaT?: number;
  /** The membrane at which the upswing sets in (rheobase threshold). Default 0.8. */
  thetaRh?: number;
}

export interface IzhikevichOptions extends QuadraticIfOptions {
  /** Recovery before the first step. Default 0. */
  wRest?: number;
  /** Time constant of the recovery in steps, > 0. Default 2. */
  tauW?: number;
  /** How much the membrane drives the recovery. Default 0. */
  a?: number;
  /** What a spike adds to the recovery. Default 0. */
  b?: number;
}

const nonlinearKinds: OptionKinds<NonlinearOptions> = { tau: above(1), vRest: finite, ...resetKinds };
const quadraticKinds: OptionKinds<QuadraticIfOptions> = { vCritical: finite, a0: positive, ...nonlinearKinds };
const exponentialKinds: OptionKinds<ExponentialIfOptions> = { deltaT: positive, thetaRh: finite, ...nonlinearKinds };
const izhikevichKinds: OptionKinds<IzhikevichOptions> = { wRest: finite, tauW: positive, a: finite, b: finite, ...quadraticKinds };

/**
 * Quadratic integrate-and-fire: h = v + (x + a0·(v − vRest)·(v − vCritical))/tau. SpikingJelly's `QIFNode`; Gerstner et al., Neuronal Dynamics, 2014, ch. 5.3.
 * vReset is −0.1 unless told otherwise.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function quadraticIf(options: QuadraticIfOptions = {}): Neuron<"v", "x", never> {
  const name = "quadraticIf";
  checkOptions(name, options, quadraticKinds, NeuronError);
  const { tau = 2, vCritical = 0.8, a0 = 1, vRest = 0, vReset = -0.1 } = options;
  const { rest, fire } = withReset({ ...options, vReset });
  return defineNeuron({
    name, state: { v: rest },
    step: ({ v }, { x }) => fire(v.add(x.add(v.sub(vRest).mul(a0).mul(v.sub(vCritical))).div(tau))),
  });
}

/**
 * Exponential integrate-and-fire: h = v + (x + vRest − v + deltaT·exp((v − thetaRh)/deltaT))/tau. SpikingJelly's `EIFNode`; Gerstner et al.,
 * Neuronal Dynamics, 2014, ch. 5.2. vReset is −0.1 unless told otherwise.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function exponentialIf(options: ExponentialIfOptions = {}): Neuron<"v", "x", never> {
  const name = "exponentialIf";
  checkOptions(name, options, exponentialKinds, NeuronError);
  const { tau = 2, deltaT = 1, thetaRh = 0.8, vRest = 0, vReset = -0.1 } = options;
  const { rest, fire } = withReset({ ...options, vReset });
  return defineNeuron({
    name, state: { v: rest },
    step({ v }, { x }) {
      const upswing = exp(v.sub(thetaRh).div(deltaT)).mul(deltaT);
      return fire(v.add(x.add(vRest).sub(v).add(upswing).div(tau)));
    },
  });
}

/**
 * Izhikevich's neuron, a quadratic one with a recovery w: h = v + (x + a0·(v − vRest)·(v − vCritical) − w)/tau and
 * w ← w + (a·(h − vRest) − w)/tauW + b·s. SpikingJelly's `IzhikevichNode`; Izhikevich, IEEE Trans. Neural Networks, 2003.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function izhikevich(options: IzhikevichOptions = {}): Neuron<"v" | "w", "x", never> {
  const name = "izhikevich";
  checkOptions(name, options, izhikevichKinds, NeuronError);
  const { tau = 2, vCritical = 0.8, a0 = 1, vRest = -0.1, wRest = 0, tauW = 2, a = 0, b = 0, surrogate = sigmoid() } = options;
  const { threshold, reset, rest, through } = withReset(options);
  return defineNeuron({
    name, state: { v: rest, w: wRest },
    step({ v, w }, { x }) {
      const h = v.add(x.add(v.sub(vRest).mul(a0).mul(v.sub(vCritical))).sub(w).div(tau));
      const s = spike(h.sub(threshold), surrogate);
      // As in the peer, detachReset leaves the gradient of the term s·vReset.
      const next = reset === "soft" ? h.sub(through(s).mul(threshold)) : constant(1).sub(through(s)).mul(h).add(s.mul(rest));
      return { spike: s, v: next, w: w.add(h.sub(vRest).mul(a).sub(w).div(tauW)).add(s.mul(b)) };
    },
  });
}
