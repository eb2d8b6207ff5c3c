import { above, checkOptions, finite, flag, func, integer, kind, type OptionKinds, positive } from "../../check.ts";
import { NeuronError } from "../../errors.ts";
import { defineNeuron, defineStep, type Neuron } from "../define.ts";
import { constant, type Expr, greater, greaterEqual, lessEqual, logicalAnd, sigmoid, spike, where } from "../expr.ts";
import { namesAmong, surrogateKind } from "../kinds.ts";
import { custom, rectangular, sigmoid as sigmoidSurrogate, type Surrogate } from "../surrogate.ts";
import { type ResetOptions, resetKinds, withReset } from "./reset.ts";
import { charge, type LifOptions, lifKinds } from "./spikingjelly.ts";

export interface CubaLifOptions extends ResetOptions {
  /** Decay of the current per step. Default 0.5. */
  currentDecay?: number;
  /** Decay of the membrane per step. Default 0.75. */
  voltageDecay?: number;
  /** Parameters that a layer learns. Default: none. */
  learnable?: readonly ("currentDecay" | "voltageDecay")[];
}

const cubaKinds: OptionKinds<CubaLifOptions> = { currentDecay: finite, voltageDecay: finite, learnable: namesAmong("currentDecay", "voltageDecay"), ...resetKinds };

/**
 * Current-based LIF: c ← currentDecay·c + x, h = voltageDecay·v + c. SpikingJelly's `CUBALIFNode` with its defaults: threshold 0.5, surrogate.rectangular().
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function cubaLif(options: CubaLifOptions = {}): Neuron<"c" | "v", "x", "currentDecay" | "voltageDecay"> {
  const name = "cubaLif";
  checkOptions(name, options, cubaKinds, NeuronError);
  const { currentDecay = 0.5, voltageDecay = 0.75, threshold = 0.5, surrogate = rectangular(), learnable = [] } = options;
  const { rest, fire } = withReset({ ...options, threshold, surrogate });
  return defineNeuron({
    name, state: { c: 0, v: rest }, params: { currentDecay, voltageDecay }, learnable,
    step({ c, v }, { x }, p) {
      const current = c.mul(p.currentDecay).add(x);
      return { ...fire(v.mul(p.voltageDecay).add(current)), c: current };
    },
  });
}

export interface KlifOptions extends LifOptions {
  /** Whether membrane and threshold are divided by k again in the reset. Default false. */
  scaleReset?: boolean;
}

const klifKinds: OptionKinds<KlifOptions> = { scaleReset: flag, ...lifKinds };

/**
 * LIF with a learnable gain: h = max(0, k·charge), the charge being that of `lif`. SpikingJelly's `KLIFNode` (Jiang & Zhang, 2023); k starts at 1.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function klif(options: KlifOptions = {}): Neuron<"v", "x", "k"> {
  const name = "klif";
  checkOptions(name, options, klifKinds, NeuronError);
  const { tau = 2, decayInput = true, scaleReset = false, surrogate = sigmoidSurrogate() } = options;
  const { rest, threshold, after } = withReset(options);
  return defineNeuron({
    name, state: { v: rest }, params: { k: 1 }, learnable: ["k"],
    step({ v }, { x }, { k }) {
      const h = rectified(charge(v, x, rest, decayInput, (difference) => difference.div(tau)).mul(k));
      const s = spike(h.sub(threshold), surrogate);
      return { spike: s, v: scaleReset ? after(h.div(k), s, constant(threshold).div(k)) : after(h, s) };
    },
  });
}

/** max(0, x); its gradient at 0 is 0, as PyTorch's. */
const rectified = (x: Expr): Expr => where(greater(x, 0), x, 0);

export interface LiafOptions extends LifOptions {
  /** What a neuron puts out, of the membrane before its reset or that minus the threshold. Default: max(0, u). */
  activation?: (u: Expr) => Expr;
  /** Whether the activation takes h − threshold instead of h. Default true. */
  thresholdRelated?: boolean;
}

const liafKinds: OptionKinds<LiafOptions> = { activation: func, thresholdRelated: flag, ...lifKinds };

/**
 * Leaky integrate and analog fire: a `lif` that puts out activation(h − threshold), or activation(h), a real number, and is reset where it would spike.
 * Its output is called `spike` all the same. SpikingJelly's `LIAFNode` (Wu et al., IEEE TNNLS 2022), which has no default for either option.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function liaf(options: LiafOptions = {}): Neuron<"v", "x", never> {
  const name = "liaf";
  checkOptions(name, options, liafKinds, NeuronError);
  const { tau = 2, decayInput = true, activation = rectified, thresholdRelated = true } = options;
  const { rest, threshold, fire } = withReset(options);
  return defineStep({
    name, state: { v: rest },
    step({ v }, { x }) {
      const h = charge(v, x, rest, decayInput, (difference) => difference.div(tau));
      return { spike: activation(thresholdRelated ? h.sub(threshold) : h), v: fire(h).v };
    },
  }) as Neuron<string, string, string> as Neuron<"v", "x", never>;
}

export interface IntegerLifOptions {
  /** Membrane time constant in steps, > 1. Default 4/3. */
  tau?: number;
  /** > 0. Default 1. */
  threshold?: number;
  /** The most spikes of a step, D. Default 4. */
  maxSpikes?: number;
  /** [least, most] h/threshold through which the gradient passes. Default [0, maxSpikes]. */
  gradientWindow?: readonly [number, number];
  /** Whether the gradient ignores the spikes inside the reset. Default false. */
  detachReset?: boolean;
}

