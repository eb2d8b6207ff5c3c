import { FileFormatError } from "../../errors.ts";
import type { NirGraph, NirNode } from "./graph.ts";

/** The nodes of a graph that its output depends on, each after those that it reads, but for connections of neurons back to themselves. */
export interface Topology {
  readonly order: readonly NirNode[];
  /** By neuron: the nodes through which it reads itself, the neuron itself where it does so without any. */
  readonly loops: ReadonlyMap<string, readonly NirNode[]>;
  readonly input: NirNode;
  readonly output: NirNode;
}

/** @throws FileFormatError for a graph that has not one Input and one Output, or a cycle of another form */
export function topologyOf({ nodes }: NirGraph, file: string, rules: string[]): Topology {
  const [input, output] = (["Input", "Output"] as const).map((type) => {
    const found = [...nodes.values()].filter((node) => node.type === type);
    if (found.length !== 1) throw new FileFormatError(`${file} has ${found.length} nodes of type ${type}${found.length > 1 ? ` (${found.map(({ name }) => name).join(", ")})` : ""}: expected one`);
    return found[0];
  });
  const loops = loopsOf(nodes);
  const hidden = new Set([...loops.values()].flat().filter(({ name }) => !loops.has(name)).map(({ name }) => name));
  const forward = (node: NirNode): NirNode[] => sourcesOf(node, loops).map((name) => nodes.get(name)!);

  const order: NirNode[] = [];
  const done = new Set<string>();
  const open: { node: NirNode; below: NirNode[] }[] = [];
  const enter = (node: NirNode): void => {
    if (done.has(node.name)) return;
    const at = open.findIndex(({ node: { name } }) => name === node.name);
    if (at >= 0) throw cycle(file, open.slice(at).map(({ node: { name } }) => name));
    const below = forward(node);
    if (below.length === 0 && node.type !== "Input") throw new FileFormatError(`${file}: node ${node.name} (${node.type}) reads no other node`);
    open.push({ node, below });
  };
  enter(output);
  for (let top = open.at(-1); top; top = open.at(-1)) {
    const next = top.below.shift();
    if (next) {
      enter(next);
    } else {
      open.pop();
      done.add(top.node.name);
      order.push(top.node);
    }
  }
  const unused = [...nodes.keys()].filter((name) => !done.has(name) && !hidden.has(name));
  if (!done.has(input.name)) throw new FileFormatError(`${file}: its Input ${input.name} does not reach its Output ${output.name}`);
  if (unused.length > 0) rules.push(`${unused.join(", ")}: left out, since no output depends on them`);
  return { order, loops, input, output };
}

/** The nodes whose outputs a node adds up, without those of its own loop. */
export const sourcesOf = ({ name, from }: NirNode, loops: Topology["loops"]): string[] => from.filter((source) => !loops.get(name)?.some((each) => each.name === source));

/** Neurons that read themselves, directly or through one node of weights which nothing else reads or writes. */
function loopsOf(nodes: ReadonlyMap<string, NirNode>): Map<string, NirNode[]> {
  const loops = new Map<string, NirNode[]>();
  const readers = new Map<string, string[]>();
  for (const { name, from } of nodes.values()) for (const source of from) readers.set(source, [...(readers.get(source) ?? []), name]);
  for (const node of nodes.values()) {
    const found = node.from.map((name) => nodes.get(name)!).filter((each) =>
      each === node || (["Affine", "Linear", "Scale"].includes(each.type) && each.from.length === 1 && each.from[0] === node.name && readers.get(each.name)!.length === 1));
    // Of two nodes that read one another alone, the one with weights is the connection.
    if (found.length > 0 && !["Affine", "Linear", "Scale", "Input", "Output"].includes(node.type)) loops.set(node.name, found);
  }
  return loops;
}

const cycle = (file: string, names: readonly string[]): FileFormatError =>
  new FileFormatError(`${file}: the nodes ${[...names, names[0]].reverse().join(" → ")} read one another in a circle: here a cycle is a neuron that reads itself, directly or through one Affine, Linear or Scale which nothing else reads`);
