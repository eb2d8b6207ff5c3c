import { dotsShape, scaledShape } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { WebGpuContext } from "../context.ts";
import { columnKernel, partialBytes, sumRows, TREE } from "./reduction.ts";
import { elementKernel, type Launcher } from "./work.ts";

/** Values that a workgroup adds. */
const BLOCK = 4096;

const scaleKernel = elementKernel({ label: "scale of steps", params: "length: u32", inputs: ["x", "factors"], outputs: ["y"], body: "  y[i] = x[i] * factors[i / p.length];" });

/** A workgroup adds a block of one t: partials [blocks, T]. */
const dotKernel = columnKernel("dots of steps", "steps: u32, length: u32", ["x", "y"], ["partials"], `  let step = column % p.steps;
  let first = column / p.steps * ${BLOCK};
  var own = 0.0;
  for (var j = first + thread; j < min(first + ${BLOCK}, p.length); j += ${TREE}) { own += x[step * p.length + j] * y[step * p.length + j]; }
  let sum = total(own, thread);
  if (thread == 0) { partials[column] = sum; }`);

const blocksOf = (length: number): number => Math.ceil(length / BLOCK);

/** Bytes of the partial sums of each t of x [T, ...]. */
export function stepPartialBytes(device: WebGpuContext, { shape: [steps], size }: Tensor): number {
  const blocks = blocksOf(size / steps);
  return 4 * blocks * steps + partialBytes(device, blocks, steps);
}

/** What differs from one t to the next. */
export function stepMath(launcher: Launcher): Pick<DenseMath, "scaleFirst" | "dotsFirst"> {
  return {
    scaleFirst(x, factors) {
      const { length } = scaledShape("scaleFirst", x, factors);
      return launcher.run("scaleFirst", (work) => {
        const y = work.output(x.shape);
        work.perElement(scaleKernel, x.size, [length], [work.bind(x), work.bind(factors), work.bind(y)]);
        return y;
      });
    },
    dotsFirst(x, y) {
      const { steps, length } = dotsShape("dotsFirst", x, y);
      return launcher.run("dotsFirst", (work) => {
        const blocks = blocksOf(length);
        const dots = work.output([steps]);
        const partials = work.bind(work.scratch([blocks, steps]));
        work.perGroup(dotKernel, blocks * steps, [steps, length], [work.bind(x), work.bind(y), partials]);
        sumRows(work, partials, undefined, work.bind(dots), blocks, steps);
        return dots;
      });
    },
  };
}
