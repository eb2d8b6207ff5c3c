import { describePlan, emitCuda, emitWasm, emitWgsl, plan } from "../../src/index.ts";
import { exportPython } from "../../src/python/index.ts";
import * as library from "../../src/neuron/index.ts";
import { defineNeuron, Expr, neuronByName, spike, surrogate, where } from "../../src/neuron/index.ts";
import { leaf } from "../../src/neuron/expr.ts";
import { makePlan } from "./kit.ts";
import { neuron } from "./nn.ts";
import { argument, called, choice, count, finite, flag, optional, options, positive, row, type Row, text } from "./table.ts";

const x = (): Expr => leaf("input", "x");
const number = ["number", "negative", "fraction", "NaN"] as const;
const expression = called(argument(x, ...number), "expression");
const condition = called(argument(() => x().greater(0)), "condition", "comparison", "expression");
const aSurrogate = argument(() => surrogate.atan());
const aPlan = argument(() => makePlan());

type Functions = Record<string, (...given: never[]) => unknown>;
const all = library as unknown as Functions;
const each = (names: readonly string[], given: Row["arguments"]): Record<string, Row> => Object.fromEntries(names.map((name) => [name, row(all[name], given)]));
const unary = ["abs", "atan", "cos", "detach", "erf", "exp", "expm1", "floor", "log", "log1p", "neg", "sigmoid", "sin", "sqrt", "square", "tanh"];
const binary = ["add", "sub", "mul", "div", "minimum", "maximum", "greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual"];
const logical = ["logicalAnd", "logicalOr"];
const methods = Object.getOwnPropertyNames(Expr.prototype).filter((name) => name !== "constructor" && typeof (x() as unknown as Functions)[name] === "function");
const methodsOf = (names: readonly string[], given: Row["arguments"]): Record<string, Row> =>
  Object.fromEntries(names.map((name) => [`Expr.${name}`, row((...args: never[]) => ((name.startsWith("logical") ? x().greater(0) : x()) as unknown as Functions)[name](...args), given)]));

const none = argument(() => ({}), "object", "bare object");
const learnable = argument(() => [], "list");
const resets = { reset: choice("hard"), vReset: finite, threshold: finite, detachReset: flag, surrogate: aSurrogate };
const tau = argument(() => 2, "number");
const half = argument(() => 0.5, "fraction");
const leaks = { ...resets, tau, decayInput: flag };
const quadratic = { ...resets, tau, vRest: finite, vCritical: finite, a0: positive };
const delayed = { threshold: finite, reset: choice("zero"), surrogate: aSurrogate, learnable };
const integrator = { tauSynInv: finite, tauMemInv: finite, vLeak: finite, dt: positive, learnable };
const firing = { threshold: finite, vReset: finite, surrogate: aSurrogate };

