import { type Expr, typeOf } from "../../neuron/expr.ts";
import { operations } from "../../neuron/ops.ts";
import { operandsOf, postOrder } from "../../neuron/walk.ts";

/** c + Σ k·leaf: what an expression is where its spikes and parameters are known. Coefficients that are 0 are left out. */
export interface Affine {
  readonly constant: number;
  readonly terms: ReadonlyMap<string, number>;
}

export interface Known {
  /** Values of the parameters. */
  readonly params: Readonly<Record<string, number>>;
  /** What a spike is taken to be: 0 or 1. */
  spike(x: Expr): number;
}

const number = (constant: number): Affine => ({ constant, terms: new Map() });

function combined(a: Affine, b: Affine, scale: number): Affine {
  const terms = new Map(a.terms);
  for (const [name, k] of b.terms) terms.set(name, (terms.get(name) ?? 0) + scale * k);
  return { constant: a.constant + scale * b.constant, terms: new Map([...terms].filter(([, k]) => k !== 0)) };
}

const scaled = (a: Affine, scale: number): Affine => combined(number(0), a, scale);
const isNumber = ({ terms }: Affine): boolean => terms.size === 0;

/** The form of an expression of states and inputs in exact arithmetic; undefined if it is no such sum. */
export function affineForm(root: Expr, { params, spike }: Known): Affine | undefined {
  const forms = new Map<Expr, Affine | undefined>();
  // Only what is taken counts: an arm of `where` that is not taken may be anything.
  for (const x of postOrder([root], (each) => (each.node.kind === "spike" ? [] : operandsOf(each)))) forms.set(x, formOf(x));
  return forms.get(root);

  function formOf(x: Expr): Affine | undefined {
    const { node } = x;
    switch (node.kind) {
      case "constant": return number(node.value);
      case "leaf": return node.role === "param" ? number(params[node.name]) : { constant: 0, terms: new Map([[node.name, 1]]) };
      case "spike": return number(spike(x));
      case "detach": return forms.get(node.x);
      case "operation": {
        const args = node.args.map((arg) => forms.get(arg));
        if (node.op === "where") {
          const [condition, yes, no] = args;
          return condition && isNumber(condition) ? (condition.constant !== 0 ? yes : no) : undefined;
        }
        const [a, b] = args;
        if (!a || (args.length > 1 && !b)) return undefined;
        if (node.op === "add" || node.op === "sub") return combined(a, b!, node.op === "add" ? 1 : -1);
        if (node.op === "neg") return scaled(a, -1);
        if (node.op === "mul" && isNumber(b!)) return scaled(a, b!.constant);
        if (node.op === "mul" && isNumber(a)) return scaled(b!, a.constant);
        if (node.op === "div" && isNumber(b!)) return scaled(a, 1 / b!.constant);
        if (args.some((arg) => !isNumber(arg!))) return undefined;
        const value = operations[node.op].evaluate(a.constant, b?.constant ?? 0, 0);
        return typeOf(x) === "b" || Number.isFinite(value) ? number(value) : undefined;
      }
    }
  }
}

export const coefficient = ({ terms }: Affine, name: string): number => terms.get(name) ?? 0;

/** Whether numbers agree as f32 do. */
export const isNear = (a: number, b: number): boolean => a === b || Math.abs(a - b) <= 1e-6 * Math.max(Math.abs(a), Math.abs(b));

/** Whether two forms agree but for the constant. */
export const sameTerms = (a: Affine, b: Affine): boolean => [...new Set([...a.terms.keys(), ...b.terms.keys()])].every((name) => isNear(coefficient(a, name), coefficient(b, name)));
