import { NeuronError } from "../errors.ts";
import type { Expr } from "./expr.ts";

/** Truth values of the trace under way that nothing has used yet. */
let unused: Set<Expr> | undefined;

/** A truth value was made. */
export const made = (x: Expr): void => void unused?.add(x);
/** An operation takes a value. */
export const used = (x: Expr): void => void unused?.delete(x);

/**
 * Runs a function of expressions for its result. Traces may nest: a step may define another neuron.
 * @throws NeuronError for a comparison that the function made and no operation took, which is what `if` and `? :` do; in place of the engine's TypeErrors
 */
export function traced<T>(what: string, trace: () => T): T {
  const outer = unused;
  const mine = (unused = new Set());
  try {
    const result = trace();
    for (const comparison of mine) throw new NeuronError(`${what} makes the comparison ${brief(comparison)} and no operation takes it. ${howToChoose}; leave out a comparison that serves nothing`);
    return result;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new NeuronError(`${what} fails: ${error.message}. Expressions have the methods add, sub, mul, greater and so on, one for each operation`, { cause: error });
  } finally {
    unused = outer;
  }
}

export const howToChoose = "What an expression will be is known only when the kernel runs, so `if`, `c ? a : b`, `!`, `&&`, `||` and `===` cannot ask: write where(condition, a, b), logicalNot(c), logicalAnd(c, d), logicalOr(c, d), equal(a, b)";

/** An expression in a few words: greater(v, add(…)). */
function brief({ node }: Expr, depth = 2): string {
  switch (node.kind) {
    case "constant": return String(node.value);
    case "leaf": return node.name;
    case "operation": return `${node.op}(${depth > 0 ? node.args.map((arg) => brief(arg, depth - 1)).join(", ") : "…"})`;
    default: return `${node.kind}(…)`;
  }
}