export const neurons: Record<string, Row> = {
  ...each(unary, { x: expression }),
  ...each(binary, { a: expression, b: expression }),
  logicalAnd: row(library.logicalAnd, { a: condition, b: condition }),
  logicalOr: row(library.logicalOr, { a: condition, b: condition }),
  logicalNot: row(library.logicalNot, { x: condition }),
  where: row(where, { condition, a: expression, b: expression }),
  spike: row(spike, { u: expression, surrogate: aSurrogate, options: options({ strict: flag }) }),
  ...methodsOf(methods.filter((name) => binary.includes(name)), { other: expression }),
  ...methodsOf(methods.filter((name) => !binary.includes(name) && !logical.includes(name)), {}),
  ...methodsOf(methods.filter((name) => logical.includes(name)), { other: condition }),

  defineNeuron: row(defineNeuron, {
    definition: called(options({
      name: text, state: called(none, "neuron"), inputs: argument(() => ["x"], "list", "list of texts"), params: called({ ...none, right: [...none.right, "unknown option"] }, "neuron"), learnable,
      step: argument(() => () => ({ spike: spike(x(), surrogate.atan()) })),
    }, "name", "state", "step"), "neuron"),
  }),
  ...each(["integrateAndFire"], { options: options(resets) }),
  ...each(["lif", "parametricLif"], { options: options(leaks) }),
  klif: row(library.klif, { options: options({ ...leaks, scaleReset: flag }) }),
  liaf: row(library.liaf, { options: options({ ...leaks, activation: called(argument(() => (u: Expr) => u), "expression"), thresholdRelated: flag }) }),
  cubaLif: row(library.cubaLif, { options: options({ ...resets, currentDecay: finite, voltageDecay: finite, learnable }) }),
  quadraticIf: row(library.quadraticIf, { options: options(quadratic) }),
  exponentialIf: row(library.exponentialIf, { options: options({ ...resets, tau, vRest: finite, deltaT: positive, thetaRh: finite }) }),
  izhikevich: row(library.izhikevich, { options: options({ ...quadratic, wRest: finite, tauW: positive, a: finite, b: finite }) }),
  integerLif: row(library.integerLif, { options: options({ tau, threshold: positive, maxSpikes: count, gradientWindow: argument(() => [0, 3], "list of numbers"), detachReset: flag }) }),
  gatedLif: row(library.gatedLif, { options: options({ steps: count, tau: half, threshold: half, conduct: half, linearDecay: half, vSubreset: half, surrogate: aSurrogate }) }),
  leaky: row(library.leaky, { options: options({ ...delayed, beta: finite, resetDelay: flag }) }),
  synaptic: row(library.synaptic, { options: options({ ...delayed, alpha: finite, beta: finite, resetDelay: flag }) }),
  lapicque: row(library.lapicque, { options: options({ ...delayed, resistance: positive, capacitance: positive, timeStep: positive }) }),
  alpha: row(library.alpha, { options: options({ ...delayed, alpha: half, beta: argument(() => 0.2, "fraction") }) }),
  leakyIntegrator: row(library.leakyIntegrator, { options: options(integrator) }),
  refractoryLif: row(library.refractoryLif, { options: options({ ...integrator, ...firing, refractorySteps: argument(() => 2, "number", "fraction") }) }),
  adaptiveLif: row(library.adaptiveLif, { options: options({ ...integrator, ...firing, tauAdaptInv: finite, beta: finite, detachReset: flag }) }),
  adEx: row(library.adEx, { options: options({ ...integrator, ...firing, adaptationCurrent: finite, adaptationSpike: finite, deltaT: positive, tauAdaInv: finite }) }),
  resonateAndFire: row(library.resonateAndFire, { options: options({ ...firing, b: finite, omega: finite, dt: positive, reset: flag, detachReset: flag, learnable }) }),
  neuronByName: row(neuronByName, { name: called(choice("lif"), "neuron") }),

  ...Object.fromEntries(Object.entries({ sigmoid: ["alpha"], atan: ["alpha"], fastSigmoid: ["slope"], rectangular: ["width"], triangular: ["slope", "scale"], piecewiseQuadratic: ["alpha"], erf: ["alpha"],
    superSpike: ["alpha"], softSign: ["alpha"], piecewiseExp: ["alpha"], piecewiseLeakyRelu: ["w"], spikeRateEscape: ["beta", "slope"], s2nn: ["alpha", "beta"], multiGaussian: ["sigma", "scale", "gamma"], straightThrough: [] })
    .map(([name, fields]) => [`surrogate.${name}`, row((surrogate as unknown as Functions)[name], { options: options(Object.fromEntries(fields.map((field) => [field, positive]))) })])),
  "surrogate.custom": row(surrogate.custom, { derivative: called(argument(() => (u: Expr) => u), "expression"), name: optional(text) }),
  "surrogate.atan().derivative": row(surrogate.atan().derivative, { u: expression }),

  plan: row(plan, {
    request: options({
      neuron, steps: count, inputs: none, params: none, outputs: none, record: called(argument(() => ["v"], "list"), "state"), finalState: flag, initialState: flag,
      gradients: argument(() => ["x"], "list"), seeds: called(none, "output or state"),
    }, "neuron", "steps"),
  }),
  describePlan: row(describePlan, { plan: aPlan }),
  emitCuda: row(emitCuda, { plan: aPlan, options: options({ vector: argument(() => 2), block: count }) }),
  exportPython: row(exportPython, { neuron, options: options({ to: argument(() => "jax") }, "to") }),
  emitWasm: row(emitWasm, { plan: aPlan }),
  emitWgsl: row(emitWgsl, { plan: aPlan, options: options({ vector: argument(() => 2), workgroup: count }) }),
};
