import { elementsOf, formats } from "../../codegen/formats.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { Launch, Tensor } from "../device.ts";
import type { CpuContext } from "./context.ts";
import { columnsOf, layoutOf, piecesOf } from "./copies.ts";
import { fold, type Folding } from "./folding.ts";

interface SegmentOptions {
  direction: "forward" | "backward";
  launch: Launch;
  /** The first step. */
  start: number;
  chunks: number;
  /** Of each chunk. */
  steps: number;
}

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
  readonly #offsets: ReadonlyMap<string, number>;

  constructor(device: CpuContext, plan: Plan, options: SegmentOptions) {
    const { direction, launch: { size }, chunks, steps } = options;
    this.#device = device;
    this.#plan = plan;
    this.#options = options;
    this.#specs = plan[direction]!.buffers;
    this.chunks = chunks;
    this.width = columnsOf(chunks, size);
    const { offsets, bytes } = layoutOf(plan, direction, size, chunks, steps);
    this.#offsets = offsets;
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
