import type { Expr } from "./expr.ts";

/** What an expression is made of. */
export function operandsOf(x: Expr): readonly Expr[] {
  switch (x.node.kind) {
    case "operation": return x.node.args;
    case "spike": return [x.node.u];
    case "detach": return [x.node.x];
    default: return [];
  }
}

/**
 * All nodes under the roots, each once, operands before users. Every walk over expressions is this one: it keeps its own stack, since a step may
 * chain more operations than the engine's has room for. `operands` is asked once for each node.
 */
export function postOrder(roots: readonly Expr[], operands: (x: Expr) => readonly Expr[] = operandsOf): Expr[] {
  const order: Expr[] = [];
  const seen = new Set<Expr>();
  const open: { x: Expr; below: readonly Expr[]; next: number }[] = [];
  const enter = (x: Expr): void => {
    if (seen.has(x)) return;
    seen.add(x);
    open.push({ x, below: operands(x), next: 0 });
  };
  for (const root of roots) {
    enter(root);
    for (let top = open.at(-1); top; top = open.at(-1)) {
      if (top.next < top.below.length) enter(top.below[top.next++]);
      else order.push(open.pop()!.x);
    }
  }
  return order;
}

/** Whether some node of the expression has the property. */
export const contains = (root: Expr, property: (x: Expr) => boolean): boolean => postOrder([root]).some(property);
