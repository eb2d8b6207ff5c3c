import type { Block } from "../../fusion/block.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import type { OperationName } from "../../neuron/ops.ts";
import type { FunctionName } from "./math.ts";

/** f32 values of a thread's neurons. */
export type Vector = "f32" | "vec2f" | "vec4f";

/** Functions that are ours: WGSL's own may be wrong by thousands of units in the last place, overflow, or drop NaN. */
const functions: Partial<Record<OperationName, FunctionName>> = {
  minimum: "minimum", maximum: "maximum", exp: "expf", expm1: "expm1f", log: "logf", log1p: "log1pf", tanh: "tanhf", sigmoid: "sigmoid",
  sin: "sinf", cos: "cosf", atan: "atanf", erf: "erff",
};

type Emit = (a: string, b: string, c: string) => string;
const infix = (operator: string): Emit => (a, b) => `${a} ${operator} ${b}`;
const call = (name: string): Emit => (...args) => `${name}(${args.filter((arg) => arg !== undefined).join(", ")})`;

/** Operators between a vector and a number; all others want vectors on both sides. */
const arithmetic: Partial<Record<OperationName, Emit>> = { add: infix("+"), sub: infix("-"), mul: infix("*"), div: infix("/") };

const expressions: Partial<Record<OperationName, Emit>> = {
  neg: (a) => `-${a}`, abs: call("abs"), floor: call("floor"), sqrt: call("sqrt"),
  greater: infix(">"), greaterEqual: infix(">="), less: infix("<"), lessEqual: infix("<="), equal: infix("=="), notEqual: infix("!="),
  logicalAnd: infix("&"), logicalOr: infix("|"), logicalNot: (a) => `!${a}`,
  where: (c, a, b) => `select(${b}, ${a}, ${c})`,
};

const expression = (op: OperationName): Emit => arithmetic[op] ?? expressions[op] ?? call(functions[op]!);

const LARGEST = 3.4028234663852886e38;

/** The function that yields a number which WGSL refuses in constant expressions, or does not keep there. */
const constantFunction = (value: number): FunctionName | undefined =>
  Number.isNaN(value) ? "nan" : !Number.isFinite(value) ? "infinity" : Object.is(value, -0) ? "negativeZero" : undefined;

/** The shortest text that is this f32 and no other. */
export function literal(value: number): string {
  const function_ = constantFunction(value);
  if (function_) return `${value === -Infinity ? "-" : ""}${function_}()`;
  const short = Array.from({ length: 9 }, (_, i) => Number(value.toPrecision(i + 1))).find((x) => Math.fround(x) === value && Math.abs(x) <= LARGEST);
  const text = String(short ?? value);
  return `${/[.e]/.test(text) ? text : `${text}.0`}f`;
}

/** The same number for all neurons of a thread. */
export const splat = (vector: Vector, value: number): string => (vector === "f32" ? literal(value) : `${vector}(${literal(value)})`);

/** The functions of `math.ts` that a number needs. */
export const functionsOfConstant = (value: number): FunctionName[] => [constantFunction(value) ?? []].flat();

/** The functions of `math.ts` that a block needs. */
export const functionsOf = ({ values }: Block): FunctionName[] =>
  values.flatMap((value) => (value.kind === "operation" ? functions[value.op] ?? [] : value.kind === "constant" ? functionsOfConstant(value.value) : []));

export interface EmittedBlock {
  /** Statements that declare one constant each. */
  lines: string[];
  results: Record<string, string>;
}

/** Emits straight-line code; `prefix` keeps its names apart from other blocks', `leaf` is the text of a leaf. */
export function emitBlock(block: Block, vector: Vector, prefix: string, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
  const names: string[] = [];
  const lines: string[] = [];
  const constantAt = (n: number): number | undefined => {
    const value = block.values[n];
    return value.kind === "constant" ? value.value : undefined;
  };
  const declare = (name: string, text: string): string => {
    lines.push(`let ${name} = ${text};`);
    return name;
  };

  block.values.forEach((value, n) => {
    if (value.kind === "constant") names.push(splat(vector, value.value));
    else if (value.kind === "leaf") names.push(leaf(value.role, value.name));
    else {
      const constants = value.args.map(constantAt);
      const operands = value.args.map((arg, i) => (arithmetic[value.op] && constants[i] !== undefined ? literal(constants[i]) : names[arg]));
      // A constant expression that overflows would be an error: one operand becomes a variable.
      if (constants.every((constant) => constant !== undefined)) operands[0] = declare(`${prefix}${n}c`, names[value.args[0]]);
      const [a, b, c] = operands;
      names.push(declare(`${prefix}${n}`, expression(value.op)(a, b, c)));
    }
  });
  return { lines, results: Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, names[n]])) };
}
