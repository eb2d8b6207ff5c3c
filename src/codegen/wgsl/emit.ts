import { OptionError } from "../../errors.ts";
import type { Plan } from "../../fusion/plan.ts";
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
 * @throws OptionError for a vector other than 1, 2 or 4, or more steps than the plan recomputes at once
 */
export function wgslModule(plan: Plan, direction: Direction, options: WgslOptions): string {
  const { steps, vector, workgroup = 64, bindings = bindingsOf(plan, direction) } = options;
  if (![1, 2, 4].includes(vector)) throw new OptionError(`vector must be 1, 2 or 4, got ${vector}`);
  if (direction === "backward" && plan.states.length > 0 && plan.checkpointEvery === null && steps > plan.chunk) {
    throw new OptionError(`a plan for ${plan.steps} steps recomputes at most ${plan.chunk} at once, got ${steps}; make a plan for ${steps}`);
  }
  if (plan.mix) throw new OptionError(`WGSL kernels have no recurrent product; ${plan.neuron.name} mixes ${plan.mix.state}`);
  const kernel = new Kernel(plan, direction, vector, bindings);
  const neurons = `${vector} neuron${vector === 1 ? "" : "s"} a thread`;
  const [comment, body] = direction === "forward" ? [`all steps forward; ${neurons}`, forwardBody(kernel, plan)] : backwardBody(kernel, plan, steps, neurons);
  return kernel.module(direction, `${plan.neuron.name}, ${comment}`, workgroup, body);
}
