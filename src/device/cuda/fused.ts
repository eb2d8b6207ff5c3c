import { cudaModule } from "../../codegen/cuda/emit.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { FusedKernel, Launch, Tensor } from "../device.ts";
import { bufferOf, bufferTypes, checkLaunch, refuseInPlace, shareOf } from "../launch.ts";
import { driverConstants } from "./constants.ts";
import type { CudaContext } from "./context.ts";
import { sumRows } from "./reduce.ts";
import { type KernelShape, shapeOf } from "./shape.ts";
import { transpose } from "./transpose.ts";

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

/** The two kernels of a plan, compiled for the shape that a launch asks for when the first such launch comes. */
export function compileFused(context: CudaContext, plan: Plan): CudaKernel {
  const { name } = plan.neuron;
  const compiled = new Map<string, number>();

  const shapeFor = (direction: Direction, size: number, steps: number, channels?: number): KernelShape =>
    shapeOf(plan, direction, size, steps, context.properties.multiprocessors, channels);

  const functionOf = (direction: Direction, shape: KernelShape): number => {
    const key = `${direction} ${shape.vector} ${shape.steps} ${shape.block} ${shape.sample}`;
    let found = compiled.get(key);
    if (found === undefined) compiled.set(key, (found = context.function(`${name}.${direction}`, cudaModule(plan, shape, [direction]), direction)));
    return found;
  };

  const launch = (direction: Direction, given: Launch): void => context.timed(shareOf(plan), () => {
    checkLaunch(plan, direction, given);
    const { steps, size, channels = size } = given;
    const shape = shapeFor(direction, size, steps, channels);
    const scratch: Tensor[] = [];
    const reductions: { partial: Tensor; address: number; columns: number }[] = [];
    const specs = plan[direction]!.buffers;
    try {
      const targets = specs.map((spec) => context.ptr(bufferOf(plan, spec, given), `${name}.${direction}, buffer ${spec.name}`, bufferTypes[spec.format]));
      if (steps > 1) refuseInPlace(plan, specs, targets);
      const addresses = specs.map(({ reduce, extent }, i) => {
        if (extent === "matrix" && direction === "backward") {
          const turned = context.empty([channels, channels]);
          scratch.push(turned);
          const address = context.ptr(turned, name);
          transpose(context, targets[i], address, channels);
          return address;
        }
        const columns = extent === "channel" ? channels : 1;
        if (!reduce || columns === size) return targets[i];
        const partial = context.empty([size]);
        scratch.push(partial);
        reductions.push({ partial, address: targets[i], columns });
        return context.ptr(partial, name);
      });
      const threads = shape.sample === undefined ? size / shape.vector : shape.sample * (size / channels);
      context.launch(functionOf(direction, shape), threads, [...addresses, steps, size, channels], shape);
      for (const { partial, address, columns } of reductions) sumRows(context, context.ptr(partial, name), address, size / columns, columns);
    } finally {
      for (const tensor of scratch) tensor.dispose();
    }
  });

  return {
    plan,
    forward: (given) => launch("forward", given),
    backward: (given) => launch("backward", given),
    resources(direction, size) {
      const shape = shapeFor(direction, size, plan.steps);
      const kernel = functionOf(direction, shape);
      return {
        vector: shape.vector,
        registers: context.driver.get("cuFuncGetAttribute", driverConstants.CU_FUNC_ATTRIBUTE_NUM_REGS, kernel),
        spilled: context.driver.get("cuFuncGetAttribute", driverConstants.CU_FUNC_ATTRIBUTE_LOCAL_SIZE_BYTES, kernel),
      };
    },
  };
}
