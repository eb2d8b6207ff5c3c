import { dotsShape, scaledShape } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Values of a block: few enough that f32 sums them well, four at a time. */
const BLOCK = 2048;
const GRAIN = 16;

const blocksOf = (length: number): number => Math.ceil(length / BLOCK);

/** Bytes of the partial sums of each t of x [T, ...]. */
export const stepPartialBytes = ({ shape: [steps], size }: Tensor): number => 4 * steps * blocksOf(size / steps);

/** What differs from one t to the next. */
export function stepMath(device: CpuContext): Pick<DenseMath, "scaleFirst" | "dotsFirst"> {
  return {
    scaleFirst(x, factors) {
      const { steps, length } = scaledShape("scaleFirst", x, factors);
      return device.timed("rest", () => {
        const given = [x, factors].map((tensor) => device.ptr(tensor, "scaleFirst", "f32"));
        const y = device.empty(x.shape);
        device.pool.run(device.denseModule, "scaleSteps", steps * blocksOf(length), GRAIN, [...given, device.ptr(y, "scaleFirst"), length, BLOCK, blocksOf(length)]);
        return y;
      });
    },
    dotsFirst(x, y) {
      const { steps, length } = dotsShape("dotsFirst", x, y);
      return device.timed("rest", () => {
        const given = [x, y].map((tensor) => device.ptr(tensor, "dotsFirst", "f32"));
        const blocks = blocksOf(length);
        using partials = device.empty([blocks, steps]);
        const dots = device.empty([steps]);
        device.pool.run(device.denseModule, "dotSteps", steps * blocks, GRAIN, [...given, device.ptr(partials, "dotsFirst"), steps, length, BLOCK, blocks]);
        device.pool.run(device.denseModule, "mergeSums", steps, GRAIN, [device.ptr(partials, "dotsFirst"), blocks, steps, device.ptr(dots, "dotsFirst")]);
        return dots;
      });
    },
  };
}
