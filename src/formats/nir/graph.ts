import { suggestion } from "../../check.ts";
import { FileFormatError } from "../../errors.ts";
import { isNumbers, isTexts, isTree, type NumberArray, type Tree } from "./tree.ts";

/** The fields of each type of node of NIR 1.0.7; those with a ? may be missing. */
const FIELDS = {
  Input: ["shape"],
  Output: ["shape"],
  Affine: ["weight", "bias"],
  Linear: ["weight"],
  Scale: ["scale"],
  Conv1d: ["weight", "bias", "stride", "padding", "dilation", "groups", "input_shape?"],
  Conv2d: ["weight", "bias", "stride", "padding", "dilation", "groups", "input_shape?"],
  SumPool2d: ["kernel_size", "stride", "padding"],
  AvgPool2d: ["kernel_size", "stride", "padding"],
  Flatten: ["start_dim", "end_dim", "input_type?"],
  Delay: ["delay"],
  I: ["r"],
  IF: ["r", "v_threshold", "v_reset?"],
  LI: ["tau", "r", "v_leak"],
  LIF: ["tau", "r", "v_leak", "v_threshold", "v_reset?"],
  CubaLI: ["tau_syn", "tau_mem", "r", "v_leak", "w_in?"],
  CubaLIF: ["tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset?", "w_in?"],
  Threshold: ["threshold"],
} as const satisfies Record<string, readonly string[]>;

export type NodeType = keyof typeof FIELDS;

export interface NirNode {
  /** In nested graphs with theirs before it: "lif1.w_rec". */
  readonly name: string;
  readonly type: NodeType;
  readonly fields: Readonly<Record<string, NumberArray | string>>;
  readonly metadata: Tree;
  /** Names of the nodes whose outputs it adds up, each once, in the order of the edges. */
  readonly from: readonly string[];
}

export interface NirGraph {
  readonly nodes: ReadonlyMap<string, NirNode>;
  readonly metadata: Tree;
  /** What was done that the file does not say. */
  readonly rules: readonly string[];
}

interface Parts {
  nodes: Map<string, Omit<NirNode, "from">>;
  edges: (readonly [string, string])[];
  rules: string[];
  /** The nodes at which a nested graph begins and ends. */
  ends: Map<string, { first: string; last: string }>;
}

/**
 * The graph in a NIR file, with nested graphs taken apart.
 * @throws FileFormatError, naming the node, for a type that there is not, a field that is missing, and edges of nodes that there are not
 */
export function readGraph(tree: Tree, file: string): NirGraph {
  const { node: root } = tree;
  if (!isTree(root)) throw new FileFormatError(`${file} has no group called node: expected a NIR file`);
  if (root.type !== "NIRGraph") throw new FileFormatError(`${file}: the outermost node is of type ${JSON.stringify(root.type)}: expected a NIRGraph`);
  const parts: Parts = { nodes: new Map(), edges: [], rules: [], ends: new Map() };
  collect(root, file, "", parts);
  return { nodes: connected(parts, file), metadata: isTree(root.metadata) ? root.metadata : {}, rules: parts.rules };
}

/** Adds the nodes and edges of a graph; `path` is its name, "" for the outermost. */
function collect(graph: Tree, file: string, path: string, parts: Parts): void {
  const where = path === "" ? file : `${file}: node ${path} (NIRGraph)`;
  const { nodes, edges } = graph;
  if (!isTree(nodes)) throw new FileFormatError(`${where} has no nodes`);
  // A graph of one node has no edges.
  const pairs = isTexts(edges) ? edges : { shape: [0, 2], texts: [] };
  if (pairs.shape.length !== 2 || pairs.shape[1] !== 2) throw new FileFormatError(`${where}: its edges have the shape [${pairs.shape.join(", ")}]: expected [n, 2]`);
  const full = (name: string): string => (path === "" ? name : `${path}.${name}`);
  const names = Object.keys(nodes);
  for (const name of names) {
    const found = nodes[name];
    if (!isTree(found) || typeof found.type !== "string") throw new FileFormatError(`${where}: node ${name} has no type`);
    if (parts.nodes.has(full(name)) || parts.ends.has(full(name))) throw new FileFormatError(`${where}: two nodes are called ${full(name)}`);
    if (found.type === "NIRGraph") collect(found, file, full(name), parts);
    else parts.nodes.set(full(name), { name: full(name), ...nodeFields(found, found.type, `${file}: node ${full(name)}`), metadata: isTree(found.metadata) ? found.metadata : {} });
  }
  for (let i = 0; i < pairs.texts.length; i += 2) {
    const edge = [pairs.texts[i], pairs.texts[i + 1]];
    const unknown = edge.find((end) => !names.includes(end));
    if (unknown !== undefined) throw new FileFormatError(`${where}: the edge ${edge.join(" → ")} names ${unknown}, which is none of its nodes${suggestion(unknown, names)} (${names.join(", ")})`);
    const [from, to] = edge.map(full);
    parts.edges.push([parts.ends.get(from)?.last ?? from, parts.ends.get(to)?.first ?? to]);
  }
  if (path === "") return;
  const [first, last] = (["Input", "Output"] as const).map((type) => {
    const ends = names.map(full).filter((name) => parts.nodes.get(name)?.type === type);
    if (ends.length !== 1) throw new FileFormatError(`${where} has ${ends.length} nodes of type ${type}: expected one`);
    return ends[0];
  });
  parts.ends.set(path, { first, last });
  parts.rules.push(`${path} (NIRGraph): its nodes are taken as part of the graph around it, called ${path}.…`);
}

function nodeFields(tree: Tree, type: string, where: string): Pick<NirNode, "type" | "fields"> {
  if (!Object.hasOwn(FIELDS, type)) {
    const known = [...Object.keys(FIELDS), "NIRGraph"];
    throw new FileFormatError(`${where} is of the type ${type}, which NIR 1.0.7 does not have${suggestion(type, known)} (${known.join(", ")})`);
  }
  const fields: Record<string, NumberArray | string> = {};
  for (const entry of FIELDS[type as NodeType] as readonly string[]) {
    const name = entry.replace("?", "");
    const value = tree[name];
    if (isNumbers(value) || (typeof value === "string" && name === "padding")) fields[name] = value;
    else if (value !== undefined || entry === name) throw new FileFormatError(`${where} (${type}) ${value === undefined ? "has no" : "has no numbers in"} ${name}`);
  }
  return { type: type as NodeType, fields };
}

/** The nodes with what they read, where the ends of nested graphs are no nodes any more. */
function connected({ nodes, edges, rules, ends }: Parts, file: string): Map<string, NirNode> {
  const sources = new Map<string, Set<string>>([...nodes.keys()].map((name) => [name, new Set()]));
  for (const [from, to] of edges) {
    const known = sources.get(to)!;
    if (known.has(from)) rules.push(`${from} → ${to}: the edge is there more than once and counts once`);
    known.add(from);
  }
  const inner = new Set([...ends.values()].flatMap(({ first, last }) => [first, last]));
  const resolve = (name: string, trail: readonly string[] = []): string[] => {
    if (!inner.has(name)) return [name];
    if (trail.includes(name)) throw new FileFormatError(`${file}: the ends of nested graphs read one another: ${[...trail, name].join(" → ")}`);
    return [...sources.get(name)!].flatMap((source) => resolve(source, [...trail, name]));
  };
  const result = new Map<string, NirNode>();
  for (const [name, node] of nodes) {
    if (!inner.has(name)) result.set(name, { ...node, from: [...new Set([...sources.get(name)!].flatMap((source) => resolve(source)))] });
  }
  return result;
}
