import type { Block } from "../../fusion/block.ts";
import { shortestDecimal } from "../../neuron/decimal.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import { operations, type OperationName } from "../../neuron/ops.ts";

/** Text of a value, and the number that it is where that is known. */
export interface Operand {
  readonly text: string;
  readonly constant?: number;
  /** Whether operators beside it would take a part of it. */
  readonly isOpen?: boolean;
}
type Emit = (a: Operand, b: Operand, c: Operand) => string;

/** How one library writes the operations. What is not here is a call by the operation's own name, `prefix` before it. */
export interface Dialect {
  readonly prefix: string;
  readonly operations: Partial<Record<OperationName, Emit>>;
  /** A product that a sum or a result takes, where a compiler would contract the two; its factors are not both constant. */
  readonly guarded?: Emit;
}

export const bracketed = ({ text, isOpen = text.startsWith("-") }: Operand): string => (isOpen ? `(${text})` : text);
const infix = (operator: string): Emit => (a, b) => `${bracketed(a)} ${operator} ${bracketed(b)}`;
const common: Partial<Record<OperationName, Emit>> = {
  add: infix("+"), sub: infix("-"), mul: infix("*"), div: infix("/"), neg: (a) => `-${bracketed(a)}`,
  greater: infix(">"), greaterEqual: infix(">="), less: infix("<"), lessEqual: infix("<="), equal: infix("=="), notEqual: infix("!="),
  logicalAnd: infix("&"), logicalOr: infix("|"), logicalNot: (a) => `~${bracketed(a)}`,
};

/** The shortest text that is this f32 and no other. */
export function literal(value: number): string {
  if (!Number.isFinite(value)) return `float("${Number.isNaN(value) ? "nan" : value > 0 ? "inf" : "-inf"}")`;
  const plain = Object.is(value, -0) ? "-0" : shortestDecimal(value);
  return /[.e]/.test(plain) ? plain : `${plain}.0`;
}

export interface EmittedBlock {
  /** Statements that name one value each. */
  lines: string[];
  results: Record<string, Operand>;
}

/** What is used once is written where it is used, while that stays as short. */
const INLINE = 40;

/** Emits straight-line code; `prefix` keeps its names apart from other blocks', `leaf` is the text of a leaf. */
export function emitBlock(block: Block, dialect: Dialect, prefix: string, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
  const uses = usesOf(block);
  const guards = dialect.guarded ? guardedProducts(block) : new Set<number>();
  const operands: Operand[] = [];
  const lines: string[] = [];
  const constant = (value: number, isTruth = false): Operand => ({ constant: value, text: isTruth ? (value ? "True" : "False") : literal(value) });

  block.values.forEach((value, n) => {
    if (value.kind === "constant") return operands.push(constant(value.value));
    if (value.kind === "leaf") return operands.push({ text: leaf(value.role, value.name) });
    const args = value.args.map((arg) => operands[arg]);
    const { evaluate, result } = operations[value.op];
    if (args.every((arg) => arg.constant !== undefined)) {
      const [a, b, c] = args.map((arg) => arg.constant!);
      return operands.push(constant(Math.fround(evaluate(a, b, c)), result === "b"));
    }
    const emit: Emit = guards.has(n) && !args.some((arg) => arg.constant !== undefined && isPowerOfTwo(arg.constant))
      ? dialect.guarded! : dialect.operations[value.op] ?? common[value.op] ?? ((...given) => `${dialect.prefix}${value.op}(${given.map(({ text }) => text).join(", ")})`);
    const text = emit(...(args as [Operand, Operand, Operand]));
    if (uses[n] === 1 && text.length <= INLINE) return operands.push({ text, isOpen: !isCall(text) });
    const name = `${prefix}${lines.length}`;
    lines.push(`${name} = ${text}`);
    return operands.push({ text: name });
  });
  return { lines, results: Object.fromEntries(Object.entries(block.results).map(([name, n]) => [name, operands[n]])) };
}

/** How often a value is used; a result is never written elsewhere. */
function usesOf({ values, results }: Block): number[] {
  const uses = values.map(() => 0);
  for (const value of values) if (value.kind === "operation") for (const arg of value.args) uses[arg]++;
  for (const n of Object.values(results)) uses[n] += 2;
  return uses;
}

/** Products that a sum, a difference or a result takes, negated or not. */
function guardedProducts({ values, results }: Block): Set<number> {
  const found = new Set<number>();
  const visit = (n: number): void => {
    const value = values[n];
    if (value.kind !== "operation") return;
    if (value.op === "mul") found.add(n);
    else if (value.op === "neg") visit(value.args[0]);
  };
  for (const value of values) if (value.kind === "operation" && (value.op === "add" || value.op === "sub")) value.args.forEach(visit);
  Object.values(results).forEach(visit);
  return found;
}

/** A product with one is exact. */
const isPowerOfTwo = (value: number): boolean => value !== 0 && Number.isInteger(Math.log2(Math.abs(value)));

/** Whether a text is one call, whose parentheses need no others around them. */
function isCall(text: string): boolean {
  const open = /^[\w.]+\(/.exec(text);
  if (!open) return false;
  let depth = 0;
  return [...text].every((letter, i) => {
    depth += Number(letter === "(") - Number(letter === ")");
    return depth > 0 || i < open[0].length || i === text.length - 1;
  });
}
