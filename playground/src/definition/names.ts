import * as language from "../../../src/neuron/index.ts";
import { neurons } from "../../../src/neuron/library/index.ts";
import { Builtin, fields, type Fields, type Value } from "./values.ts";

const builtins = (functions: Record<string, (...args: never[]) => unknown>, prefix = ""): [string, Value][] =>
  Object.entries(functions).map(([name, call]) => [name, new Builtin(prefix + name, call)]);

const {
  abs, add, atan, cos, detach, div, equal, erf, exp, expm1, floor, greater, greaterEqual, less, lessEqual, log, log1p, logicalAnd, logicalNot,
  logicalOr, maximum, minimum, mul, neg, notEqual, sigmoid, sin, spike, sqrt, square, sub, tanh, where, defineNeuron, surrogate,
} = language;

const expressionFunctions = {
  abs, add, atan, cos, detach, div, equal, erf, exp, expm1, floor, greater, greaterEqual, less, lessEqual, log, log1p, logicalAnd, logicalNot,
  logicalOr, maximum, minimum, mul, neg, notEqual, sigmoid, sin, spike, sqrt, square, sub, tanh, where,
};

const numberFunctions = {
  abs: Math.abs, atan: Math.atan, cos: Math.cos, exp: Math.exp, expm1: Math.expm1, floor: Math.floor, log: Math.log, log1p: Math.log1p,
  max: Math.max, min: Math.min, pow: Math.pow, sin: Math.sin, sqrt: Math.sqrt, tanh: Math.tanh,
};

/** All that a definition can name without defining it. */
export const library: Fields = fields([
  ...builtins(expressionFunctions),
  ...builtins({ defineNeuron, ...neurons }),
  ["surrogate", fields(builtins({ ...surrogate }, "surrogate."))],
  ["Math", fields([...builtins(numberFunctions, "Math."), ["PI", Math.PI], ["E", Math.E]])],
  ["Infinity", Infinity],
]);

/** Methods of expressions. */
export const methods = [
  "add", "sub", "mul", "div", "neg", "minimum", "maximum", "abs", "floor", "sqrt", "square", "exp", "expm1", "log", "log1p", "tanh", "sigmoid", "sin", "cos", "atan", "erf",
  "greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual", "logicalAnd", "logicalOr", "logicalNot", "detach",
] as const;

/** Names that mean something to JavaScript itself; nothing in a definition may be called so. */
export const reserved: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype", "arguments", "eval"]);
