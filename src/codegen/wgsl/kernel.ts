import { type Block, leavesOf } from "../../fusion/block.ts";
import type { BackwardPlan, BufferSpec, ForwardPlan, Plan } from "../../fusion/plan.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import { formats } from "../formats.ts";
import { type Binding, type Direction, offsetBuffers } from "./bindings.ts";
import { emitBlock, functionsOf, type Precision } from "./block.ts";
import { decoder, decoderName, encoder, encoderName, lane, packer, packerName, sharedStore, types, wordsOf } from "./elements.ts";
import type { SampleLayout } from "../samples.ts";
import { functionsOfConstant, splat, type Vector } from "./literal.ts";
import { type FunctionName, mathLibrary } from "./math.ts";
import { mixingLibrary } from "./mixing.ts";
import { Names } from "./names.ts";

export const indent = (lines: readonly string[]): string[] => lines.map((line) => `  ${line}`);

/** A binding's variable, and what its elements are: f32 one by one, vectors of a thread's neurons, whole words of packed elements, or words that threads share. */
interface Storage {
  readonly variable: string;
  readonly kind: "scalars" | "vectors" | "words" | "shared words";
}

/** What the forward and the backward kernel share: declarations, names, addresses, invariants, functions of one step. */
export class Kernel {
  readonly part: ForwardPlan | BackwardPlan;
  readonly vector: number;
  readonly V: Vector;
  readonly U: string;
  readonly names = new Names();
  /** Where neurons read one another: how samples lie over threads. A thread's neurons `n` then have places of their own in a row, and `at` is where it begins. */
  readonly samples: SampleLayout | null;
  readonly #bindings: readonly Binding[];
  readonly #storage = new Map<string, Storage>();
  readonly #library = new Set<FunctionName>();
  /** Texts of functions, by their own text: each once. */
  readonly #functions = new Set<string>();

