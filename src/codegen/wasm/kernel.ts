import { OptionError } from "../../errors.ts";
import { type Block, leavesOf, select } from "../../fusion/block.ts";
import type { BackwardPlan, BufferSpec, ForwardPlan } from "../../fusion/plan.ts";
import type { LeafRole } from "../../neuron/expr.ts";
import { emitBlock, type EmittedBlock } from "./block.ts";
import { add, each, elementOffset, indent, offsetLoad, offsetStore, Scratch, shifted } from "./text.ts";

/** Neurons that are handled together: one cache line. */
export const GROUP = 16;

/** Tiles of fewer neurons meet several rows at once, see `meet`. */
const NARROW = 1024;

/** Between the rows of the scratch, so that those of a narrow tile do not share the same few sets of the caches. */
const SKEW_BYTES = 64;

/** Vectors of a group that one round of the innermost loops handles, for blocks of up to so many values. */
const UNROLL = 4;
const UNROLLED_VALUES = 64;

/** Parameters and locals that engines allow a function (WebAssembly JavaScript Interface, implementation-defined limits). */
const MOST_LOCALS = 50_000;

export const pointer = (name: string): string => `$p.${name}`;
export const row = (name: string): string => `$row.${name}`;

/**
 * What the forward and the backward kernel share: the loop over tiles, the addresses, and the invariants (layer-wide ones in
 * locals, the others in scratch, once per tile).
 */
export class Kernel {
  readonly part: ForwardPlan | BackwardPlan;
  readonly scratch: Scratch;
  readonly locals = new Set<string>();
  /** Locals that are integers. */
  readonly integers = new Set<string>();

  readonly #tile: number;
  readonly #ofLayer: ReadonlySet<string>;

  /** `spare`: bytes beyond the tile that may be written in a row of the scratch. */
  constructor(part: ForwardPlan | BackwardPlan, tile: number, spare = 0) {
    this.part = part;
    this.#ofLayer = new Set(part.invariants.filter(({ extent }) => extent === "layer").map(({ name }) => name));
    this.#tile = tile;
    this.scratch = new Scratch(tile * 4 + SKEW_BYTES + spare);
  }

  /** Emits a block for vector u of a round and declares its locals. */
  emit(block: Block, prefix: string, u: number, leaf: (role: LeafRole, name: string) => string): EmittedBlock {
    const emitted = emitBlock(block, u === 0 ? prefix : `${prefix}${"'".repeat(u)}`, leaf);
    emitted.locals.forEach((name) => this.locals.add(name));
    return emitted;
  }

  /**
   * Runs code over the vectors of the tile, several at a time where the code is short enough for 16 registers; their lines alternate, so that
   * one vector's chain of dependent operations fills the waits of another's. Each line is whole: it may follow or precede other vectors' lines.
   */
  each(lines: (u: number) => string[]): string[] {
    const single = lines(0);
    if (single.length === 0) return [];
    const unroll = single.length <= UNROLLED_VALUES ? UNROLL : single.length <= 2 * UNROLLED_VALUES ? UNROLL / 2 : 1;
    const rounds = Array.from({ length: unroll }, (_, u) => (u === 0 ? single : lines(u)));
    return each(16 * unroll, single.flatMap((_, i) => rounds.flatMap((round) => round[i] ?? [])));
  }

  invariant(name: string, u: number): string {
    return this.#ofLayer.has(name) ? `(local.get $${name})` : this.scratch.load(name, u);
  }

  /** Loads vector u of a buffer that has one value per neuron for all time. */
  neuronLoad(name: string, u: number): string {
    return offsetLoad(add(`(local.get ${pointer(name)})`, "(local.get $first)", "(local.get $i)"), 16 * u);
  }

  neuronStore(name: string, value: string, u: number): string {
    return offsetStore(add(`(local.get ${pointer(name)})`, "(local.get $first)", "(local.get $i)"), 16 * u, value);
  }

