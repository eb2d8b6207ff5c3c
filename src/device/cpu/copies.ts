import { elementsOf, formats } from "../../codegen/formats.ts";
import { GROUP } from "../../codegen/wasm/kernel.ts";
import type { Plan } from "../../fusion/plan.ts";
import { divideTime } from "../../fusion/timeParallel.ts";
import type { Launch } from "../device.ts";
import { lengthOf } from "../launch.ts";
import { roundUp } from "./memory.ts";

type Direction = "forward" | "backward";
type Shape = Pick<Launch, "steps" | "size" | "channels">;

const CACHE_LINE = 64;

/** Columns of so many chunks: at least as many as a kernel takes. */
export const columnsOf = (chunks: number, size: number): number => Math.max(GROUP, chunks * size);

/** Pieces of a chunk, each of which begins with a saved state. */
export const piecesOf = ({ checkpointEvery }: Plan, steps: number): number => (checkpointEvery === null ? 1 : Math.ceil(steps / checkpointEvery));

/** What each column has a value of, besides the buffers of the plan: the states at the ends of a chunk, or their adjoints. */
const ENDS = { forward: ["final"], backward: ["d.final", "grad.state"] };

/** Where the copies of a segment lie, by their names, and how many bytes they take in all. */
export function layoutOf(plan: Plan, direction: Direction, size: number, chunks: number, steps: number): { offsets: ReadonlyMap<string, number>; bytes: number } {
  const width = columnsOf(chunks, size);
  const offsets = new Map<string, number>();
  let bytes = 0;
  const place = (name: string, length: number): void => {
    if (offsets.has(name)) return;
    offsets.set(name, bytes);
    bytes += roundUp(length, CACHE_LINE);
  };
  for (const state of plan.states) {
    for (const role of ENDS[direction]) place(`${role}.${state}`, 4 * width);
    place(`state.${state}`, 4 * width * piecesOf(plan, steps));
  }
  for (const { name, time, extent, format } of plan[direction]!.buffers) {
    if (extent === "neuron" && time !== "checkpoint") place(name, (time === "varying" ? elementsOf(format, steps, width) : width) * formats[format].bytes);
  }
  return { offsets, bytes };
}

/** Bytes of the copies of a launch that runs in chunks of time on so many threads; 0 if it does not, or no launch does: 0 threads. */
export function chunkBytes(plan: Plan, direction: Direction, { steps, size }: Shape, threads: number): number {
  if (threads === 0) return 0;
  const { division } = divideTime(plan, direction, { steps, size, threads, group: GROUP });
  if (!division) return 0;
  const guesses = roundUp(4 * 3 * plan.states.length * columnsOf(division.chunks, size), CACHE_LINE);
  const rest = division.rest > 0 ? layoutOf(plan, direction, size, 1, division.rest).bytes : 0;
  return layoutOf(plan, direction, size, division.chunks, division.steps).bytes + Math.max(guesses, rest);
}

/** Bytes of the copies of the buffers of fewer neurons than a kernel takes. */
export function widenedBytes(plan: Plan, direction: Direction, { steps, size }: Shape): number {
  if (size >= GROUP || steps === 1) return 0;
  return plan[direction]!.buffers.reduce((sum, spec) => sum + (spec.extent === "neuron" || spec.reduce ? roundUp(lengthOf(plan, { ...spec, extent: "neuron" }, { steps, size: GROUP }) * formats[spec.format].bytes, CACHE_LINE) : 0), 0);
}
