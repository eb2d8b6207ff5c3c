import { operandsOf } from "../neuron/define.ts";
import { type Expr, leaf, typeOf } from "../neuron/expr.ts";
import { type Block, lower, substitute } from "./block.ts";
import type { Extent } from "./plan.ts";

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
  readonly #known: Known[] = [];
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
    const existing = this.#known.find((known) => known.expr === expr);
    if (existing) return existing.leaf;
    if (expr.node.kind === "leaf" && expr.node.role === "invariant") return expr;
    const name = `k${this.#known.length}`;
    const stand = leaf("invariant", name);
    this.#known.push({ name, extent, expr, leaf: stand });
    return stand;
  }

  snapshot(): readonly Known[] {
    return [...this.#known];
  }

  prologue(): { invariants: readonly Invariant[]; prologue: Block } {
    const expanded = new Map<Expr, Expr>();
    const byLeaf = new Map(this.#known.map((known) => [known.leaf, known.expr]));
    const expand = (x: Expr): Expr | undefined => {
      const meaning = byLeaf.get(x);
      return meaning && substitute(meaning, expand, expanded);
    };
    return {
      invariants: this.#known.map(({ name, extent }) => ({ name, extent })),
      prologue: lower(Object.fromEntries(this.#known.map(({ name, expr }) => [name, substitute(expr, expand, expanded)]))),
    };
  }

  /** The extent of a time-invariant expression; null if it varies or is a constant. */
  #extentOf(x: Expr): Extent | null {
    let extent = this.#extents.get(x);
    if (extent === undefined) this.#extents.set(x, (extent = this.#computeExtent(x)));
    return extent;
  }

  #computeExtent(x: Expr): Extent | null {
    const source = this.#sources.get(x) ?? this.#known.find((known) => known.leaf === x)?.extent;
    if (source) return source;
    const operands = operandsOf(x);
    let result: Extent | null = null;
    for (const operand of operands) {
      if (operand.node.kind === "constant") continue;
      const extent = this.#extentOf(operand);
      if (!extent) return null;
      result = result ? wider(result, extent) : extent;
    }
    return result;
  }
}