  /** Moves the row pointers of time-varying buffers to step `t` of the current tile. */
  rows(buffers: readonly BufferSpec[], t: string): string[] {
    return buffers.map(({ name, format }) => {
      this.locals.add(row(name));
      const step = format === "bits" ? `(i32.shr_u ${t} (i32.const 5))` : t;
      return `(local.set ${row(name)} (i32.add (local.get ${pointer(name)}) ${elementOffset(format, `(i32.add (i32.mul ${step} (local.get $size)) (local.get $n))`)}))`;
    });
  }

  /**
   * Reads a byte of every cache line that rows `from` to `to` − 1 of a narrow tile have in the buffers. The processor foresees no walk through short
   * runs of distant rows: the first access to each would wait for memory alone. Here many wait together, and the steps find all rows in the cache.
   */
  meet(buffers: readonly BufferSpec[], from: string, to: string): string[] {
    // Rows of all neurons follow each other and are one run. A word of bits is met at one step in 32 anyway.
    const met = buffers.filter(({ format }) => format !== "bits");
    // A single group is a walk in equal steps, which the processor does foresee.
    return [
      `(if (i32.and (i32.lt_u (local.get $count) (i32.const ${NARROW})) (i32.gt_u (local.get $count) (i32.const ${GROUP}))) (then`,
      ...indent([
        `(local.set $rows (i32.const 1))`,
        `(if (i32.eq (local.get $count) (local.get $size)) (then (local.set $rows (i32.sub ${to} ${from}))))`,
        `(local.set $r ${from})`,
        `(loop $runs`,
        ...indent([
          ...this.rows(met, "(local.get $r)"),
          ...each(64, met.map(({ name, format }) => `(drop (i32.load8_u (i32.add (local.get ${row(name)}) ${shifted(format, "(local.get $i)")})))`), "(i32.mul (local.get $rows) (local.get $bytes))"),
          `(br_if $runs (i32.lt_s (local.tee $r (i32.add (local.get $r) (local.get $rows))) ${to}))`,
        ]),
        `)`,
      ]),
      `))`,
    ];
  }

  rowLoad(name: string, u: number): string {
    return offsetLoad(`(i32.add (local.get ${row(name)}) (local.get $i))`, 16 * u);
  }

  rowStore(name: string, value: string, u: number): string {
    return offsetStore(`(i32.add (local.get ${row(name)}) (local.get $i))`, 16 * u, value);
  }

  /** Layer-wide invariants, before the tile loop. */
  #layerPrologue(): string[] {
    const names = [...this.#ofLayer];
    names.forEach((name) => this.locals.add(`$${name}`));
    const { lines, results } = this.emit(select(this.part.prologue, names), "l", 0, (_, name) => `(v128.load32_splat (local.get ${pointer(name)}))`);
    return [...lines, ...names.map((name) => `(local.set $${name} ${results[name]})`)];
  }

  /** Invariants per channel and per neuron, into scratch. */
  tilePrologue(): string[] {
    const names = this.part.invariants.filter(({ extent }) => extent !== "layer").map(({ name }) => name);
    if (names.length === 0) return [];
    const block = select(this.part.prologue, names);
    const spec = (name: string): BufferSpec => this.part.buffers.find((buffer) => buffer.name === name)!;
    const channelLeaves = [...leavesOf(block, "input"), ...leavesOf(block, "param")].filter((name) => spec(name).extent === "channel");
    const expand = channelLeaves.length === 0 ? [] : [
      `(local.set $c (i32.shl (i32.rem_u (local.get $n) (local.get $channels)) (i32.const 2)))`,
      ...each(4, [
        ...channelLeaves.map((name) => `(i32.store offset=${this.scratch.offset(`channel.${name}`)} (local.get $s) (i32.load ${add(`(local.get ${pointer(name)})`, "(local.get $c)")}))`),
        `(local.set $c (i32.add (local.get $c) (i32.const 4)))`,
        `(if (i32.eq (local.get $c) (i32.shl (local.get $channels) (i32.const 2))) (then (local.set $c (i32.const 0))))`,
      ]),
    ];
    return [...expand, ...this.each((u) => {
      const { lines, results } = this.emit(block, "w", u, (role, name) => {
        if (role === "seed") return this.neuronLoad(`d.${name}`, u);
        const { extent } = spec(name);
        return extent === "layer" ? `(v128.load32_splat (local.get ${pointer(name)}))` : extent === "channel" ? this.scratch.load(`channel.${name}`, u) : this.neuronLoad(name, u);
      });
      return [...lines, ...names.map((name) => this.scratch.store(name, results[name], u))];
    })];
  }

