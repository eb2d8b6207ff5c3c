import { NeuronError } from "../errors.ts";

/** Truth values of the trace under way that nothing has used yet, and how each is told to people. */
let unused: Map<object, () => string> | undefined;

/** A truth value was made. */
export const made = (x: object, tell: () => string): void => void unused?.set(x, tell);
/** An operation takes a value. */
export const used = (x: object): void => void unused?.delete(x);

/**
 * Runs a function of expressions for its result. Traces may nest: a step may define another neuron.
 * @throws NeuronError for a comparison that the function made and no operation took, which is what `if` and `? :` do; in place of the engine's TypeErrors
 */
export function traced<T>(what: string, trace: () => T): T {
  const outer = unused;
  const mine = (unused = new Map<object, () => string>());
  try {
    const result = trace();
    for (const tell of mine.values()) throw new NeuronError(`${what} makes the comparison ${tell()} and no operation takes it. ${howToChoose}; leave out a comparison that serves nothing`);
    return result;
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw new NeuronError(`${what} fails: ${error.message}. Expressions have the methods add, sub, mul, greater and so on, one for each operation`, { cause: error });
  } finally {
    unused = outer;
  }
}

export const howToChoose = "What an expression will be is known only when the kernel runs, so `if`, `c ? a : b`, `!`, `&&`, `||` and `===` cannot ask: write where(condition, a, b), logicalNot(c), logicalAnd(c, d), logicalOr(c, d), equal(a, b)";
