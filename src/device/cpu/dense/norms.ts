import { normBackwardShape, normShape } from "../../dense/shapes.ts";
import type { DenseMath } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Values that a thread takes at a time. */
const GRAIN = 1 << 15;

/** Normalisation within a sample, of runs of its channels. */
export function normMath(device: CpuContext): Pick<DenseMath, "groupNorm" | "groupNormBackward"> {
  const grainOf = (valuesOfRun: number): number => Math.max(1, Math.floor(GRAIN / valuesOfRun));
  return {
    groupNorm(x, groups, eps) {
      const { size, channels, runs } = normShape("groupNorm", x, groups, eps);
      return device.timed("rest", () => {
        const ptr = device.ptr(x, "groupNorm", "f32");
        const [y, scale] = [device.empty(x.shape), device.empty([x.shape[0], groups])];
        device.pool.run(device.denseModule, "normalizeGroups", runs, grainOf(x.size / runs), [ptr, device.ptr(y, "groupNorm"), device.ptr(scale, "groupNorm"), size, channels, groups, eps]);
        return { y, scale };
      });
    },
    groupNormBackward(y, scale, dy) {
      const { size, channels, groups, runs } = normBackwardShape("groupNormBackward", y, scale, dy);
      return device.timed("rest", () => {
        const given = [y, scale, dy].map((tensor) => device.ptr(tensor, "groupNormBackward", "f32"));
        const dx = device.empty(dy.shape);
        device.pool.run(device.denseModule, "normalizeGroupsBackward", runs, grainOf(dy.size / runs), [...given, device.ptr(dx, "groupNormBackward"), size, channels, groups]);
        return dx;
      });
    },
  };
}
