import { cudaModule } from "../../codegen/cuda/emit.ts";
import { formats } from "../../codegen/formats.ts";
import type { Plan } from "../../fusion/plan.ts";
import { levelsOf } from "../../fusion/sums.ts";
import type { FusedKernel, Launch, Tensor } from "../device.ts";
import { bufferOf, bufferTypes, checkLaunch, refuseInPlace, shareOf } from "../launch.ts";
import { driverConstants } from "./constants.ts";
import type { CudaContext } from "./context.ts";
import { BLOCK } from "./launch.ts";
import { sumRows } from "./reduce.ts";

/** Bytes of the widest access to memory. */
const ACCESS_BYTES = 16;
/** Registers of a thread that may hold the trajectory of a backward kernel. */
const TRAJECTORY_REGISTERS = 96;
/** Registers of a thread that may hold the sums of gradients of parameters. */
const SUM_REGISTERS = 32;


type Direction = "forward" | "backward";

/** What the compiler gave a kernel. */
export interface KernelResources {
  /** Neurons of one thread. */
  vector: number;
  /** Registers of one thread. */
  registers: number;
  /** Bytes of one thread's values that did not fit into registers. */
  spilled: number;
}

export interface CudaKernel extends FusedKernel {
  /** Compiles the kernel that a launch of `size` neurons takes, unless it is compiled already, and says what it needs. */
  resources(direction: Direction, size: number): KernelResources;
}

/**
 * How many neurons a thread of a kernel takes: as many as one access of 16 bytes holds, provided that they divide the number of neurons and,
 * going backward, that the trajectory and the sums stay in registers.
 */
export function vectorOf(plan: Plan, direction: Direction, size: number): number {
  const { buffers } = plan[direction]!;
  const varying = buffers.filter(({ time }) => time === "varying");
  const elementBytes = Math.max(1, ...varying.map(({ format }) => formats[format].bytes));
  // States are kept as f32, inputs as they are stored.
  const inputs = varying.filter(({ direction: way, name }) => way === "in" && !name.startsWith("d."));
  const kept = plan.states.length + inputs.reduce((sum, { format }) => sum + formats[format].bytes / 4, 0);
  const sums = Object.keys(plan.backward?.reverse.results ?? {}).filter((name) => name.startsWith("sum.")).length * levelsOf(plan).levels.length;
  const fits = (vector: number): boolean => size % vector === 0
    && vector * elementBytes <= ACCESS_BYTES
    && (direction === "forward" || (plan.chunk * kept * vector <= TRAJECTORY_REGISTERS && sums * vector <= SUM_REGISTERS));
  return [8, 4, 2].find(fits) ?? 1;
}

/** The two kernels of a plan, compiled for as many neurons a thread as a launch allows, when the first such launch comes. */
export function compileFused(context: CudaContext, plan: Plan): CudaKernel {
  const { name } = plan.neuron;
  const compiled = new Map<string, number>();

  const functionOf = (direction: Direction, vector: number): number => {
    const key = `${direction} ${vector}`;
    let found = compiled.get(key);
    if (found === undefined) compiled.set(key, (found = context.function(`${name}.${direction}`, cudaModule(plan, { vector, block: BLOCK }, [direction]), direction)));
    return found;
  };

  const launch = (direction: Direction, given: Launch): void => context.timed(shareOf(plan), () => {
    checkLaunch(plan, direction, given);
    const { steps, size, channels = size } = given;
    const reductions: { partial: Tensor; address: number; columns: number }[] = [];
    const specs = plan[direction]!.buffers;
    try {
      const targets = specs.map((spec) => context.ptr(bufferOf(plan, spec, given), `${name}.${direction}, buffer ${spec.name}`, bufferTypes[spec.format]));
      if (steps > 1) refuseInPlace(plan, specs, targets);
      const addresses = specs.map(({ reduce, extent }, i) => {
        const columns = extent === "channel" ? channels : 1;
        if (!reduce || columns === size) return targets[i];
        const partial = context.empty([size]);
        reductions.push({ partial, address: targets[i], columns });
        return context.ptr(partial, name);
      });
      const vector = vectorOf(plan, direction, size);
      context.launch(functionOf(direction, vector), size / vector, [...addresses, steps, size, channels]);
      for (const { partial, address, columns } of reductions) sumRows(context, context.ptr(partial, name), address, size / columns, columns);
    } finally {
      for (const { partial } of reductions) partial.dispose();
    }
  });

  return {
    plan,
    forward: (given) => launch("forward", given),
    backward: (given) => launch("backward", given),
    resources(direction, size) {
      const vector = vectorOf(plan, direction, size);
      const kernel = functionOf(direction, vector);
      return {
        vector,
        registers: context.driver.get("cuFuncGetAttribute", driverConstants.CU_FUNC_ATTRIBUTE_NUM_REGS, kernel),
        spilled: context.driver.get("cuFuncGetAttribute", driverConstants.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, kernel),
      };
    },
  };
}
