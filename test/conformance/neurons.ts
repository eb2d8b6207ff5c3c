import { abs, adaptiveLif as norseAdaptiveLif, adEx, alpha, atan, cos, cubaLif, defineNeuron, erf, exp, expm1, exponentialIf, floor, gatedLif, greater, integerLif, integrateAndFire, izhikevich, klif, lapicque, leaky, leakyIntegrator, liaf, lif, log, log1p, logicalAnd, logicalNot, logicalOr, less, maximum, minimum, type Neuron, notEqual, parametricLif, quadraticIf, refractoryLif, resonateAndFire, sigmoid, sin, spike, sqrt, square, surrogate, synaptic, tanh, where } from "../../src/neuron/index.ts";

const surrogates = [
  surrogate.atan(), surrogate.sigmoid(), surrogate.fastSigmoid(), surrogate.rectangular(), surrogate.triangular(),
  surrogate.piecewiseQuadratic(), surrogate.erf(), surrogate.custom((u) => exp(abs(u).mul(-2)), "exponential"),
];

/** Every built-in neuron × reset × surrogate. */
export const builtIn: [string, Neuron][] = surrogates.flatMap((sur) => [
  ...[false, true].flatMap((detachReset): [string, Neuron][] => [
    [`lif hard ${sur.name}${detachReset ? " detached" : ""}`, lif({ surrogate: sur, detachReset, vReset: -0.1, tau: 1.7 })],
    [`lif soft ${sur.name}${detachReset ? " detached" : ""}`, lif({ surrogate: sur, detachReset, reset: "soft", decayInput: false })],
  ]),
  [`integrateAndFire ${sur.name}`, integrateAndFire({ surrogate: sur })],
  [`parametricLif ${sur.name}`, parametricLif({ surrogate: sur })],
  ...(["subtract", "zero", "none"] as const).flatMap((reset): [string, Neuron][] => [
    [`leaky ${reset} ${sur.name}`, leaky({ surrogate: sur, reset })], [`synaptic ${reset} ${sur.name}`, synaptic({ surrogate: sur, reset })],
  ]),
]);

/** Norse's constants with which noise of this size makes spikes. */
const fast = { tauSynInv: 300, tauMemInv: 400, threshold: 0.5, surrogate: surrogate.fastSigmoid({ slope: 10 }) };

const recent = [
  surrogate.superSpike(), surrogate.softSign(), surrogate.piecewiseExp(), surrogate.piecewiseLeakyRelu(), surrogate.straightThrough(), surrogate.spikeRateEscape({ slope: 1 }), surrogate.s2nn(), surrogate.multiGaussian(),
];

/** The other built-in neurons, each way in which its step is another; the further surrogates, one neuron each. Inputs of the suite are noise around 0.4. */
export const further: readonly [string, Neuron][] = [
  ...recent.map((sur): [string, Neuron] => [`lif ${sur.name}`, lif({ surrogate: sur })]),
  ...(["subtract", "zero", "none"] as const).flatMap((reset): [string, Neuron][] => [
    [`leaky ${reset} undelayed`, leaky({ reset, resetDelay: false })], [`synaptic ${reset} undelayed`, synaptic({ reset, resetDelay: false })],
    [`lapicque ${reset}`, lapicque({ reset, resistance: 2, capacitance: 4 })], [`alpha ${reset}`, alpha({ reset, beta: 0.6, threshold: 0.5 })],
  ]),
  ...([["hard", {}], ["soft", { reset: "soft" }], ["hard detached", { vReset: -0.2, detachReset: true }]] as const).flatMap(([words, options]): [string, Neuron][] => [
    [`cubaLif ${words}`, cubaLif(options)], [`quadraticIf ${words}`, quadraticIf(options)], [`exponentialIf ${words}`, exponentialIf(options)],
    [`izhikevich ${words}`, izhikevich({ a: 0.3, b: 0.2, ...options })], [`klif ${words}`, klif({ scaleReset: words === "soft", ...options })], [`liaf ${words}`, liaf({ thresholdRelated: words === "soft", activation: tanh, ...options })],
  ]),
  ["integerLif", integerLif({ maxSpikes: 3 })], ["integerLif detached", integerLif({ detachReset: true, gradientWindow: [-0.5, 4.5] })], ["gatedLif", gatedLif({ steps: 3 })],
  ["leakyIntegrator", leakyIntegrator({ vLeak: 0.1 })], ["refractoryLif", refractoryLif({ ...fast, refractorySteps: 2, vReset: -0.1 })],
  ["adaptive LIF", norseAdaptiveLif({ ...fast, tauAdaptInv: 100, beta: 0.3 })], ["adaptive LIF detached", norseAdaptiveLif({ ...fast, tauAdaptInv: 100, beta: 0.3, detachReset: true })],
  ["adEx", adEx({ ...fast, vReset: -0.1 })], ["resonateAndFire", resonateAndFire()], ["resonateAndFire without a reset", resonateAndFire({ reset: false, b: -0.3 })],
];

export const adaptiveLif = defineNeuron({
  name: "adaptiveLif", state: { v: 0, a: 0 }, params: { decay: 0.9, rho: 0.97, beta: 0.3 },
  step({ v, a }, { x }, { decay, rho, beta }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan({ alpha: 2 }));
    return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
  },
});

