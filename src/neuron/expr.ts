import { checkOptions, flag, show } from "../check.ts";
import { NeuronError } from "../errors.ts";
import { operations, type OperationName } from "./ops.ts";
import { made, used } from "./tracing.ts";

/** A number, or an expression. */
export type ExprLike = Expr | number;

/** What an expression node is. `leaf` stands for a value known only when a kernel runs. */
export type Node =
  | { kind: "constant"; value: number }
  | { kind: "leaf"; role: LeafRole; name: string }
  | { kind: "operation"; op: OperationName; args: readonly Expr[] }
  | { kind: "spike"; u: Expr; surrogate: Surrogate; strict: boolean }
  | { kind: "detach"; x: Expr };

/** `input` and `param` come from outside; `state` is carried from step to step; the others appear in derived (backward) code. */
export type LeafRole = "input" | "param" | "state" | "seed" | "adjoint" | "invariant" | "accumulated" | "kept";

/** The derivative that stands in for that of the spike's step function. */
export interface Surrogate {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  /** dS/du as an expression of u = membrane − threshold. */
  derivative(u: Expr): Expr;
}

/**
 * A scalar expression of one neuron at one time step. Expressions are immutable and may be used any number of times. Every operation is one f32
 * operation, rounded once; each is a method and a function of the same name, `v.mul(decay)` and `mul(v, decay)`, but for `where` and `spike`.
 */
export class Expr {
  readonly node: Node;

  constructor(node: Node) {
    this.node = node;
  }

  // Rest parameters, so that an argument too many is refused.
  add(...other: [other: ExprLike]): Expr { return apply("add", this, ...other); }
  sub(...other: [other: ExprLike]): Expr { return apply("sub", this, ...other); }
  mul(...other: [other: ExprLike]): Expr { return apply("mul", this, ...other); }
  div(...other: [other: ExprLike]): Expr { return apply("div", this, ...other); }
  minimum(...other: [other: ExprLike]): Expr { return apply("minimum", this, ...other); }
  maximum(...other: [other: ExprLike]): Expr { return apply("maximum", this, ...other); }
  neg(...none: []): Expr { return apply("neg", this, ...none); }
  abs(...none: []): Expr { return apply("abs", this, ...none); }
  floor(...none: []): Expr { return apply("floor", this, ...none); }
  sqrt(...none: []): Expr { return apply("sqrt", this, ...none); }
  square(): Expr { return apply("mul", this, this); }
  exp(...none: []): Expr { return apply("exp", this, ...none); }
  expm1(...none: []): Expr { return apply("expm1", this, ...none); }
  log(...none: []): Expr { return apply("log", this, ...none); }
  log1p(...none: []): Expr { return apply("log1p", this, ...none); }
  tanh(...none: []): Expr { return apply("tanh", this, ...none); }
  sigmoid(...none: []): Expr { return apply("sigmoid", this, ...none); }
  sin(...none: []): Expr { return apply("sin", this, ...none); }
  cos(...none: []): Expr { return apply("cos", this, ...none); }
  atan(...none: []): Expr { return apply("atan", this, ...none); }
  erf(...none: []): Expr { return apply("erf", this, ...none); }
  detach(): Expr { return detach(this); }
  greater(...other: [other: ExprLike]): Expr { return apply("greater", this, ...other); }
  greaterEqual(...other: [other: ExprLike]): Expr { return apply("greaterEqual", this, ...other); }
  less(...other: [other: ExprLike]): Expr { return apply("less", this, ...other); }
  lessEqual(...other: [other: ExprLike]): Expr { return apply("lessEqual", this, ...other); }
  equal(...other: [other: ExprLike]): Expr { return apply("equal", this, ...other); }
  notEqual(...other: [other: ExprLike]): Expr { return apply("notEqual", this, ...other); }
  logicalAnd(...other: [other: Expr]): Expr { return apply("logicalAnd", this, ...other); }
  logicalOr(...other: [other: Expr]): Expr { return apply("logicalOr", this, ...other); }
  logicalNot(...none: []): Expr { return apply("logicalNot", this, ...none); }

  /** Catches `a + b` on expressions, which JavaScript would turn into text. */
  [Symbol.toPrimitive](): never {
    throw new NeuronError("an expression was used as a plain number or text (a + b, `${a}`, a > b): write a.add(b), a.greater(b), where(c, a, b)");
  }
}

export const constant = (value: number): Expr => new Expr({ kind: "constant", value: Math.fround(value) });
export const leaf = (role: LeafRole, name: string): Expr => new Expr({ kind: "leaf", role, name });

/** f32 or truth value. */
export function typeOf(x: Expr): "f" | "b" {
  return x.node.kind === "operation" ? operations[x.node.op].result : "f";
}

export function toExpr(x: ExprLike): Expr {
  if (x instanceof Expr) return x;
  if (typeof x !== "number") throw new NeuronError(`expected an expression or a number, got ${x === undefined ? "undefined (a misspelt state, input or parameter?)" : show(x)}`);
  if (Number.isNaN(x)) throw new NeuronError("a constant of an expression is NaN: check the parameters from which it is computed");
  if (overflows(x)) throw new NeuronError(`the constant ${x} of an expression is beyond the largest f32, ${LARGEST}; for infinity, write Infinity`);
  return constant(x);
}

const LARGEST = Math.fround(3.4028234663852886e38);

/** Whether a finite number is infinite as an f32. */
export const overflows = (x: number): boolean => Number.isFinite(x) && !Number.isFinite(Math.fround(x));

