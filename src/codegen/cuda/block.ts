import type { Block } from "../../fusion/block.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import type { OperationName } from "../../neuron/ops.ts";
import { shortestDecimal } from "../../neuron/decimal.ts";

type Emit = (a: string, b: string, c: string) => string;
const infix = (operator: string): Emit => (a, b) => `${a} ${operator} ${b}`;
const call = (name: string): Emit => (...args) => `${name}(${args.filter((arg) => arg !== undefined).join(", ")})`;

/** Operations on one float (truth values are bool). Minimum and maximum let NaN through, which fminf and fmaxf would not. */
const expressions: Record<OperationName, Emit> = {
  add: infix("+"), sub: infix("-"), mul: infix("*"), div: infix("/"),
  minimum: call("minimum"), maximum: call("maximum"),
  neg: (a) => `-${a}`, abs: call("fabsf"), floor: call("floorf"), sqrt: call("sqrtf"),
  exp: call("expf"), expm1: call("expm1f"), log: call("logf"), log1p: call("log1pf"), tanh: call("tanhf"), sigmoid: call("sigmoid"),
  sin: call("sinf"), cos: call("cosf"), atan: call("atanf"), erf: call("erff"),
  greater: infix(">"), greaterEqual: infix(">="), less: infix("<"), lessEqual: infix("<="), equal: infix("=="), notEqual: infix("!="),
  logicalAnd: infix("&&"), logicalOr: infix("||"), logicalNot: (a) => `!${a}`,
  where: (c, a, b) => `${c} ? ${a} : ${b}`,
};

/** The shortest text that is this f32 and no other. */
export function literal(value: number): string {
  if (Number.isNaN(value)) return "__int_as_float(0x7fffffff)";
  if (!Number.isFinite(value)) return value > 0 ? "__int_as_float(0x7f800000)" : "__int_as_float(0xff800000)";
  const plain = Object.is(value, -0) ? "-0" : shortestDecimal(value);
  const number = `${/[.e]/.test(plain) ? plain : `${plain}.0`}f`;
  return value < 0 || Object.is(value, -0) ? `(${number})` : number;
}

export interface EmittedBlock {
  /** Statements that declare one constant each. */
  lines: string[];
  results: Record<string, string>;
}

/** Emits straight-line code for one neuron; `prefix` keeps its names apart from other blocks', `leaf` is the text of a leaf. */
export function emitBlock(block: Block, prefix: string, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
  const names: string[] = [];
  const lines: string[] = [];
  block.values.forEach((value, n) => {
    if (value.kind === "constant") names.push(literal(value.value));
    else if (value.kind === "leaf") names.push(leaf(value.role, value.name));
    else {
      const [a, b, c] = value.args.map((arg) => names[arg]);
      const name = `${prefix}${n}`;
      lines.push(`const ${truths.has(value.op) ? "bool" : "float"} ${name} = ${expressions[value.op](a, b, c)};`);
      names.push(name);
    }
  });
  return { lines, results: Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, names[n]])) };
}

const truths = new Set<OperationName>(["greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual", "logicalAnd", "logicalOr", "logicalNot"]);
