import { type Expr, leaf, typeOf } from "../neuron/expr.ts";
import { operandsOf, postOrder } from "../neuron/walk.ts";
import { type Block, lower, substitute } from "./block.ts";
import type { Extent } from "./buffers.ts";

/** A value that does not change over time. */
export interface Invariant {
  readonly name: string;
  readonly extent: Extent;
}

type Known = Invariant & { readonly expr: Expr; readonly leaf: Expr };

const order: readonly Extent[] = ["layer", "channel", "neuron"];
const wider = (a: Extent, b: Extent): Extent => (order.indexOf(a) > order.indexOf(b) ? a : b);

/** Collects what a kernel can compute once, before its time loop: the largest subexpressions of time-constant inputs and parameters. */
export class Invariants {
  readonly #sources: ReadonlyMap<Expr, Extent>;
  /** By their expressions. */
  readonly #known = new Map<Expr, Known>();
  readonly #byLeaf = new Map<Expr, Known>();
  readonly #memo = new Map<Expr, Expr>();
  readonly #extents = new Map<Expr, Extent | null>();

  /** `sources`: the leaves that do not change over time, and their extents. */
  constructor(sources: ReadonlyMap<Expr, Extent>) {
    this.#sources = sources;
  }

  /** Replaces every largest invariant subexpression by a leaf. */
  hoist(roots: Record<string, Expr>): Record<string, Expr> {
    const replace = (x: Expr): Expr | undefined => {
      const extent = this.#extentOf(x);
      return extent && typeOf(x) === "f" ? this.add(x, extent) : undefined;
    };
    return Object.fromEntries(Object.entries(roots).map(([name, root]) => [name, substitute(root, replace, this.#memo)]));
  }

  /** The leaf that stands for an invariant expression. */
  add(expr: Expr, extent: Extent): Expr {
    const existing = this.#known.get(expr);
    if (existing) return existing.leaf;
    if (expr.node.kind === "leaf" && expr.node.role === "invariant") return expr;
    const name = `k${this.#known.size}`;
    const known = { name, extent, expr, leaf: leaf("invariant", name) };
    this.#known.set(expr, known);
    this.#byLeaf.set(known.leaf, known);
    return known.leaf;
  }

  snapshot(): readonly Known[] {
    return [...this.#known.values()];
  }

  prologue(): { invariants: readonly Invariant[]; prologue: Block } {
    const known = this.snapshot();
    const expanded = new Map<Expr, Expr>();
    // An invariant is made of earlier ones, so those are expanded already.
    const expand = (x: Expr): Expr | undefined => {
      const meaning = this.#byLeaf.get(x)?.expr;
      return meaning && expanded.get(meaning);
    };
    return {
      invariants: known.map(({ name, extent }) => ({ name, extent })),
      prologue: lower(Object.fromEntries(known.map(({ name, expr }) => [name, substitute(expr, expand, expanded)]))),
    };
  }

  /** The extent of a time-invariant expression; null if it varies or is a constant. */
  #extentOf(root: Expr): Extent | null {
    const extents = this.#extents;
    const known = extents.get(root);
    if (known !== undefined) return known;
    for (const x of postOrder([root], (each) => (extents.has(each) ? [] : operandsOf(each)))) if (!extents.has(x)) extents.set(x, this.#computeExtent(x));
    return extents.get(root)!;
  }

  /** Of an expression whose operands' extents are known. */
  #computeExtent(x: Expr): Extent | null {
    const source = this.#sources.get(x) ?? this.#byLeaf.get(x)?.extent;
    if (source) return source;
    let result: Extent | null = null;
    for (const operand of operandsOf(x)) {
      if (operand.node.kind === "constant") continue;
      const extent = this.#extents.get(operand)!;
      if (!extent) return null;
      result = result ? wider(result, extent) : extent;
    }
    return result;
  }
}
