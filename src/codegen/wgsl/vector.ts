import type { Plan } from "../../fusion/plan.ts";
import { formats } from "../formats.ts";
import type { Direction } from "./bindings.ts";

/** Registers of a thread that may hold the trajectory of a backward kernel; the time that a driver takes to compile it grows with them, too. */
const TRAJECTORY_REGISTERS = 96;

/**
 * How many neurons a thread of a kernel takes: the most that divide the number of neurons, since accesses of 16 bytes are the fastest, provided
 * that the trajectory of a backward kernel stays in registers. Outputs of 8 and 16 bits count for more than that: a thread should fill whole words
 * of a row, or every store is two atomic operations. `registers`: how many of a thread's may hold the trajectory.
 */
export function vectorOf(plan: Plan, direction: Direction, size: number, registers = TRAJECTORY_REGISTERS): 1 | 2 | 4 {
  const varying = plan[direction]!.buffers.filter(({ time }) => time === "varying");
  const inputs = varying.filter(({ direction: way, name }) => way === "in" && !name.startsWith("d."));
  const outputs = varying.filter(({ direction: way }) => way === "out");
  const values = direction === "forward" || plan.states.length === 0 ? 0 : (plan.states.length + inputs.length) * Math.min(plan.chunk, plan.steps);
  const fillsWords = (vector: number): boolean => outputs.every(({ format }) => (vector * formats[format].bytes) % 4 === 0);
  const possible = ([4, 2, 1] as const).filter((vector) => size % vector === 0);
  const small = possible.filter((vector) => values * vector <= registers);
  return small.find(fillsWords) ?? possible.findLast(fillsWords) ?? small[0] ?? 1;
}
