import { constant, cos, type Expr, exp, greaterEqual, lessEqual, less, neg, sin, square, sub, where } from "../neuron/expr.ts";
import type { OperationName } from "../neuron/ops.ts";
import { postOrder } from "../neuron/walk.ts";

/** For each argument of an operation: what it receives of the gradient g of the result y. */
type Rule = (g: Expr, args: readonly Expr[], y: Expr) => (Expr | undefined)[];

const one = constant(1);
const none: Rule = () => [];

const rules: Record<OperationName, Rule> = {
  add: (g) => [g, g],
  sub: (g) => [g, neg(g)],
  mul: (g, [a, b]) => [g.mul(b), g.mul(a)],
  div: (g, [, b], y) => [g.div(b), neg(g.mul(y).div(b))],
  minimum: (g, [a, b]) => [where(lessEqual(a, b), g, 0), where(lessEqual(a, b), 0, g)],
  maximum: (g, [a, b]) => [where(greaterEqual(a, b), g, 0), where(greaterEqual(a, b), 0, g)],
  neg: (g) => [neg(g)],
  abs: (g, [a]) => [where(less(a, 0), neg(g), g)],
  floor: none,
  sqrt: (g, _, y) => [g.div(y.mul(2))],
  exp: (g, _, y) => [g.mul(y)],
  expm1: (g, [a]) => [g.mul(exp(a))],
  log: (g, [a]) => [g.div(a)],
  log1p: (g, [a]) => [g.div(a.add(1))],
  tanh: (g, _, y) => [g.mul(sub(1, square(y)))],
  sigmoid: (g, _, y) => [g.mul(y).mul(one.sub(y))],
  sin: (g, [a]) => [g.mul(cos(a))],
  cos: (g, [a]) => [neg(g.mul(sin(a)))],
  atan: (g, [a]) => [g.div(square(a).add(1))],
  erf: (g, [a]) => [g.mul(exp(neg(square(a)))).mul(2 / Math.sqrt(Math.PI))],
  where: (g, [c]) => [undefined, where(c, g, 0), where(c, 0, g)],
  greater: none, greaterEqual: none, less: none, lessEqual: none, equal: none, notEqual: none,
  logicalAnd: none, logicalOr: none, logicalNot: none,
};

/**
 * Reverse-mode derivative: Σ over the roots of seed · ∂root/∂leaf, for each of `leaves`; undefined where nothing flows.
 * A spike passes its surrogate's derivative, `detach` passes nothing.
 */
export function adjoint(roots: readonly { expr: Expr; seed: Expr }[], leaves: readonly Expr[]): (Expr | undefined)[] {
  const gradients = new Map<Expr, Expr>();
  const give = (x: Expr, g: Expr | undefined): void => {
    if (!g || x.node.kind === "constant") return;
    const sum = gradients.get(x);
    gradients.set(x, sum ? sum.add(g) : g);
  };
  for (const { expr, seed } of roots) give(expr, seed);

  for (const x of postOrder(roots.map((root) => root.expr)).reverse()) {
    const g = gradients.get(x);
    if (!g) continue;
    if (x.node.kind === "spike") give(x.node.u, g.mul(x.node.surrogate.derivative(x.node.u)));
    else if (x.node.kind === "operation") {
      const { op, args } = x.node;
      rules[op](g, args, x).forEach((share, i) => give(args[i], share));
    }
  }
  return leaves.map((leaf) => gradients.get(leaf));
}