/** Two inputs, a graded output, and every operation of the language. */
export const everything = defineNeuron({
  name: "everything", state: { v: 0.1, w: -0.2 }, inputs: ["x", "gate"], params: { rate: 0.4, offset: 0.3 },
  step({ v, w }, { x, gate }, { rate, offset }) {
    const open = logicalOr(logicalAnd(greater(gate, -0.5), logicalNot(less(x, -0.9))), notEqual(floor(gate), -1));
    const smooth = tanh(x.mul(rate)).add(sin(w)).sub(cos(v.mul(offset)).mul(0.1)).add(atan(gate).mul(erf(x)));
    const positive = sqrt(square(x).add(0.1)).add(log1p(abs(gate))).sub(log(square(w).add(1))).add(expm1(minimum(x, 0)));
    const h = v.mul(sigmoid(offset)).add(where(open, smooth, positive.mul(0.2))).add(maximum(gate, x).mul(0.3)).div(exp(rate.mul(0.5)));
    const s = spike(h.sub(0.6), surrogate.triangular());
    return { spike: s, graded: s.mul(h), v: h.mul(s.neg().add(1)), w: w.mul(0.8).add(x.mul(rate)) };
  },
});

/** No state at all: every step for itself. */
export const stateless = defineNeuron({
  name: "stateless", state: {}, params: { gain: 1.5 },
  step: (_, { x }, { gain }) => ({ spike: spike(x.mul(gain).sub(0.5), surrogate.atan()) }),
});

/** Names that are keywords or local names in one target or another. */
export const awkward = defineNeuron({
  name: "forward", state: { i: 0.1, float: 0, next: 0 }, inputs: ["t", "k"], params: { n: 0.5, k0: 0.25, size: 0.9, default: 0.1, steps: 0.3 },
  step(s, x, p) {
    const h = s.i.mul(p.size).add(x.t.mul(p.n)).add(x.k.mul(p.k0)).sub(s.float.mul(p.default));
    const fired = spike(h.sub(p.steps), surrogate.fastSigmoid({ slope: 2 }));
    return { spike: fired, i: h.sub(fired.mul(p.steps)), float: s.float.mul(p.n).add(fired), next: s.next.add(x.t) };
  },
});

/** Words of JavaScript, WGSL, CUDA C++ and WebAssembly's text, and of our own kernels, with a case of each. */
const words = `abstract alignas alignof and array arguments as asm assert async atomic auto await bitcast bits block bool boolean break buffers byte case catch chan char class const
  constexpr continue continuing count default delete demote discard do double else enum eval export extends extern f16 f32 fabsf false fallthrough final finally float fn for forward
  backward func function get given global goto grad group half i32 if implements import in include inline input int interface invariant k0 k1 label launch layer let local log long
  loop macro mat2x2 memory min module mutable n name namespace native new nil noinline null of operator or override package param params pass precise precision private prelude
  prologue protected ptr public r0 register requires resource result restrict return row sampler scratch seed select self set shared short signed size sizeof state static steps
  storage stride struct super switch t target template texture this thread throw trace true try type typedef typeof u32 undefined uniform union unless unsigned use v v0 v128 var
  varying vec4 vec4f virtual void volatile when where while with word workgroup writes yield`.split(/\s+/);

/** States, inputs, parameters and outputs that are called by all those words. */
export const wordy = (() => {
  const [states, inputs, params, outputs] = [0, 1, 2, 3].map((role) => words.filter((_, i) => i % 4 === role));
  return defineNeuron<string, string, string>({
    name: "module", state: Object.fromEntries(states.map((word) => [word, 0])), inputs, params: Object.fromEntries(params.map((word) => [word, 0.1])),
    step(s, x, p) {
      const sum = inputs.reduce((h, word, i) => h.add(x[word].mul(p[params[i % params.length]])), s[states[0]]);
      const fired = spike(sum.sub(1), surrogate.atan());
      return { ...Object.fromEntries(states.map((word, i) => [word, s[word].mul(0.5).add(x[inputs[i % inputs.length]])])), ...Object.fromEntries(outputs.map((word, i) => [word, sum.mul(i)])), spike: fired };
    },
  });
})();

/** Names that meet others of a kernel once those have their prefixes and suffixes. */
export const suffixed = defineNeuron({
  name: "fn", state: { v: 0.1, v_: 0.2, v_0: 0.3, d_v: 0, adjoint_v: 0, next_v: 0.1, saved_v: 0 }, inputs: ["x", "x_buffer", "thread"], params: { grad_x: 0.9, state_v: 0.5, launch: 0.2 },
  step(s, x, p) {
    const h = s.v.mul(p.grad_x).add(x.x).add(x.x_buffer.mul(p.state_v)).add(s.v_.mul(x.thread)).sub(s.d_v.mul(p.launch));
    const fired = spike(h.sub(s.v_0), surrogate.atan());
    return { spike: fired, v: h.sub(fired), v_: s.v_.mul(0.5), v_0: s.v_0.add(fired.mul(0.1)), d_v: s.d_v.mul(0.3).add(fired), adjoint_v: s.adjoint_v.add(h), next_v: s.saved_v.add(s.v_), saved_v: s.next_v.mul(0.5) };
  },
});
