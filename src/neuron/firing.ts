import { defineStep, type Neuron } from "./define.ts";
import { constant, type Expr } from "./expr.ts";
import type { Surrogate } from "./surrogate.ts";
import { operandsOf, postOrder } from "./walk.ts";

/** What decides whether a neuron fires: u = potential − threshold. */
export interface Firing {
  potential: Expr;
  threshold: Expr;
  /** Whether the potential is the membrane before its reset. Else u could not be taken apart: the potential is u as it stands, the threshold 0. */
  isMembrane: boolean;
  surrogate: Surrogate;
}

/** The spike of a step: that of its output, or where the output is another number, one that resets a state. A neuron that never fires has none. */
const spikeOf = (next: Readonly<Record<string, Expr>>) =>
  [[next.spike], Object.values(next)].map((roots) => postOrder(roots).findLast(({ node }) => node.kind === "spike")).find((found) => found !== undefined);

/** Whether a neuron fires at all: an integrator does not. */
export const fires = ({ next }: Pick<Neuron, "next">): boolean => spikeOf(next) !== undefined;

/** Whether an expression is 0 or 1 whatever its leaves are: a spike, and what `1 − s`, `s·r`, `where` make of spikes. */
export function isBinary({ node }: Expr): boolean {
  switch (node.kind) {
    case "spike": return true;
    case "constant": return node.value === 0 || node.value === 1;
    case "detach": return isBinary(node.x);
    case "operation": {
      const [a, b, c] = node.args;
      if (node.op === "mul") return isBinary(a) && isBinary(b);
      if (node.op === "sub") return a.node.kind === "constant" && a.node.value === 1 && isBinary(b);
      return node.op === "where" && isBinary(b) && isBinary(c);
    }
    case "leaf": return false;
  }
}

/**
 * Takes the argument of the spike apart. Of u = (h − a) − b, the membrane is the part of which the next states are made: h where they
 * go on with h, as those of a neuron whose threshold a + b adapts; else h − a.
 * @param next what a step returns, of a neuron that fires
 */
export function firing(next: Readonly<Record<string, Expr>>, states: readonly string[]): Firing {
  const { u, surrogate } = spikeOf(next)!.node as Extract<Expr["node"], { kind: "spike" }>;
  const whole = [...new Set([u, unscaled(u)])].map((potential) => ({ potential, threshold: constant(0) }));
  const differences = differencesOf(unscaled(u));
  const parts = [...whole, ...differences];
  const potentials = new Set(parts.map(({ potential }) => potential));
  const reached = new Set(postOrder(states.map((name) => next[name]), (x) => (x.node.kind === "spike" || potentials.has(x) ? [] : operandsOf(x))));
  const used = parts.findLast(({ potential }) => reached.has(potential));
  return { ...(used ?? differences[0] ?? whole[0]), isMembrane: used !== undefined || differences.length > 0, surrogate };
}

/** Every way in which u is potential − threshold, the least taken apart first. */
function differencesOf(u: Expr): { potential: Expr; threshold: Expr }[] {
  const found = [{ potential: u, threshold: constant(0) }];
  for (const { potential: { node }, threshold } of found) {
    if (node.kind !== "operation") break;
    const [a, b] = node.args;
    if (node.op === "sub") found.push({ potential: a, threshold: b.add(threshold) });
    else if (node.op === "add" && b.node.kind === "constant") found.push({ potential: a, threshold: threshold.sub(b) });
    else if (node.op === "add" && a.node.kind === "constant") found.push({ potential: b, threshold: threshold.sub(a) });
  }
  return found.slice(1);
}

/** Without a positive factor, which makes no difference to when u reaches 0. */
function unscaled(u: Expr): Expr {
  const { node } = u;
  if (node.kind !== "operation" || (node.op !== "mul" && node.op !== "div")) return u;
  const [a, b] = node.args;
  const isPositive = ({ node }: Expr) => node.kind === "constant" && node.value > 0;
  if (isPositive(b)) return unscaled(a);
  return node.op === "mul" && isPositive(a) ? unscaled(b) : u;
}

/** Names for the two outputs that `withFiring` adds, which the neuron does not use. */
export function firingNames({ state, inputs, params, outputs }: Neuron): { potential: string; threshold: string } {
  const taken = new Set([...Object.keys(state), ...inputs, ...Object.keys(params), ...outputs]);
  const free = (name: string): string => (taken.has(name) ? free(`${name}_`) : name);
  return { potential: free("potential"), threshold: free("threshold") };
}

/** The neuron with the two sides of its spike's comparison as further outputs, called as `firingNames` says. */
export function withFiring(neuron: Neuron, names = firingNames(neuron)): Neuron {
  const { name, state, inputs, params, learnable } = neuron;
  return defineStep({
    name, state: { ...state }, inputs, params: { ...params }, learnable,
    step(...leaves) {
      const next = neuron.step(...leaves);
      const { potential, threshold } = firing(next, Object.keys(state));
      return { ...next, [names.potential]: potential, [names.threshold]: threshold };
    },
  });
}
