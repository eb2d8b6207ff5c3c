/**
 * The operations of the expression language. `evaluate` is their meaning in real numbers; every target rounds each result to f32.
 * A comparison yields a truth value, written 1 or 0 here.
 */
export interface Operation {
  arity: number;
  /** Types of the arguments; one letter each: f (f32) or b (truth value). */
  signature: string;
  result: "f" | "b";
  evaluate(a: number, b: number, c: number): number;
}

const unary = (evaluate: (a: number) => number): Operation => ({ arity: 1, signature: "f", result: "f", evaluate });
const binary = (evaluate: (a: number, b: number) => number): Operation => ({ arity: 2, signature: "ff", result: "f", evaluate });
const comparison = (evaluate: (a: number, b: number) => boolean): Operation => ({
  arity: 2, signature: "ff", result: "b", evaluate: (a, b) => Number(evaluate(a, b)),
});
const logical = (arity: 1 | 2, evaluate: (a: number, b: number) => boolean): Operation => ({
  arity, signature: "b".repeat(arity), result: "b", evaluate: (a, b) => Number(evaluate(a, b)),
});

export const operations = {
  add: binary((a, b) => a + b),
  sub: binary((a, b) => a - b),
  mul: binary((a, b) => a * b),
  div: binary((a, b) => a / b),
  minimum: binary((a, b) => Math.min(a, b)),
  maximum: binary((a, b) => Math.max(a, b)),
  neg: unary((a) => -a),
  abs: unary(Math.abs),
  floor: unary(Math.floor),
  sqrt: unary(Math.sqrt),
  exp: unary(Math.exp),
  expm1: unary(Math.expm1),
  log: unary(Math.log),
  log1p: unary(Math.log1p),
  tanh: unary(Math.tanh),
  sigmoid: unary((a) => 1 / (1 + Math.exp(-a))),
  sin: unary(Math.sin),
  cos: unary(Math.cos),
  atan: unary(Math.atan),
  erf: unary(erf),
  greater: comparison((a, b) => a > b),
  greaterEqual: comparison((a, b) => a >= b),
  less: comparison((a, b) => a < b),
  lessEqual: comparison((a, b) => a <= b),
  equal: comparison((a, b) => a === b),
  notEqual: comparison((a, b) => a !== b),
  logicalAnd: logical(2, (a, b) => a !== 0 && b !== 0),
  logicalOr: logical(2, (a, b) => a !== 0 || b !== 0),
  logicalNot: logical(1, (a) => a === 0),
  where: { arity: 3, signature: "bff", result: "f", evaluate: (c, a, b) => (c !== 0 ? a : b) } as Operation,
} satisfies Record<string, Operation>;

export type OperationName = keyof typeof operations;

/** The error function: Maclaurin series for |x| < 3, Laplace's continued fraction beyond (Abramowitz & Stegun 7.1.5, 7.1.14). */
function erf(x: number): number {
  const a = Math.abs(x);
  if (Number.isNaN(x) || a > 6) return Number.isNaN(x) ? NaN : Math.sign(x);
  if (a < 3) {
    let term = x;
    let sum = x;
    for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
      term *= (-x * x) / n;
      sum += term / (2 * n + 1);
    }
    return (2 / Math.sqrt(Math.PI)) * sum;
  }
  let fraction = 0;
  for (let n = 60; n > 0; n--) fraction = n / 2 / (a + fraction);
  return Math.sign(x) * (1 - Math.exp(-a * a) / Math.sqrt(Math.PI) / (a + fraction));
}
