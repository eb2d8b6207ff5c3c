import type { CpuContext } from "../../src/device/cpu/context.ts";
import { alone, type ProcessGroup } from "../../src/parallel/group.ts";

/**
 * Runs what several ranks do, one after the other in this process: all of them again from the beginning for each of their sums, whose result is known from the round before. `work` must do the
 * same in each round. @returns what it returned, by rank
 */
export async function rehearse<T>(size: number, work: (group: ProcessGroup) => Promise<T>): Promise<T[]> {
  const sums: Float32Array[] = [];
  for (;;) {
    const given: Float32Array[] = [];
    const results: T[] = [];
    for (let rank = 0; rank < size; rank++) {
      let calls = 0;
      const group: ProcessGroup = {
        ...alone(), rank, size, description: "a rehearsal",
        allReduce(tensor) {
          const values = (tensor.device as CpuContext).view(tensor, "rehearsal") as Float32Array;
          const sum = sums.at(calls++);
          if (!sum) {
            given.push(values.slice());
            throw new Unknown();
          }
          values.set(sum);
          return { join: () => undefined };
        },
      };
      try {
        results.push(await work(group));
      } catch (error) {
        if (!(error instanceof Unknown)) throw error;
      }
    }
    if (results.length === size) return results;
    if (given.length < size) throw new Error("the ranks sum different numbers of times");
    sums.push(given[0].map((_, i) => given.reduce((sum, values) => sum + values[i], 0)));
  }
}

class Unknown extends Error {}
