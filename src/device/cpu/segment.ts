import { elementsOf, formats } from "../../codegen/formats.ts";
import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { BufferSpec, Plan } from "../../fusion/plan.ts";
import type { Launch, Tensor } from "../device.ts";
import { bufferOf } from "../launch.ts";
import type { CpuContext } from "./context.ts";
import { fold, type Folding } from "./folding.ts";

interface SegmentOptions {
  direction: "forward" | "backward";
  launch: Launch;
  /** The first step. */
  start: number;
  chunks: number;
  /** Of each chunk. */
  steps: number;
  own<T extends Tensor>(tensor: T): T;
}

/**
 * Steps of a launch in chunks that lie side by side: column c·N + n has neuron n from the beginning of chunk c on. Its memory is a copy of the launch's; states
 * have a row for each piece of a chunk, the first of which is what the chunk starts from and the others are the states saved in it.
 */
export class Segment {
  readonly chunks: number;
  /** Columns: at least as many as a kernel takes. */
  readonly width: number;
  readonly #device: CpuContext;
  readonly #plan: Plan;
  readonly #options: SegmentOptions;
  readonly #specs: readonly BufferSpec[];
  /** Pieces of a chunk. */
  readonly #pieces: number;
  readonly #copies = new Map<string, Tensor>();

  constructor(device: CpuContext, plan: Plan, options: SegmentOptions) {
    const { direction, launch: { size }, chunks, steps, own } = options;
    this.#device = device;
    this.#plan = plan;
    this.#options = options;
    this.#specs = plan[direction]!.buffers;
    this.chunks = chunks;
    this.width = Math.max(GROUP, chunks * size);
    this.#pieces = plan.checkpointEvery === null ? 1 : Math.ceil(steps / plan.checkpointEvery);
    const { width } = this;
    for (const name of plan.states) {
      for (const role of ["final", "d.final", "grad.state"]) if (direction === (role === "final" ? "forward" : "backward")) this.#copies.set(`${role}.${name}`, own(device.empty([width])));
      this.#copies.set(`state.${name}`, own(device.empty([this.#pieces, width])));
    }
    for (const spec of this.#specs) {
      const { name, time, extent, direction: to } = spec;
      if (time === "checkpoint" || this.#copies.has(name) || extent !== "neuron") continue;
      const tensor = this.#tensor(spec);
      const copy = own(device.empty([time === "varying" ? elementsOf(spec.format, steps, width) : width], tensor.dtype));
      this.#copies.set(name, copy);
      if (to === "in") fold(device, "fold", time === "varying" ? this.#rows(spec) : { ...this.#rows(spec), plain: device.ptr(tensor, name), chunkStep: 0, rows: 1 });
    }
    if (direction === "backward") this.#saved("fold");
  }

  /** Where a kernel of chunks finds a buffer. */
  address({ name, time }: Pick<BufferSpec, "name" | "time">): number {
    if (time === "checkpoint") return this.#at(`state.${name.slice("checkpoint.".length)}`) + 4 * this.width;
    return this.#copies.has(name) ? this.#at(name) : this.#device.ptr(this.#options.launch.buffers[name], name);
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

  #at(name: string): number {
    return this.#device.ptr(this.#copies.get(name)!, name);
  }

  #words(name: string): Int32Array {
    return new Int32Array(this.#device.pool.memory.buffer, this.#at(name), this.width);
  }

  #tensor(spec: BufferSpec): Tensor {
    return bufferOf(this.#plan, spec, this.#options.launch);
  }

  /** Rows of a buffer that varies over time. */
  #rows(spec: BufferSpec): Folding {
    const { launch: { size }, start, steps, chunks } = this.#options;
    const { bytes } = formats[spec.format];
    return {
      plain: this.#device.ptr(this.#tensor(spec), spec.name) + elementsOf(spec.format, start, size) * bytes, plainRow: size * bytes,
      folded: this.#at(spec.name), foldedRow: this.width * bytes, chunks, rows: elementsOf(spec.format, steps, 1), bytes: size * bytes,
    };
  }

  /** Copies the saved states; those that chunks begin with are among them, except the launch's first. */
  #saved(way: "fold" | "unfold"): void {
    const { launch: { size }, start, steps, chunks } = this.#options;
    const every = this.#plan.checkpointEvery;
    if (every === null) return;
    const row = 4 * size;
    const foldedRow = 4 * this.width;
    for (const spec of this.#specs.filter(({ time }) => time === "checkpoint")) {
      const plain = this.#device.ptr(this.#tensor(spec), spec.name) + row * (start / every);
      const folded = this.#at(`state.${spec.name.slice("checkpoint.".length)}`);
      // Row r of the saved states is that before step (r + 1)·K.
      const chunkStep = (row * steps) / every;
      const ofLaunch = start === 0 ? 1 : 0;
      fold(this.#device, way, { plain, plainRow: row, folded: folded + foldedRow, foldedRow, chunks, chunkStep, rows: this.#pieces - 1, bytes: row });
      if (chunks > ofLaunch) {
        const begins = chunks - ofLaunch;
        fold(this.#device, way, { plain: plain + ofLaunch * chunkStep - row, plainRow: row, folded: folded + ofLaunch * row, foldedRow: begins * row, chunks: begins, chunkStep, rows: 1, bytes: row });
      }
    }
  }
}
