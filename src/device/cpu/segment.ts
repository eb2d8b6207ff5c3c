import { elementsOf, formats } from "../../codegen/formats.ts";
import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { Launch, Tensor } from "../device.ts";
import type { CpuContext } from "./context.ts";
import { fold, type Folding } from "./folding.ts";
import { roundUp } from "./memory.ts";

interface SegmentOptions {
  direction: "forward" | "backward";
  launch: Launch;
  /** The first step. */
  start: number;
  chunks: number;
  /** Of each chunk. */
  steps: number;
}

const CACHE_LINE = 64;

/** Columns of so many chunks: at least as many as a kernel takes. */
const columns = (chunks: number, size: number): number => Math.max(GROUP, chunks * size);

/** What each column has a value of, besides the buffers of the plan: the states at the ends of a chunk, or their adjoints. */
const ENDS = { forward: ["final"], backward: ["d.final", "grad.state"] };

/** Bytes of the copies that a segment works on, by their names. */
function copies(plan: Plan, { direction, launch: { size }, chunks, steps }: SegmentOptions): Map<string, number> {
  const width = columns(chunks, size);
  const bytes = new Map<string, number>();
  for (const { name, time, extent, format } of plan[direction]!.buffers) {
    if (extent === "neuron" && time !== "checkpoint") bytes.set(name, (time === "varying" ? elementsOf(format, steps, width) : width) * formats[format].bytes);
  }
  for (const state of plan.states) {
    for (const role of ENDS[direction]) bytes.set(`${role}.${state}`, 4 * width);
    bytes.set(`state.${state}`, 4 * width * piecesOf(plan, steps));
  }
  return bytes;
}

const piecesOf = ({ checkpointEvery }: Plan, steps: number): number => (checkpointEvery === null ? 1 : Math.ceil(steps / checkpointEvery));

/**
 * Steps of a launch in chunks that lie side by side: column c·N + n has neuron n from the beginning of chunk c on. Its memory is a copy of the launch's; states
 * have a row for each piece of a chunk, the first of which is what the chunk starts from and the others are the states saved in it.
 */
export class Segment implements Disposable {
  readonly chunks: number;
  readonly width: number;
  readonly #device: CpuContext;
  readonly #plan: Plan;
  readonly #options: SegmentOptions;
  readonly #specs: readonly BufferSpec[];
  readonly #memory: Tensor;
  /** Where the copies lie in it. */
  readonly #offsets = new Map<string, number>();

  constructor(device: CpuContext, plan: Plan, options: SegmentOptions) {
    const { direction, launch: { size }, chunks } = options;
    this.#device = device;
    this.#plan = plan;
    this.#options = options;
    this.#specs = plan[direction]!.buffers;
    this.chunks = chunks;
    this.width = columns(chunks, size);
    let bytes = 0;
    for (const [name, length] of copies(plan, options)) {
      this.#offsets.set(name, bytes);
      bytes += roundUp(length, CACHE_LINE);
    }
    this.#memory = device.empty([bytes], "u8");
    for (const spec of this.#specs) {
      if (spec.direction !== "in" || !this.#offsets.has(spec.name)) continue;
      fold(device, "fold", spec.time === "varying" ? this.#rows(spec) : { ...this.#rows(spec), plain: this.#given(spec), chunkStep: 0, rows: 1 });
    }
    if (direction === "backward") this.#saved("fold");
  }

  /** Where a kernel of chunks finds a buffer. */
  address(spec: BufferSpec): number {
    const { name, time } = spec;
    if (time === "checkpoint") return this.#at(`state.${name.slice("checkpoint.".length)}`) + 4 * this.width;
    return this.#offsets.has(name) ? this.#at(name) : this.#given(spec);
  }

  /** What each chunk starts from, bit for bit. For immediate use, as all that follows. */
  begin(state: string): Int32Array { return this.#words(`state.${state}`); }
  /** What each chunk ended with. */
  end(state: string): Int32Array { return this.#words(`final.${state}`); }
  /** The adjoint of the state that each chunk ends with, where the walk back starts. */
  adjointEnd(state: string): Int32Array { return this.#words(`d.final.${state}`); }
  /** The adjoint of the state that each chunk starts from. */
  adjointBegin(state: string): Int32Array { return this.#words(`grad.state.${state}`); }

  /** Copies the results to where the launch wants them. */
  give(): void {
    for (const spec of this.#specs) if (spec.direction === "out" && spec.time === "varying") fold(this.#device, "unfold", this.#rows(spec));
    if (this.#options.direction === "forward") this.#saved("unfold");
  }

  [Symbol.dispose](): void {
    this.#memory.dispose();
  }

  #at(name: string): number {
    return this.#device.ptr(this.#memory, name) + this.#offsets.get(name)!;
  }

  #words(name: string): Int32Array {
    return new Int32Array(this.#device.pool.memory.buffer, this.#at(name), this.width);
  }

  #given({ name }: BufferSpec): number {
    return this.#device.ptr(this.#options.launch.buffers[name], name);
  }

  /** Rows of a buffer that varies over time. */
  #rows(spec: BufferSpec): Folding {
    const { launch: { size }, start, steps, chunks } = this.#options;
    const { bytes } = formats[spec.format];
    return {
      plain: this.#given(spec) + elementsOf(spec.format, start, size) * bytes, plainRow: size * bytes,
      folded: this.#at(spec.name), foldedRow: this.width * bytes, chunks, rows: elementsOf(spec.format, steps, 1), bytes: size * bytes,
    };
  }

  /** Copies the saved states; those that chunks begin with are among them, except the launch's first. Row r is that before step (r + 1)·K. */
  #saved(way: "fold" | "unfold"): void {
    const { launch: { size }, start, steps, chunks } = this.#options;
    const { checkpointEvery } = this.#plan;
    if (checkpointEvery === null) return;
    const row = 4 * size;
    const foldedRow = 4 * this.width;
    const chunkStep = (row * steps) / checkpointEvery;
    for (const spec of this.#specs.filter(({ time }) => time === "checkpoint")) {
      const plain = this.#given(spec) + (row * start) / checkpointEvery;
      const folded = this.#at(`state.${spec.name.slice("checkpoint.".length)}`);
      fold(this.#device, way, { plain, plainRow: row, folded: folded + foldedRow, foldedRow, chunks, chunkStep, rows: piecesOf(this.#plan, steps) - 1, bytes: row });
      const first = start === 0 ? 1 : 0;
      const begins = chunks - first;
      if (begins > 0) fold(this.#device, way, { plain: plain + first * chunkStep - row, plainRow: row, folded: folded + first * row, foldedRow: begins * row, chunks: begins, chunkStep, rows: 1, bytes: row });
    }
  }
}

/** Bytes of a segment's copies, about. */
export const segmentBytes = (plan: Plan, options: SegmentOptions): number => [...copies(plan, options).values()].reduce((sum, bytes) => sum + roundUp(bytes, CACHE_LINE), 0);
