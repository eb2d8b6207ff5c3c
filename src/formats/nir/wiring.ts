import { OptionError } from "../../errors.ts";
import { elements } from "../../nn/axes.ts";
import type { Layer } from "../../nn/layer.ts";
import type { Shape } from "../../nn/variable.ts";
import type { NodeType } from "./graph.ts";
import type { Signal } from "./layout.ts";
import { writeReadout } from "./readout.ts";
import { isNumbers, type Leaf, type NumberArray, type Tree } from "./tree.ts";

interface WrittenNode {
  readonly name: string;
  type: NodeType;
  fields: Record<string, Leaf>;
  readonly metadata?: Tree;
  isRead: boolean;
  /** Batch norms that were folded into it. */
  folds: number;
}

/** A value on its way: the sum of the outputs of some nodes, as they were when so many batch norms were folded into them. */
export interface Wire {
  readonly signal: Signal;
  readonly sources: readonly { readonly node: WrittenNode; readonly folds: number }[];
}

/** Nodes and edges as they are made. */
export class Wiring {
  readonly dt: number;
  /** What NIR does not say, for people. */
  readonly rules: string[] = [];
  readout: Layer | undefined;
  readonly #nodes = new Map<string, WrittenNode>();
  readonly #edges: [string, string][] = [];

  constructor(dt: number) {
    this.dt = dt;
  }

  /** A node that reads a wire; its name is what is wanted, with a number where that is taken. */
  add(wanted: string, type: NodeType, fields: Record<string, Leaf>, signal: Signal, from?: Wire, metadata?: Tree): Wire {
    const node: WrittenNode = { name: this.#free(wanted), type, fields, metadata, isRead: false, folds: 0 };
    this.#nodes.set(node.name, node);
    const wire = { signal, sources: [{ node, folds: 0 }] };
    if (from) this.connect(from, wire);
    return wire;
  }

  connect(from: Wire, { sources: [to] }: Wire): void {
    for (const { node, folds } of from.sources) {
      if (folds !== node.folds) throw new OptionError(`exportNir: the output of ${node.name} is read before and after the batch norm that is folded into it: NIR has no node for that`);
      node.isRead = true;
      this.#edges.push([node.name, to.node.name]);
    }
  }

  /** scale·y + shift of each output of the weights that y comes from, or undefined if it comes from more than weights that nothing else reads. */
  fold({ signal, sources }: Wire, scale: Float64Array, shift: Float64Array): Wire | undefined {
    const [{ node, folds }, ...others] = sources;
    const { weight, bias } = node.fields;
    if (others.length > 0 || node.isRead || folds !== node.folds || !isNumbers(weight)) return undefined;
    const row = weight.data.length / scale.length;
    const before = isNumbers(bias) ? bias.data : new Float32Array(scale.length);
    node.fields = {
      ...node.fields,
      weight: { shape: weight.shape, data: Float32Array.from(weight.data, (value, i) => value * scale[Math.floor(i / row)]) },
      bias: { shape: [scale.length], data: Float32Array.from(before, (value, o) => value * scale[o] + shift[o]) },
    };
    if (node.type === "Linear") node.type = "Affine";
    node.folds++;
    return { signal, sources: [{ node, folds: node.folds }] };
  }

  /** The sum of two wires. NIR adds up what a node reads, each other node once: a sum of its own, and what is there twice, go through a scale of 1. */
  sum(a: Wire, b: Wire): Wire {
    const isTwice = b.sources.some(({ node }) => a.sources.some((each) => each.node === node));
    return { signal: a.signal, sources: [...a.sources, ...(isTwice || b.sources.length > 1 ? this.#passed(b) : b).sources] };
  }

  tree(output: Wire): Tree {
    this.add("output", "Output", { shape: integers(output.signal.shape) }, output.signal, output);
    return {
      version: VERSION,
      node: {
        type: "NIRGraph",
        edges: { shape: [this.#edges.length, 2], texts: this.#edges.flat() },
        nodes: Object.fromEntries([...this.#nodes].map(([name, { type, fields, metadata }]) => [name, { type, ...fields, ...(metadata ? { metadata } : {}) }])),
        metadata: writeReadout(this.readout, this.dt),
      },
    };
  }

  #passed(wire: Wire): Wire {
    const { shape } = wire.signal;
    return this.add(`${wire.sources[0].node.name}.sum`, "Scale", { scale: { shape, data: new Float64Array(elements(shape)).fill(1) } }, wire.signal, wire);
  }

  #free(wanted: string, count = 1): string {
    const name = count === 1 ? wanted : `${wanted}_${count}`;
    return this.#nodes.has(name) ? this.#free(wanted, count + 1) : name;
  }
}

/** The release of the format's Python package whose files these are. */
const VERSION = "1.0.7";

export const integers = (values: Shape): NumberArray => ({ shape: [values.length], data: Float64Array.from(values), isInteger: true });
export const integer = (value: number): NumberArray => ({ shape: [], data: Float64Array.of(value), isInteger: true });
