import { OptionError } from "../../errors.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { SampleLayout } from "../samples.ts";
import { backwardBody } from "./backward.ts";
import { type Binding, bindingsOf, type Direction } from "./bindings.ts";
import { forwardBody } from "./forward.ts";
import { Kernel } from "./kernel.ts";

export { type Binding, bindingsOf, type LaunchWords, uniformOf } from "./bindings.ts";

export interface WgslOptions {
  /** T, exactly: the backward kernel is unrolled for it. The forward kernel reads T from the uniform and serves any. */
  steps: number;
  /** Neurons of a thread, side by side in memory: 1, 2 or 4. Divides the number of neurons. */
  vector: number;
  /** Threads of a workgroup; default 64. */
  workgroup?: number;
  /** How samples lie over threads, where neurons read one another; default: one to a workgroup of 256. It tells vector and workgroup. */
  samples?: SampleLayout;
  /** How buffers are bound; default `bindingsOf(plan, direction)`. */
  bindings?: readonly Binding[];
}

/**
 * WGSL of one of the two kernels of a plan, with the entry point `forward` or `backward`. Group 0 has the storage buffers, in the order of the
 * bindings, then the uniform (`uniformOf`). A thread runs `vector` neurons through time with their states in registers; thread y·row + x of a 2-D
 * grid begins at neuron vector·thread. The backward kernel keeps the trajectory and the inputs of up to `plan.chunk` steps in registers.
 *
 * Elements of 8 and 16 bits are packed into 32-bit words. A thread whose elements of a row fill whole words writes those (8 bits: vector 4; 16 bits:
 * vector 2 or 4); any other changes its own bits by atomic operations. The memory of a buffer is a whole number of words.
 * Where neurons read one another (`plan.mix`), all neurons of a sample belong to one workgroup, and the backward kernel takes the weights transposed.
 * @throws OptionError for a vector other than 1, 2 or 4, or more steps than the plan recomputes at once
 */
export function wgslModule(plan: Plan, direction: Direction, options: WgslOptions): string {
  const { steps, bindings = bindingsOf(plan, direction) } = options;
  const samples = plan.mix ? options.samples ?? { threads: options.workgroup ?? 256, slots: options.vector, samples: 1 } : null;
  const [vector, workgroup] = samples ? [samples.slots, samples.threads * samples.samples] : [options.vector, options.workgroup ?? 64];
  if (![1, 2, 4].includes(vector)) throw new OptionError(`vector must be 1, 2 or 4, got ${vector}`);
  if (direction === "backward" && plan.recomputed.length > 0 && plan.checkpointEvery === null && steps > plan.chunk) {
    throw new OptionError(`a plan for ${plan.steps} steps recomputes at most ${plan.chunk} at once, got ${steps}; make a plan for ${steps}`);
  }
  const kernel = new Kernel(plan, direction, vector, bindings, samples);
  const neurons = `${vector} neuron${vector === 1 ? "" : "s"} a thread`;
  const [comment, body] = direction === "forward" ? [`all steps forward; ${neurons}`, forwardBody(kernel, plan)] : backwardBody(kernel, plan, steps, neurons);
  return kernel.module(direction, `${plan.neuron.name}, ${comment}`, workgroup, body);
}
