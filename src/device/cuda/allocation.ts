import type { Allocation } from "../device.ts";
import { blockBytes } from "./memory.ts";
import { TERMS } from "./reduce.ts";

export const cudaAllocation = (bytesTotal: number): Allocation => ({
  bytesTotal,
  blockBytes,
  workspace: {
    /** A value of each neuron for each sum of gradients, and the first round of adding one of them up. */
    fused(plan, direction, { size }) {
      const sums = plan[direction]!.buffers.filter(({ reduce }) => reduce).length;
      return sums === 0 ? 0 : sums * blockBytes(4 * size) + blockBytes(Math.ceil((4 * size) / TERMS) * 2);
    },
  },
});
