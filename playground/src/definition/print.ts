import { shortestDecimal } from "../../../src/neuron/decimal.ts";
import type { Neuron } from "../../../src/neuron/define.ts";
import { type Expr, leaf } from "../../../src/neuron/expr.ts";
import { surrogate as surrogates, type Surrogate } from "../../../src/neuron/index.ts";
import { operandsOf, postOrder } from "../../../src/neuron/walk.ts";
import { library } from "./names.ts";

/** A neuron as text that defines it: what was traced, shared values by name. */
export function printDefinition({ name, state, inputs, params, learnable, outputs, next }: Neuron): string {
  const writer = new Writer([...Object.keys(state), ...inputs, ...Object.keys(params)], Object.values(next));
  const results = [...outputs, ...Object.keys(state)].map((word) => [word, writer.write(next[word])] as const);
  const returned = results.map(([word, text]) => (word === text ? word : `${word}: ${text}`)).join(", ");
  const used = (words: readonly string[]): string => (words.length > 0 ? `{ ${words.join(", ")} }` : "{}");
  const args = [used(Object.keys(state)), ...(inputs.length + Object.keys(params).length > 0 ? [used(inputs)] : []), ...(Object.keys(params).length > 0 ? [used(Object.keys(params))] : [])];
  return [
    "defineNeuron({",
    `  name: ${JSON.stringify(name)},`,
    `  state: ${record(state)},`,
    ...(inputs.length === 1 && inputs[0] === "x" ? [] : [`  inputs: ${JSON.stringify(inputs)},`]),
    ...(Object.keys(params).length > 0 ? [`  params: ${record(params)},`] : []),
    ...(learnable.length > 0 ? [`  learnable: ${JSON.stringify(learnable)},`] : []),
    `  step(${args.join(", ")}) {`,
    ...writer.lines.map((line) => `    ${line}`),
    `    return { ${returned} };`,
    "  },",
    "});",
    "",
  ].join("\n");
}

const record = (values: Readonly<Record<string, number>>): string => {
  const entries = Object.entries(values).map(([name, value]) => `${name}: ${value}`);
  return entries.length > 0 ? `{ ${entries.join(", ")} }` : "{}";
};

/** What reads better as a method; the others are written as functions. */
const chained: ReadonlySet<string> = new Set(["add", "sub", "mul", "div", "neg", "greater", "greaterEqual", "less", "lessEqual", "equal", "notEqual"]);

/** Writes expressions; values that are used twice, and spikes, become constants of their own. */
class Writer {
  readonly lines: string[] = [];
  readonly #taken: Set<string>;
  /** Of each value that is written: its name, or its text. */
  readonly #texts = new Map<Expr, string>();
  readonly #uses = new Map<Expr, number>();
  readonly #membranes = new Set<Expr>();

  constructor(taken: readonly string[], roots: readonly Expr[]) {
    this.#taken = new Set([...taken, ...Object.keys(library)]);
    const all = postOrder(roots);
    for (const x of [...roots, ...all.flatMap(operandsOf)]) this.#uses.set(x, (this.#uses.get(x) ?? 0) + 1);
    for (const { node } of all) if (node.kind === "spike") this.#membranes.add(membrane(node.u));
  }

  write(root: Expr): string {
    for (const x of postOrder([root], (each) => (this.#texts.has(each) ? [] : operandsOf(each)))) if (!this.#texts.has(x)) this.#texts.set(x, this.#named(x));
    return this.#texts.get(root)!;
  }

  #named(x: Expr): string {
    const text = this.#text(x);
    const plain = x.node.kind === "leaf" || x.node.kind === "constant";
    if (plain || (x.node.kind !== "spike" && this.#uses.get(x)! < 2)) return text;
    const name = this.#fresh(x.node.kind === "spike" ? "s" : this.#membranes.has(x) ? "h" : "y");
    this.lines.push(`const ${name} = ${text};`);
    return name;
  }

  #text({ node }: Expr): string {
    const of = (x: Expr): string => this.#texts.get(x)!;
    switch (node.kind) {
      case "constant": return shortestDecimal(node.value);
      case "leaf": return node.name;
      case "detach": return `detach(${of(node.x)})`;
      case "spike": return `spike(${of(node.u)}, ${printSurrogate(node.surrogate)}${node.strict ? ", { strict: true }" : ""})`;
      case "operation": {
        const [first, ...rest] = node.args.map(of);
        const method = chained.has(node.op) && node.args[0].node.kind !== "constant";
        return method ? `${first}.${node.op}(${rest.join(", ")})` : `${node.op}(${[first, ...rest].join(", ")})`;
      }
    }
  }

  #fresh(stem: string): string {
    let name = stem;
    for (let n = 2; this.#taken.has(name); n++) name = `${stem}${n}`;
    this.#taken.add(name);
    return name;
  }
}

const membrane = (u: Expr): Expr => (u.node.kind === "operation" && u.node.op === "sub" ? u.node.args[0] : u);

function printSurrogate(given: Surrogate): string {
  if (given.name !== "custom" && Object.hasOwn(surrogates, given.name)) {
    const options = Object.entries(given.options).map(([name, value]) => `${name}: ${value}`).join(", ");
    return `surrogate.${given.name}(${options && `{ ${options} }`})`;
  }
  const derivative = given.derivative(leaf("input", "u"));
  const writer = new Writer(["u"], [derivative]);
  const result = writer.write(derivative);
  const body = writer.lines.length > 0 ? `{ ${writer.lines.join(" ")} return ${result}; }` : result;
  return `surrogate.custom((u) => ${body}, ${JSON.stringify(given.name)})`;
}