  /** The whole function around the code of one tile. */
  function(name: string, comment: string, tile: readonly string[]): { text: string; scratch: number } {
    const constants = new Map<string, string>();
    const body = [
      ...this.#layerPrologue(),
      `(local.set $stride (i32.shl (local.get $size) (i32.const 2)))`,
      `(local.set $n (local.get $begin))`,
      `(block $done (loop $tiles`,
      ...indent([
        `(br_if $done (i32.ge_s (local.get $n) (local.get $end)))`,
        `(local.set $count (i32.and (i32.sub (local.get $end) (local.get $n)) (i32.const ${-GROUP})))`,
        `(if (i32.gt_s (local.get $count) (i32.const ${this.#tile})) (then (local.set $count (i32.const ${this.#tile}))))`,
        `(local.set $next (i32.add (local.get $n) (local.get $count)))`,
        `(if (i32.eqz (local.get $count)) (then ;; the remainder: the last ${GROUP} neurons`,
        `  (local.set $next (local.get $end))`,
        `  (local.set $n (i32.sub (local.get $size) (i32.const ${GROUP})))`,
        `  (local.set $count (i32.const ${GROUP}))))`,
        `(local.set $bytes (i32.shl (local.get $count) (i32.const 2)))`,
        `(local.set $first (i32.shl (local.get $n) (i32.const 2)))`,
        ...tile,
        `(local.set $n (local.get $next))`,
        `(br $tiles)`,
      ]),
      `))`,
    ];
    // V8 builds a vector constant anew wherever it is used; a value loaded from memory stays in a register or on the stack.
    const code = body.map((line) => line.replace(/\(v128\.const [^)]*\)/g, (text) => {
      if (/ (0 ?)+\)/.test(text)) return text;
      if (!constants.has(text)) constants.set(text, `$const${constants.size}`);
      return `(local.get ${constants.get(text)})`;
    }));
    const setup = [...constants].flatMap(([text, local]) => {
      this.locals.add(local);
      return [this.scratch.storeAt("$scratch", `constant.${local}`, text), `(local.set ${local} ${this.scratch.loadAt("$scratch", `constant.${local}`)})`];
    });
    const integers = ["$n", "$count", "$next", "$bytes", "$first", "$i", "$s", "$c", "$t", "$stride", "$trajectory", "$v", "$chunk", "$t0", "$t1", "$r", "$rows", ...this.integers];
    const vectors = [...this.locals].filter((local) => !local.startsWith("$row."));
    const rows = [...this.locals].filter((local) => local.startsWith("$row."));
    const values = 6 + this.part.buffers.length + integers.length + rows.length + vectors.length;
    if (values > MOST_LOCALS) throw new OptionError(`${comment}: ${values} values are too many for a WebAssembly function, which holds ${MOST_LOCALS}; make the step shorter`);
    const text = [
      `;; ${comment}`,
      `(func (export "${name}") (param $scratch i32) (param $begin i32) (param $end i32) (param $steps i32) (param $size i32) (param $channels i32)`,
      `  ${this.part.buffers.map(({ name: buffer }) => `(param ${pointer(buffer)} i32)`).join(" ")}`,
      `  ${[...integers, ...rows].map((local) => `(local ${local} i32)`).join(" ")}`,
      `  ${vectors.map((local) => `(local ${local} v128)`).join(" ")}`,
      ...indent(setup),
      ...indent(code),
      `)`,
    ];
    return { text: indent(text).join("\n"), scratch: this.scratch.bytes };
  }
}
