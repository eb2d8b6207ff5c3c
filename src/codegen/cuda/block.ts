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

/** Where an error of a few units in the last place is allowed. */
const looseExpressions: Partial<Record<OperationName, Emit>> = { div: call("loose_div"), exp: call("loose_exp"), sigmoid: call("loose_sigmoid") };

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

/**
 * Emits straight-line code for one neuron; `prefix` keeps its names apart from other blocks', `leaf` is the text of a leaf. The values that are `loose` may
 * be rounded otherwise than one operation at a time.
 */
export function emitBlock(block: Block & { loose?: ReadonlySet<number> }, prefix: string, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
  const names: string[] = [];
  const lines: string[] = [];
  const products = contracted(block);
  block.values.forEach((value, n) => {
    if (value.kind === "constant") names.push(literal(value.value));
    else if (value.kind === "leaf") names.push(leaf(value.role, value.name));
    else if (products.inside.has(n)) names.push("");
    else {
      const name = `${prefix}${n}`;
      const emit = (block.loose?.has(n) ? looseExpressions[value.op] : undefined) ?? expressions[value.op];
      const [a, b, c] = value.args.map((arg) => names[arg]);
      const text = products.at.get(n)?.(names) ?? emit(a, b, c);
      lines.push(`const ${truths.has(value.op) ? "bool" : "float"} ${name} = ${text};`);
      names.push(name);
    }
  });
  return { lines, results: Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, names[n]])) };
}

type Text = (names: readonly string[]) => string;

/** The loose sums and differences that take in a product, and the products that are taken in: those of one use. */
function contracted({ values, results, loose = new Set() }: Block & { loose?: ReadonlySet<number> }): { at: Map<number, Text>; inside: Set<number> } {
  const uses = values.map(() => 0);
  for (const value of values) if (value.kind === "operation") for (const arg of value.args) uses[arg]++;
  for (const n of Object.values(results)) uses[n]++;
  const at = new Map<number, Text>();
  const inside = new Set<number>();
  values.forEach((value, n) => {
    if (!loose.has(n) || value.kind !== "operation" || (value.op !== "add" && value.op !== "sub")) return;
    const place = [1, 0].find((i) => {
      const factor = values[value.args[i]];
      return uses[value.args[i]] === 1 && loose.has(value.args[i]) && factor.kind === "operation" && factor.op === "mul";
    });
    if (place === undefined) return;
    const product = values[value.args[place]];
    if (product.kind !== "operation") return;
    const [a, b] = product.args;
    const other = value.args[1 - place];
    inside.add(value.args[place]);
    at.set(n, (names) => `loose_fma(${value.op === "sub" && place === 1 ? "-" : ""}${names[a]}, ${names[b]}, ${value.op === "sub" && place === 0 ? "-" : ""}${names[other]})`);
  });
  return { at, inside };
}

const truths = new Set<OperationName>(["greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual", "logicalAnd", "logicalOr", "logicalNot"]);