/** Applies an operation to expressions or numbers; constants fold at once. */
export function apply(op: OperationName, ...operands: ExprLike[]): Expr {
  const { arity, signature, evaluate } = operations[op];
  if (operands.length !== arity) throw new NeuronError(`${op} takes ${arity} argument(s), got ${operands.length}`);
  const args = operands.map(toExpr);
  args.forEach((arg, i) => {
    used(arg);
    if (typeOf(arg) !== signature[i]) {
      throw new NeuronError(`argument ${i + 1} of ${op} must be ${signature[i] === "b" ? "a comparison" : "a number, not a comparison: use where(condition, 1, 0)"}`);
    }
  });
  const folded = simplify(op, args);
  if (folded) return folded;
  const values = args.map((arg) => (arg.node.kind === "constant" ? arg.node.value : undefined));
  if (operations[op].result === "f" && values.every((value) => value !== undefined)) {
    return constant(evaluate(values[0]!, values[1]!, values[2]!));
  }
  const result = new Expr({ kind: "operation", op, args });
  if (operations[op].result === "b") made(result, () => brief(result));
  return result;
}

const isConstant = (x: Expr, value: number): boolean => x.node.kind === "constant" && x.node.value === value;

/** Identities that hold exactly in f32 (up to the sign of zero). */
function simplify(op: OperationName, [a, b, c]: Expr[]): Expr | undefined {
  switch (op) {
    case "add": return isConstant(b, 0) ? a : isConstant(a, 0) ? b : undefined;
    case "sub": return isConstant(b, 0) ? a : undefined;
    case "mul": return isConstant(b, 1) ? a : isConstant(a, 1) ? b : undefined;
    case "div": {
      if (isConstant(b, 1)) return a;
      const reciprocal = b.node.kind === "constant" && isPowerOfTwo(b.node.value) ? 1 / b.node.value : undefined;
      return reciprocal === undefined ? undefined : apply("mul", a, reciprocal);
    }
    case "where": return b === c ? b : undefined;
    default: return undefined;
  }
}

/** Powers of two whose reciprocal is exact too. */
const isPowerOfTwo = (x: number): boolean => x !== 0 && Number.isInteger(Math.log2(Math.abs(x))) && Math.abs(Math.log2(Math.abs(x))) < 126;

type Unary = (x: ExprLike) => Expr;
type Binary = (a: ExprLike, b: ExprLike) => Expr;
// These take no notice of further arguments, which map and reduce give.
const unary = (op: OperationName): Unary => (x) => apply(op, x);
const binary = (op: OperationName): Binary => (a, b) => apply(op, a, b);

export const add = binary("add");
export const sub = binary("sub");
export const mul = binary("mul");
export const div = binary("div");
export const minimum = binary("minimum");
export const maximum = binary("maximum");
export const neg = unary("neg");
export const abs = unary("abs");
/** Largest integer not above x; its gradient is zero. */
export const floor = unary("floor");
export const sqrt = unary("sqrt");
export const exp = unary("exp");
export const expm1 = unary("expm1");
export const log = unary("log");
export const log1p = unary("log1p");
export const tanh = unary("tanh");
/** 1 / (1 + e^−x) */
export const sigmoid = unary("sigmoid");
export const sin = unary("sin");
export const cos = unary("cos");
export const atan = unary("atan");
export const erf = unary("erf");
export const greater = binary("greater");
export const greaterEqual = binary("greaterEqual");
export const less = binary("less");
export const lessEqual = binary("lessEqual");
export const equal = binary("equal");
export const notEqual = binary("notEqual");
export const logicalAnd = binary("logicalAnd");
export const logicalOr = binary("logicalOr");
export const logicalNot = unary("logicalNot");

/** `a` where the condition (a comparison) holds, else `b`. No gradient flows through the condition. */
export const where = (condition: Expr, a: ExprLike, b: ExprLike): Expr => apply("where", condition, a, b);

/** x². */
export const square = (x: ExprLike): Expr => toExpr(x).square();

function number(what: string, x: ExprLike): Expr {
  const value = toExpr(x);
  if (typeOf(value) === "b") throw new NeuronError(`${what} takes a number, not a comparison: use where(condition, 1, 0)`);
  return value;
}

/** The value of x; no gradient flows back through it. */
export const detach = (x: ExprLike): Expr => new Expr({ kind: "detach", x: number("detach(x)", x) });

/**
 * A spike: exactly 1 where u ≥ 0 (with `strict`: u > 0), else exactly 0. Its derivative with respect to u is the surrogate's.
 * Usually u is the membrane minus the threshold.
 */
export function spike(u: ExprLike, surrogate: Surrogate, options: { strict?: boolean } = {}): Expr {
  if (typeof surrogate?.derivative !== "function") {
    throw new NeuronError(`spike(u, surrogate) needs a surrogate gradient: surrogate.atan() for example, or surrogate.custom((u) => …); got ${show(surrogate)}`);
  }
  checkOptions("spike", options, { strict: flag }, NeuronError);
  const { strict = false } = options;
  return new Expr({ kind: "spike", u: number("spike(u, …)", u), surrogate, strict });
}

/** An expression in a few words: greater(v, add(…)). */
function brief({ node }: Expr, depth = 2): string {
  switch (node.kind) {
    case "constant": return String(node.value);
    case "leaf": return node.name;
    case "operation": return `${node.op}(${depth > 0 ? node.args.map((arg) => brief(arg, depth - 1)).join(", ") : "…"})`;
    default: return `${node.kind}(…)`;
  }
}
