import { describePlan, emitCuda, emitWasm, emitWgsl, plan } from "../../src/index.ts";
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
const reset = { threshold: finite, detachReset: flag, surrogate: aSurrogate };

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
  lif: row(library.lif, { options: options({ tau: argument(() => 2, "number"), decayInput: flag, reset: choice("hard"), vReset: finite, ...reset }) }),
  integrateAndFire: row(library.integrateAndFire, { options: options({ reset: choice("hard"), vReset: finite, ...reset }) }),
  parametricLif: row(library.parametricLif, { options: options({ tau: argument(() => 2, "number"), decayInput: flag, reset: choice("hard"), vReset: finite, ...reset }) }),
  leaky: row(library.leaky, { options: options({ beta: finite, threshold: finite, reset: choice("zero"), surrogate: aSurrogate, learnable }) }),
  synaptic: row(library.synaptic, { options: options({ alpha: finite, beta: finite, threshold: finite, reset: choice("zero"), surrogate: aSurrogate, learnable }) }),
  neuronByName: row(neuronByName, { name: called(choice("lif"), "neuron") }),

  ...Object.fromEntries(Object.entries({ sigmoid: ["alpha"], atan: ["alpha"], fastSigmoid: ["slope"], rectangular: ["width"], triangular: ["slope", "scale"], piecewiseQuadratic: ["alpha"], erf: ["alpha"] })
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
  emitWasm: row(emitWasm, { plan: aPlan }),
  emitWgsl: row(emitWgsl, { plan: aPlan, options: options({ vector: argument(() => 2), workgroup: count }) }),
};
