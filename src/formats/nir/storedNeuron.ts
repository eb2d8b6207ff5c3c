import { defineStep, type Neuron } from "../../neuron/define.ts";
import { apply, constant, detach, type Expr, leaf, spike, type Surrogate } from "../../neuron/expr.ts";
import { operations, type OperationName } from "../../neuron/ops.ts";
import { operandsOf, postOrder } from "../../neuron/walk.ts";

/** An operation with the numbers of the lines that it reads. */
type Line = readonly ["constant", number | string] | readonly ["leaf", string, string] | readonly ["spike", number, boolean, StoredSurrogate] | readonly ["detach", number] | readonly [OperationName, ...number[]];

export interface StoredSurrogate {
  readonly name: string;
  readonly options: Readonly<Record<string, number>>;
  /** The derivative, of an input called u. */
  readonly lines: readonly Line[];
}

/** A neuron as JSON can hold it: the operations of its step, one a line, the results being named lines. */
export interface StoredNeuron {
  readonly name: string;
  readonly state: Readonly<Record<string, number>>;
  readonly inputs: readonly string[];
  readonly params: Readonly<Record<string, number | string>>;
  readonly learnable: readonly string[];
  readonly lines: readonly Line[];
  readonly next: Readonly<Record<string, number>>;
}

export function storeNeuron({ name, state, inputs, params, learnable, next }: Neuron): StoredNeuron {
  const { lines, at } = linesOf(Object.values(next));
  return {
    name, state, inputs, learnable, lines,
    params: Object.fromEntries(Object.entries(params).map(([param, value]) => [param, stored(value)])),
    next: Object.fromEntries(Object.entries(next).map(([output, x]) => [output, at(x)])),
  };
}

/** @throws Error for what `storeNeuron` did not make */
export function restoreNeuron({ name, state, inputs, params, learnable, lines, next }: StoredNeuron): Neuron {
  return defineStep({
    name, state: { ...state }, inputs, learnable, params: Object.fromEntries(Object.entries(params).map(([param, value]) => [param, Number(value)])),
    step(states, given, values) {
      const leaves: Record<string, Record<string, Expr>> = { state: states, input: given, param: values };
      const results = evaluate(lines, (role, leafName) => leaves[role][leafName]);
      return Object.fromEntries(Object.entries(next).map(([output, line]) => [output, results[line]]));
    },
  });
}

export function storeSurrogate({ name, options, derivative }: Surrogate): StoredSurrogate {
  return { name, options, lines: linesOf([derivative(leaf("input", "u"))]).lines };
}

export const restoreSurrogate = ({ name, options, lines }: StoredSurrogate): Surrogate => ({ name, options, derivative: (u) => evaluate(lines, () => u).at(-1)! });

/** JSON has no infinity. */
const stored = (value: number): number | string => (Number.isFinite(value) ? value : String(value));

function linesOf(roots: readonly Expr[]): { lines: Line[]; at: (x: Expr) => number } {
  const numbers = new Map<Expr, number>();
  const at = (x: Expr): number => numbers.get(x)!;
  const lines = postOrder(roots).map((x, i): Line => {
    numbers.set(x, i);
    const { node } = x;
    switch (node.kind) {
      case "constant": return ["constant", stored(node.value)];
      case "leaf": return ["leaf", node.role, node.name];
      case "spike": return ["spike", at(node.u), node.strict, storeSurrogate(node.surrogate)];
      case "detach": return ["detach", at(node.x)];
      case "operation": return [node.op, ...operandsOf(x).map(at)];
    }
  });
  return { lines, at };
}

function evaluate(lines: readonly Line[], leafOf: (role: string, name: string) => Expr): Expr[] {
  const results: Expr[] = [];
  const at = (line: unknown): Expr => results[line as number] ?? fail(`a line reads line ${String(line)}, which is not before it`);
  for (const [what, ...rest] of lines) {
    const [first, second, third] = rest as readonly unknown[];
    if (what === "constant") results.push(constant(Number(first)));
    else if (what === "leaf") results.push(leafOf(String(first), String(second)) ?? fail(`there is no ${String(first)} ${String(second)}`));
    else if (what === "spike") results.push(spike(at(first), restoreSurrogate(third as StoredSurrogate), { strict: second === true }));
    else if (what === "detach") results.push(detach(at(first)));
    else if (Object.hasOwn(operations, what)) results.push(apply(what, ...(rest as readonly unknown[]).map(at)));
    else fail(`${String(what)} is no operation`);
  }
  return results;
}

function fail(why: string): never {
  throw new Error(why);
}