const integerLifKinds: OptionKinds<IntegerLifOptions> = {
  tau: above(1), threshold: positive, maxSpikes: integer(1, 64), detachReset: flag,
  gradientWindow: kind("two numbers [least, most] that are finite", (x) => Array.isArray(x) && x.length === 2 && x.every((bound) => finite.accepts(bound)) && x[0] <= x[1]),
};

/**
 * Integer LIF (Luo et al., ECCV 2024), SpikingJelly's `ILIFNode`: h = v − v/tau + x, n = round(h/threshold) in 0 … maxSpikes, halves to the even, v ← h − n·threshold.
 * The output n is a number of spikes, trained as it is; at inference the next layer's sum of n spikes is the same as n times one. The gradient
 * of n is 1 inside the window of h/threshold.
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function integerLif(options: IntegerLifOptions = {}): Neuron<"v", "x", never> {
  const name = "integerLif";
  checkOptions(name, options, integerLifKinds, NeuronError);
  const { tau = 4 / 3, threshold = 1, maxSpikes = 4, gradientWindow: [least, most] = [0, maxSpikes], detachReset = false } = options;
  const { after } = withReset({ threshold, reset: "soft", detachReset });
  // The first level carries the gradient of all: u here is h/threshold − 0.5.
  const window = custom((u) => where(logicalAnd(greaterEqual(u, least - 0.5), lessEqual(u, most - 0.5)), 1, 0), "window");
  return defineNeuron({
    name, state: { v: 0 },
    step({ v }, { x }) {
      const h = v.sub(v.div(tau)).add(x);
      const level = h.div(threshold);
      let count = spike(level.sub(0.5), window, { strict: true });
      for (let k = 2; k <= maxSpikes; k++) count = count.add(where((k % 2 === 0 ? greaterEqual : greater)(level, k - 0.5), 1, 0));
      return { spike: count, v: after(h, count) };
    },
  });
}

export interface GatedLifOptions {
  /** Steps T with a conductance of their own; the last one's holds beyond. Default 4. */
  steps?: number;
  /** What sigmoid(tau), … are before training: all in (0, 1). Default: tau 0.25, threshold 0.5, conduct 0.5. */
  tau?: number;
  threshold?: number;
  conduct?: number;
  /** Linear decay per step, in (0, 1). Default threshold / (2·steps). */
  linearDecay?: number;
  /** What a soft reset subtracts, in (0, 1). Default: the threshold. */
  vSubreset?: number;
  /** Default surrogate.sigmoid({ alpha: 4 }). */
  surrogate?: Surrogate;
}

const between = kind("a number in (0, 1)", (x) => typeof x === "number" && x > 0 && Math.fround(x) < 1);
const gatedKinds: OptionKinds<GatedLifOptions> = {
  steps: integer(1, 64), tau: between, threshold: between, conduct: between, linearDecay: between, vSubreset: between, surrogate: surrogateKind,
};

/**
 * Gated LIF (Yao et al., NeurIPS 2022), SpikingJelly's `GatedLIFNode`: learnt gates alpha, beta, gamma choose between exponential and linear decay, plain and
 * scaled input, hard and soft reset; all parameters are sigmoid⁻¹ of their values. The gates start at 0, sigmoid ½ (the peer: at random within ±0.1).
 * @throws NeuronError for an option of a wrong kind or of an unknown name
 */
export function gatedLif(options: GatedLifOptions = {}): Neuron<"v" | "s" | "t"> {
  const name = "gatedLif";
  checkOptions(name, options, gatedKinds, NeuronError);
  const { steps = 4, tau = 0.25, threshold = 0.5, conduct = 0.5, linearDecay = threshold / (2 * steps), vSubreset = threshold, surrogate = sigmoidSurrogate() } = options;
  const conducts = Array.from({ length: steps }, (_, t) => `conduct${t}`);
  const logit = (share: number): number => -Math.log(1 / share - 1);
  const params = {
    alpha: 0, beta: 0, gamma: 0, tau: logit(tau), threshold: logit(threshold), linearDecay: logit(linearDecay), vSubreset: logit(vSubreset),
    ...Object.fromEntries(conducts.map((each) => [each, logit(conduct)])),
  };
  return defineNeuron<"v" | "s" | "t", "x", string>({
    name, state: { v: 0, s: 0, t: 0 }, params, learnable: Object.keys(params),
    step({ v, s, t }, { x }, p) {
      const [alpha, beta, gamma] = [sigmoid(p.alpha), sigmoid(p.beta), sigmoid(p.gamma)];
      const conductance = conducts.reduceRight<Expr | undefined>((later, each, k) => (later ? where(lessEqual(t, k), sigmoid(p[each]), later) : sigmoid(p[each])), undefined)!;
      const input = x.mul(constant(1).sub(beta.mul(constant(1).sub(conductance))));
      const kept = constant(1).sub(alpha.mul(constant(1).sub(sigmoid(p.tau)))).mul(v);
      const charged = kept.sub(constant(1).sub(alpha).mul(sigmoid(p.linearDecay))).add(input);
      const h = charged.sub(kept.mul(gamma).mul(s)).sub(constant(1).sub(gamma).mul(sigmoid(p.vSubreset)).mul(s));
      const fired = spike(h.sub(sigmoid(p.threshold)), surrogate);
      return { spike: fired, v: h, s: fired, t: t.add(1) };
    },
  });
}
