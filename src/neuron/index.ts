export {
  abs, add, atan, cos, detach, div, equal, erf, exp, expm1, Expr, floor, greater, greaterEqual, less, lessEqual, log, log1p, logicalAnd, logicalNot,
  logicalOr, maximum, minimum, mul, neg, notEqual, sigmoid, sin, spike, sqrt, square, sub, tanh, where,
} from "./expr.ts";
export type { ExprLike } from "./expr.ts";
export * as surrogate from "./surrogate.ts";
export type { Surrogate } from "./surrogate.ts";
export { defineNeuron } from "./define.ts";
export type { Neuron, NeuronDefinition, ParamsOf, StatesOf } from "./define.ts";
export * from "./library/index.ts";
