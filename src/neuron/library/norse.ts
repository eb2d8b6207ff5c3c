import { checkOptions, finite, flag, notNegative, type OptionKinds, positive } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, defineStep, type Neuron } from "../define.ts";
import { constant, detach, exp, type Expr, greater, mul, spike, where } from "../expr.ts";
import { namesAmong, surrogateKind } from "../kinds.ts";
import { fastSigmoid, type Surrogate } from "../surrogate.ts";

/**
 * Neurons with Norse's equations and defaults (Pehle & Pedersen, 2021), integrated by Euler's method in steps of dt. A synaptic current i decays with
 * tauSynInv and drives a membrane that decays with tauMemInv; both are inverse time constants, 1/s where dt is in seconds.
 */
export interface LeakyIntegratorOptions {
  /** Inverse time constant of the current. Default 200. */
  tauSynInv?: number;
  /** Inverse time constant of the membrane. Default 100. */
  tauMemInv?: number;
  /** Where the membrane begins and decays to. Default 0. */
  vLeak?: number;
  /** Length of a step. Default 0.001. */
  dt?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("tauSynInv" | "tauMemInv")[];
}

interface FiringOptions {
  /** Default 1. */
  threshold?: number;
  /** The membrane after a spike. Default 0. */
  vReset?: number;
  /** Default surrogate.fastSigmoid({ slope: 100 }), which Norse calls "super" with alpha 100. */
  surrogate?: Surrogate;
}

export interface RefractoryLifOptions extends Omit<LeakyIntegratorOptions, "learnable">, FiringOptions {
  /** Steps after a spike in which the neuron neither fires nor is charged. Default 5. */
  refractorySteps?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("tauSynInv" | "tauMemInv" | "threshold")[];
}

export interface AdaptiveLifOptions extends Omit<LeakyIntegratorOptions, "learnable">, FiringOptions {
  /** Inverse time constant with which the threshold comes back. Default 1/800. */
  tauAdaptInv?: number;
  /** What a spike adds to the threshold. Default 1.8. */
  beta?: number;
  /** Whether the gradient ignores the spike in the reset and in the threshold, as Norse's recurrent cells do. Default false. */
  detachReset?: boolean;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("tauSynInv" | "tauMemInv" | "tauAdaptInv" | "beta")[];
}

export interface AdExOptions extends Omit<LeakyIntegratorOptions, "learnable">, FiringOptions {
  /** How much the membrane drives the adaptation. Default 4. */
  adaptationCurrent?: number;
  /** What a spike adds to the adaptation. Default 0.02. */
  adaptationSpike?: number;
  /** Sharpness of the exponential upswing, > 0. Default 0.5. */
  deltaT?: number;
  /** Inverse time constant of the adaptation. Default 2. */
  tauAdaInv?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("tauSynInv" | "tauMemInv" | "tauAdaInv" | "threshold")[];
}

const integratorKinds: OptionKinds<LeakyIntegratorOptions> = { tauSynInv: finite, tauMemInv: finite, vLeak: finite, dt: positive, learnable: namesAmong("tauSynInv", "tauMemInv") };
const firingKinds: OptionKinds<FiringOptions> = { threshold: finite, vReset: finite, surrogate: surrogateKind };
const refractoryKinds: OptionKinds<RefractoryLifOptions> = {
  ...integratorKinds, ...firingKinds, refractorySteps: notNegative, learnable: namesAmong("tauSynInv", "tauMemInv", "threshold"),
};
const adaptiveKinds: OptionKinds<AdaptiveLifOptions> = {
  ...integratorKinds, ...firingKinds, tauAdaptInv: finite, beta: finite, detachReset: flag, learnable: namesAmong("tauSynInv", "tauMemInv", "tauAdaptInv", "beta"),
};
const adExKinds: OptionKinds<AdExOptions> = {
  ...integratorKinds, ...firingKinds, adaptationCurrent: finite, adaptationSpike: finite, deltaT: positive, tauAdaInv: finite, learnable: namesAmong("tauSynInv", "tauMemInv", "tauAdaInv", "threshold"),
};

const strictly = { strict: true };
/** What is left of a current or a membrane's distance after a step: x + dt·rate·drive. */
const euler = (x: Expr, dt: number, rate: Expr, drive: Expr): Expr => x.add(mul(dt, rate).mul(drive));
const resetTo = (vReset: number, v: Expr, s: Expr): Expr => {
  const kept = constant(1).sub(s).mul(v);
  return vReset === 0 ? kept : kept.add(s.mul(vReset));
};

