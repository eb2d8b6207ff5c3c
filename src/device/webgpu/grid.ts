import { DeviceError } from "../../errors.ts";
import type { WebGpuContext } from "./context.ts";

/** Threads of a workgroup that need not be of another size. */
export const WORKGROUP = 64;

/**
 * The 2-D grid of a launch of so many threads, and how many threads a row of it has: one row where that is enough.
 * @throws DeviceError if the GPU has no grid so large.
 */
export function gridOf({ limits }: WebGpuContext, threads: number, operation: string, workgroup = WORKGROUP): { grid: readonly [number, number]; row: number } {
  const groups = Math.ceil(threads / workgroup);
  const rows = Math.ceil(groups / limits.workgroups);
  if (rows > limits.workgroups) throw new DeviceError(`webgpu: ${operation}: ${threads} threads exceed this GPU's grid of ${limits.workgroups} by ${limits.workgroups} workgroups.`);
  const columns = Math.ceil(groups / rows);
  return { grid: [columns, rows], row: columns * workgroup };
}
