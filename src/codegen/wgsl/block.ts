import type { Block } from "../../fusion/block.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import type { OperationName } from "../../neuron/ops.ts";
import { functionsOfConstant, literal, splat, type Vector } from "./literal.ts";
import type { FunctionName } from "./math.ts";

/** Functions that are ours: WGSL's own may be wrong by thousands of units in the last place, overflow, or drop NaN. */
const functions: Partial<Record<OperationName, FunctionName>> = {
  minimum: "minimum", maximum: "maximum", exp: "expf", expm1: "expm1f", log: "logf", log1p: "log1pf", tanh: "tanhf", sigmoid: "sigmoid",
  sin: "sinf", cos: "cosf", atan: "atanf", erf: "erff",
};

/** Faster ones for gradients: WGSL's exp is right to 3 + 2|x| units in the last place. */
const nearFunctions: Partial<Record<OperationName, FunctionName | "exp">> = { exp: "exp", sigmoid: "sigmoidByExp" };

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

/** How exactly the functions of a block are computed: as exactly as f32 allows, or, where no comparison depends on them, nearly so. */
export type Precision = "exact" | "near";

/** Whether the value n may be computed nearly: what decides a comparison, a spike for one, must be the same as in the forward kernel. */
function mayBeNear({ values }: Block, precision: Precision): (n: number) => boolean {
  if (precision === "exact") return () => false;
  const deciding = new Set<number>();
  for (let n = values.length - 1; n >= 0; n--) {
    const value = values[n];
    if (value.kind === "operation" && (comparisons.has(value.op) || deciding.has(n))) value.args.forEach((arg) => deciding.add(arg));
  }
  return (n) => !deciding.has(n);
}

const comparisons = new Set<OperationName>(["greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual"]);

const functionOf = (op: OperationName, near: boolean): FunctionName | "exp" | undefined => (near ? nearFunctions[op] : undefined) ?? functions[op];

const expression = (op: OperationName, near: boolean): Emit => arithmetic[op] ?? expressions[op] ?? call(functionOf(op, near)!);

/** The functions of `math.ts` that a block needs. */
export function functionsOf(block: Block, precision: Precision): FunctionName[] {
  const near = mayBeNear(block, precision);
  return block.values.flatMap((value, n) => {
    if (value.kind === "constant") return functionsOfConstant(value.value);
    const name = value.kind === "operation" ? functionOf(value.op, near(n)) : undefined;
    return name === undefined || name === "exp" ? [] : [name];
  });
}

export interface EmittedBlock {
  /** Statements that declare one constant each. */
  lines: string[];
  results: Record<string, string>;
}

/** Emits straight-line code; `prefix` keeps its names apart from other blocks', `leaf` is the text of a leaf. */
export function emitBlock(block: Block, vector: Vector, prefix: string, precision: Precision, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
  const near = mayBeNear(block, precision);
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
      names.push(declare(`${prefix}${n}`, expression(value.op, near(n))(a, b, c)));
    }
  });
  return { lines, results: Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, names[n]])) };
}