/**
 * A leaky integrator, which never fires: its output, called `spike` all the same, is the membrane. i ← i + x; v ← v + dt·tauMemInv·(vLeak − v + i);
 * i ← i − dt·tauSynInv·i. Norse's `LICell`.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function leakyIntegrator(options: LeakyIntegratorOptions = {}): Neuron<"i" | "v", "x", "tauSynInv" | "tauMemInv"> {
  const name = "leakyIntegrator";
  checkOptions(name, options, integratorKinds, NeuronError);
  const { tauSynInv = 200, tauMemInv = 100, vLeak = 0, dt = 0.001, learnable = [] } = options;
  return defineStep({
    name, state: { i: 0, v: vLeak }, params: { tauSynInv, tauMemInv }, learnable,
    step({ i, v }, { x }, p) {
      const current = i.add(x);
      const next = euler(v, dt, p.tauMemInv, constant(vLeak).sub(v).add(current));
      return { spike: next, i: euler(current, -dt, p.tauSynInv, current), v: next };
    },
  }) as Neuron<string, string, string> as Neuron<"i" | "v", "x", "tauSynInv" | "tauMemInv">;
}

/**
 * LIF that rests after a spike: for refractorySteps its membrane stays and it does not fire, while its current decays. Norse's `LIFRefracCell`.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function refractoryLif(options: RefractoryLifOptions = {}): Neuron<"i" | "v" | "rho", "x", "tauSynInv" | "tauMemInv" | "threshold"> {
  const name = "refractoryLif";
  checkOptions(name, options, refractoryKinds, NeuronError);
  const { tauSynInv = 200, tauMemInv = 100, vLeak = 0, dt = 0.001, threshold = 1, vReset = 0, refractorySteps = 5, surrogate = fastSigmoid({ slope: 100 }), learnable = [] } = options;
  return defineNeuron({
    name, state: { i: 0, v: vLeak, rho: 0 }, params: { tauSynInv, tauMemInv, threshold }, learnable,
    step({ i, v, rho }, { x }, p) {
      const current = i.add(x);
      const h = euler(v, dt, p.tauMemInv, constant(vLeak).sub(v).add(current));
      const fired = spike(h.sub(p.threshold), surrogate, strictly);
      const resting = spike(rho, surrogate, strictly);
      const awake = constant(1).sub(resting);
      const s = awake.mul(fired);
      const left = rho.sub(resting);
      return {
        spike: s,
        i: euler(current, -dt, p.tauSynInv, current),
        v: awake.mul(resetTo(vReset, h, fired)).add(resting.mul(v)),
        rho: constant(1).sub(s).mul(where(greater(left, 0), left, 0)).add(s.mul(refractorySteps)),
      };
    },
  });
}

/**
 * LIF whose threshold b rises by beta with each spike and comes back (Bellec et al., NeurIPS 2018): h = v + dt·tauMemInv·(vLeak − v + i), it fires where
 * h > b; the input arrives in the current after that. Norse's `LSNNCell`; with detachReset, what `LSNNRecurrentCell` does with its input.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function adaptiveLif(options: AdaptiveLifOptions = {}): Neuron<"i" | "v" | "b", "x", "tauSynInv" | "tauMemInv" | "tauAdaptInv" | "beta"> {
  const name = "adaptiveLif";
  checkOptions(name, options, adaptiveKinds, NeuronError);
  const { tauSynInv = 200, tauMemInv = 100, tauAdaptInv = 1 / 800, beta = 1.8, vLeak = 0, dt = 0.001, threshold = 1, vReset = 0 } = options;
  const { detachReset = false, surrogate = fastSigmoid({ slope: 100 }), learnable = [] } = options;
  return defineNeuron({
    name, state: { i: 0, v: vLeak, b: threshold }, params: { tauSynInv, tauMemInv, tauAdaptInv, beta }, learnable,
    step({ i, v, b }, { x }, p) {
      const h = euler(v, dt, p.tauMemInv, constant(vLeak).sub(v).add(i));
      const bar = euler(b, dt, p.tauAdaptInv, constant(threshold).sub(b));
      const s = spike(h.sub(bar), surrogate, strictly);
      const q = detachReset ? detach(s) : s;
      return { spike: s, i: euler(i, -dt, p.tauSynInv, i).add(x), v: resetTo(vReset, h, q), b: bar.add(q.mul(p.beta)) };
    },
  });
}

/**
 * Adaptive exponential integrate-and-fire (Brette & Gerstner, 2005): i ← i + x; h = v + dt·tauMemInv·(vLeak − v + deltaT·exp((v − threshold)/deltaT) + i − a);
 * a ← a + dt·tauAdaInv·(adaptationCurrent·(v − vLeak) − a) + adaptationSpike·s. Norse's `LIFAdExCell`.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function adEx(options: AdExOptions = {}): Neuron<"i" | "v" | "a", "x", "tauSynInv" | "tauMemInv" | "tauAdaInv" | "threshold"> {
  const name = "adEx";
  checkOptions(name, options, adExKinds, NeuronError);
  const { adaptationCurrent = 4, adaptationSpike = 0.02, deltaT = 0.5, tauAdaInv = 2, tauSynInv = 200, tauMemInv = 100, vLeak = 0, dt = 0.001 } = options;
  const { threshold = 1, vReset = 0, surrogate = fastSigmoid({ slope: 100 }), learnable = [] } = options;
  return defineNeuron({
    name, state: { i: 0, v: vLeak, a: 0 }, params: { tauSynInv, tauMemInv, tauAdaInv, threshold }, learnable,
    step({ i, v, a }, { x }, p) {
      const current = i.add(x);
      const upswing = exp(v.sub(p.threshold).div(deltaT)).mul(deltaT);
      const h = euler(v, dt, p.tauMemInv, constant(vLeak).sub(v).add(upswing).add(current).sub(a));
      const s = spike(h.sub(p.threshold), surrogate, strictly);
      const adapted = euler(a, dt, p.tauAdaInv, v.sub(vLeak).mul(adaptationCurrent).sub(a));
      return { spike: s, i: euler(current, -dt, p.tauSynInv, current), v: resetTo(vReset, h, s), a: adapted.add(s.mul(adaptationSpike)) };
    },
  });
}
