import { select } from "../../fusion/block.ts";
import type { BackwardPlan, BufferSpec, ForwardPlan, Plan } from "../../fusion/plan.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import { emitBlock } from "./block.ts";
import { elementTypes } from "./prelude.ts";

export interface CudaOptions {
  /** Neurons of one thread, side by side in memory: 1, 2, 4 or 8. The number of neurons must be a multiple of it. */
  vector: number;
  /** Threads of a block; default 256. */
  block?: number;
  /** Blocks that a multiprocessor shall hold at once, which bounds a thread's registers; default 1. */
  resident?: number;
  /** T, where the kernel is to be compiled for it alone; default: any. */
  steps?: number;
  /** Appended to the kernels' names, for several plans in one source. */
  suffix?: string;
  /** Threads of a sample, a multiple of 32, for a plan whose neurons read one another; a block is a whole number of samples. Default: a block. */
  sample?: number;
}

/**
 * Names of a plan as beginnings of C identifiers; never an identifier by themselves, since a user's name may be a keyword or one of our locals. What
 * follows begins with the only underscore in it (v_, v_now, v_next), so that different names stay different. Names with dots begin with an underscore
 * (grad.state.v: _gradstate_v), which no user's name does.
 */
export function identifier(name: string): string {
  const dot = name.lastIndexOf(".");
  return dot < 0 ? name : `_${name.slice(0, dot).replaceAll(".", "")}_${name.slice(dot + 1)}`;
}

/** The parameter that points to a buffer. */
export const pointer = (name: string): string => `${identifier(name)}_buffer`;

export const indent = (lines: readonly string[]): string[] => lines.map((line) => (line.startsWith("#") ? line : `  ${line}`));

/** A loop that the compiler unrolls whole. */
const unrolled = (head: string, lines: readonly string[]): string[] => loop("#pragma unroll", head, lines);

const loop = (pragma: string, head: string, lines: readonly string[]): string[] => (lines.length === 0 ? [] : [pragma, `for (${head}) {`, ...indent(lines), "}"]);

/** Threads of a block that is told no other number. */
const BLOCK = 256;

/** What the forward and the backward kernel share: the signature, addresses, invariants. */
export class Kernel {
  readonly part: ForwardPlan | BackwardPlan;
  readonly options: CudaOptions;
  /** Threads of a sample, where neurons read one another: a thread's neurons `n` are then `Neurons`, else the first of its neurons side by side. */
  readonly sample: number | null;
  readonly #ofLayer: ReadonlySet<string>;

  constructor(plan: Plan, part: ForwardPlan | BackwardPlan, options: CudaOptions) {
    this.part = part;
    this.sample = plan.mix ? options.sample ?? options.block ?? BLOCK : null;
    this.options = options;
    this.#ofLayer = new Set(part.invariants.filter(({ extent }) => extent === "layer").map(({ name }) => name));
  }

  get vector(): number { return this.options.vector; }

  /** Samples of a block, where neurons read one another. */
  get samples(): number { return (this.options.block ?? BLOCK) / this.sample!; }

  /** Runs code for each neuron i of the thread. */
  lanes(lines: readonly string[]): string[] { return unrolled(`int i = 0; i < ${this.vector}; ++i`, lines); }

  /** Runs code for each step of a piece. Where each of them has a product over all neurons, the trajectory need not be in registers. */
  piece(head: string, lines: readonly string[]): string[] { return this.sample === null ? unrolled(head, lines) : loop("#pragma unroll 1", head, lines); }

  spec(name: string): BufferSpec { return this.part.buffers.find((buffer) => buffer.name === name)!; }

  varying(direction: "in" | "out"): BufferSpec[] { return this.part.buffers.filter((buffer) => buffer.direction === direction && buffer.time === "varying"); }

  /** The type of a thread's elements of a buffer at one step. */
  type(name: string): string { return `Packed<${elementTypes[this.spec(name).format]}, ${this.vector}>`; }

  load(name: string, row: string): string { return `load<${this.vector}>(${this.#address(name, row)})`; }

  /** Stores an array of floats, one for each neuron of the thread. */
  store(name: string, row: string, values: string): string { return `store<${this.vector}>(${this.#address(name, row)}, packed<${elementTypes[this.spec(name).format]}>(${values}));`; }

  /** Stores a vector. */
  storeVector(name: string, row: string, value: string): string { return `store<${this.vector}>(${this.#address(name, row)}, ${value});`; }

  #address(name: string, row: string): string { return row === "0" ? `${pointer(name)}, n` : `${pointer(name)} + ${row} * size, n`; }

  /** An invariant's value for neuron i. */
  invariant(name: string): string { return this.#ofLayer.has(name) ? name : `${name}[i]`; }

  /** Declares the invariants: those of the layer as scalars, those of channels and neurons as arrays over the thread's neurons. */
  prologue(): string[] {
    const { invariants, prologue } = this.part;
    const emit = (names: readonly string[], prefix: string) => emitBlock(select(prologue, names), prefix, (role: LeafRole, name: string) => {
      const buffer = role === "seed" ? `d.${name}` : name;
      const { extent } = this.spec(buffer);
      const place = this.sample === null ? { neuron: "n + i", channel: "(n + i) % channels" } : { neuron: "n.at[i]", channel: "n.channel[i]" };
      return `to_float(${pointer(buffer)}[${extent === "channel" || extent === "neuron" ? place[extent] : "0"}])`;
    });
    const ofLayer = invariants.filter(({ extent }) => extent === "layer").map(({ name }) => name);
    const others = invariants.filter(({ extent }) => extent !== "layer").map(({ name }) => name);
    const scalar = emit(ofLayer, "l");
    const arrays = emit(others, "p");
    return [
      ...scalar.lines,
      ...ofLayer.map((name) => `const float ${name} = ${scalar.results[name]};`),
      ...others.map((name) => `float ${name}[${this.vector}];`),
      ...(others.length > 0 ? this.lanes([...arrays.lines, ...others.map((name) => `${name}[i] = ${arrays.results[name]};`)]) : []),
    ];
  }

  function(name: string, comment: string, body: readonly string[]): string {
    const { block = BLOCK, resident = 1, suffix = "" } = this.options;
    const parameters = this.part.buffers.map(({ name: buffer, direction, format }) => `${direction === "in" ? "const " : ""}${elementTypes[format]}* __restrict__ ${pointer(buffer)}`);
    return [
      `// ${comment}`,
      `extern "C" __global__ void __launch_bounds__(${block}, ${resident})`,
      `${name}${suffix}(${[...parameters, "const int steps", "const long long size", "const int channels"].join(", ")}) {`,
      ...indent([...this.#neurons(), ...this.prologue(), ...body]),
      "}",
      "",
    ].join("\n");
  }

  #neurons(): string[] {
    return this.sample === null
      ? [`const long long n = ${this.vector}LL * (blockIdx.x * (long long)blockDim.x + threadIdx.x);`, "if (n >= size) return;"]
      : [`const Neurons<${this.vector}> n = neurons_of<${this.vector}, ${this.sample}>(size, channels);`];
  }
}