  constructor(plan: Plan, direction: Direction, vector: number, bindings: readonly Binding[], samples: SampleLayout | null = null) {
    this.part = plan[direction]!;
    this.vector = vector;
    this.V = types.f32(vector);
    this.U = types.u32(vector);
    this.samples = samples;
    this.#bindings = bindings;
    for (const { buffers } of bindings) {
      const storage = { variable: this.names.of(buffers.join("_and_"), "buffer"), kind: this.#kindOf(buffers.map((name) => this.spec(name))) };
      for (const name of buffers) this.#storage.set(name, storage);
    }
  }

  spec(name: string): BufferSpec { return this.part.buffers.find((buffer) => buffer.name === name)!; }

  varying(direction: "in" | "out"): BufferSpec[] { return this.part.buffers.filter((buffer) => buffer.direction === direction && buffer.time === "varying"); }

  /** The same number for all neurons of the thread. */
  splat(value: number): string {
    for (const name of functionsOfConstant(value)) this.#library.add(name);
    return splat(this.V, value);
  }

  /** The thread's elements of a buffer, as numbers; `at` is the thread's place in a row, plus rows · threads. */
  load(name: string, at: string): string {
    const { variable, kind } = this.#storage.get(name)!;
    const { format } = this.spec(name);
    if (kind === "vectors") return `${variable}[${this.#fromOffset(name, at)}]`;
    if (kind === "scalars") return this.#gather(name, at);
    const half = format as "f16" | "bf16";
    this.#functions.add(decoder(half, this.samples ? 1 : this.vector));
    if (kind === "words") return `${decoderName(half)}(${variable}[${at}])`;
    if (this.samples) return `${this.V}(${this.#lanes((i) => this.#sharedWord(variable, half, this.#element(name, at, i))).join(", ")})`;
    return this.#sharedWord(variable, half, at);
  }

  /** Statements that store the thread's elements of a buffer. */
  store(name: string, at: string, value: string): string[] {
    const { variable, kind } = this.#storage.get(name)!;
    const { format } = this.spec(name);
    if (kind === "vectors") return [`${variable}[${this.#fromOffset(name, at)}] = ${value};`];
    if (this.samples) return this.#storeLanes(name, at, value);
    if (kind === "scalars") {
      const first = `${this.names.of(name, "at")}`;
      return ["{", ...indent([`let ${first} = ${this.#element(name, at)};`, ...this.#lanes((i) => `${variable}[${first}${i === 0 ? "" : ` + ${i}u`}] = ${lane(value, this.vector, i)};`)]), "}"];
    }
    const bytes = formats[format].bytes as 1 | 2;
    const codes = this.#encode(name, value);
    if (kind === "words") {
      this.#functions.add(packer(bytes, this.vector));
      return [`${variable}[${at}] = ${packerName(bytes)}(${codes});`];
    }
    const function_ = this.names.of(name, "store");
    this.#functions.add(sharedStore(function_, variable, bytes));
    if (this.vector === 1) return [`${function_}(${at}, ${codes});`];
    const all = this.names.of(name, "codes");
    return ["{", ...indent([`let ${all} = ${codes};`, ...this.#lanes((i) => `${function_}(${this.vector}u * (${at}) + ${i}u, ${lane(all, this.vector, i)});`)]), "}"];
  }

  /** Declares the invariants, those of channels and neurons as vectors over the thread's neurons. */
  prologue(): string[] {
    const { invariants, prologue } = this.part;
    const { lines, results } = this.block(prologue, "p", "exact", (role, name) => {
      const buffer = role === "seed" ? `d.${name}` : name;
      const { extent } = this.spec(buffer);
      return extent === "neuron" ? this.load(buffer, "thread") : this.#gather(buffer, "thread", extent);
    });
    return [...lines, ...invariants.map(({ name }) => `let ${name} = ${results[name]};`)];
  }

  block(block: Block, prefix: string, precision: Precision, leaf: (role: LeafRole, name: string) => string): { lines: string[]; results: Record<string, string> } {
    for (const name of functionsOf(block, precision)) this.#library.add(name);
    return emitBlock(block, this.V, prefix, precision, leaf);
  }

  /** The name of a leaf inside a function of one step; `of` gives results the same names. */
  leaf(role: LeafRole, name: string): string {
    return role === "invariant" ? name : this.of(role === "adjoint" ? `adjoint.${name}` : role === "seed" ? `d.${name}` : name);
  }

  /** The name of a result: `v_` for state.v, `grad_x_` for grad.x. */
  of(result: string): string { return this.names.of(result.replace(/^state\./, "")); }

  /**
   * A block as a function of its leaves, which returns a struct of its results. A kernel that calls it for each step is far shorter than one with
   * the block's text for each, and no slower.
   * @returns the text of a call, given the text of each leaf
   */
  step(name: string, struct: string, comment: string, block: Block, precision: Precision = "exact"): (argument: (role: LeafRole, name: string) => string) => string {
    const roles: LeafRole[] = ["state", "input", "invariant", "seed", "adjoint"];
    const leaves = roles.flatMap((role) => leavesOf(block, role).map((leaf) => ({ role, leaf })));
    const { lines, results } = this.block(block, name[0], precision, (role, leaf) => this.leaf(role, leaf));
    this.#functions.add([
      `struct ${struct} {`,
      ...indent(Object.keys(results).map((result) => `${this.of(result)}: ${this.V},`)),
      "}",
      "",
      `// ${comment}`,
      `fn ${name}(${leaves.map(({ role, leaf }) => `${this.leaf(role, leaf)}: ${this.V}`).join(", ")}) -> ${struct} {`,
      ...indent([...lines, `return ${struct}(${Object.values(results).join(", ")});`]),
      "}",
    ].join("\n"));
    return (argument) => `${name}(${leaves.map(({ role, leaf }) => argument(role, leaf)).join(", ")})`;
  }

  /** The whole text, once the body is known. */
  module(entry: Direction, comment: string, workgroup: number, body: readonly string[]): string {
    const { samples } = this;
    const offsets = offsetBuffers(this.#bindings);
    const prologue = this.prologue();
    const parts = [
      `// ${comment}`,
      ["struct Launch {", ...indent(["steps: u32,", "size: u32,", "channels: u32,", "threads: u32,", "row: u32,", ...offsets.map((name) => `${this.names.of(name, "offset")}: u32,`)]), "}"].join("\n"),
      [...this.#bindings.map((binding, i) => this.#declaration(binding, i)), `@group(0) @binding(${this.#bindings.length}) var<uniform> launch: Launch;`].join("\n"),
      ...mathLibrary(this.#library, this.V),
      ...this.#functions,
      ...(samples ? mixingLibrary({ layout: samples, weights: this.#storage.get("mix.weights")!.variable, offset: this.#hasOffset("mix.weights") ? this.#offset("mix.weights") : null }, entry) : []),
      [
        `@compute @workgroup_size(${workgroup})`,
        `fn ${entry}(@builtin(global_invocation_id) id: vec3u) {`,
        ...indent([
          ...(samples ? ["let n = neuronsOf(id.y * launch.row + id.x);", "let thread = 0u;", "let threads = launch.size;"]
            : ["let thread = id.y * launch.row + id.x;", "let threads = launch.threads;", "if (thread >= threads) { return; }"]),
          ...prologue, ...body,
        ]),
        "}",
      ].join("\n"),
    ];
    return `${parts.join("\n\n")}\n`;
  }

  #kindOf(specs: readonly BufferSpec[]): Storage["kind"] {
    if (specs.some(({ extent, reduce }) => extent !== "neuron" && !reduce)) return "scalars";
    if (specs.every(({ format }) => formats[format].bytes === 4)) return this.samples ? "scalars" : "vectors";
    return this.samples || wordsOf(specs[0].format, this.vector) === null ? "shared words" : "words";
  }

  #declaration({ buffers: [name], access }: Binding, i: number): string {
    const { variable, kind } = this.#storage.get(name)!;
    const { format } = this.spec(name);
    const element = kind === "scalars" ? (format === "bits" ? "u32" : "f32")
      : kind === "vectors" ? (format === "bits" ? this.U : this.V)
      : kind === "words" ? types.u32(wordsOf(format, this.vector)!)
      : access === "read" ? "u32" : "atomic<u32>";
    return `@group(0) @binding(${i}) var<storage, ${access}> ${variable}: array<${element}>;`;
  }

  #lanes(text: (i: number) => string): string[] { return Array.from({ length: this.vector }, (_, i) => text(i)); }

  #hasOffset(name: string): boolean { return this.#bindings.some(({ buffers, offsets }) => offsets && buffers.includes(name)); }

  #offset(name: string): string { return `launch.${this.names.of(name, "offset")}`; }

  /** The place of a thread's vector in a buffer of vectors. */
  #fromOffset(name: string, at: string): string {
    return this.#hasOffset(name) ? `${this.#offset(name)}${this.vector === 1 ? "" : ` / ${this.vector}u`} + ${at}` : at;
  }

  /** The place of a thread's element i in a buffer of single elements. */
  #element(name: string, at: string, i = 0): string {
    const first = this.samples ? `${at} + ${lane("n.at", this.vector, i)}` : `${this.vector === 1 ? at : `${this.vector}u * (${at})`}${i === 0 ? "" : ` + ${i}u`}`;
    return this.#hasOffset(name) ? `${this.#offset(name)} + ${first}` : first;
  }

  /** The 16-bit element at a place of a buffer whose words threads share. */
  #sharedWord(variable: string, format: "f16" | "bf16", at: string): string {
    return `${decoderName(format)}(${variable}[${this.samples ? `(${at})` : at} / 2u] >> (${this.samples ? `(${at})` : at} % 2u * 16u))`;
  }

  /** Stores the elements of the neurons that the thread has, each at its own place. */
  #storeLanes(name: string, at: string, value: string): string[] {
    const { variable, kind } = this.#storage.get(name)!;
    const { format } = this.spec(name);
    const guarded = (store: (i: number) => string): string[] => this.#lanes((i) => `if (${lane("n.live", this.vector, i)}) { ${store(i)} }`);
    if (kind === "scalars") return guarded((i) => `${variable}[${this.#element(name, at, i)}] = ${lane(value, this.vector, i)};`);
    const [function_, all] = [this.names.of(name, "store"), this.names.of(name, "codes")];
    this.#functions.add(sharedStore(function_, variable, formats[format].bytes as 1 | 2));
    return ["{", ...indent([`let ${all} = ${this.#encode(name, value)};`, ...guarded((i) => `${function_}(${this.#element(name, at, i)}, ${lane(all, this.vector, i)});`)]), "}"];
  }

  /** A thread's elements of a buffer of single elements. */
  #gather(name: string, at: string, extent = this.spec(name).extent): string {
    const { variable } = this.#storage.get(name)!;
    const offset = this.#hasOffset(name) ? this.#offset(name) : null;
    if (extent === "layer") return `${this.V}(${variable}[${offset ?? "0"}])`;
    const place = (i: number): string => {
      if (extent !== "channel") return this.#element(name, at, i);
      const channel = this.samples ? lane("n.channel", this.vector, i) : `(${this.vector === 1 ? at : `${this.vector}u * ${at}`}${i === 0 ? "" : ` + ${i}u`}) % launch.channels`;
      return offset ? `${offset} + ${channel}` : channel;
    };
    return `${this.V}(${this.#lanes((i) => `${variable}[${place(i)}]`).join(", ")})`;
  }

  #encode(name: string, value: string): string {
    const { format } = this.spec(name);
    // Outputs are 0 or 1; gradients may be anything.
    if (!name.startsWith("grad.")) return `select(${this.U}(0u), ${this.U}(${formats[format].one}u), ${value} != ${this.V}(0.0))`;
    this.#functions.add(encoder(format as "f16" | "bf16", this.vector));
    return `${encoderName(format as "f16" | "bf16")}(${value})`;
  }
}
