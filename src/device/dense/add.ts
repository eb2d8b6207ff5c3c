import type { DenseMath, Device } from "../device.ts";
import { requireElements, requireShape } from "./shapes.ts";

/** x + y of a device without a kernel for it: a copy of x, to which y is added. */
export const copyingAdd = (device: Device, { addInto }: Pick<DenseMath, "addInto">): Pick<DenseMath, "add"> => ({
  add(x, y) {
    requireElements("add", "x", x);
    requireShape("add", "y", y, x.shape);
    const sum = device.empty(x.shape, x.dtype);
    try {
      device.copy(x, sum);
      addInto(sum, y, 1);
      return sum;
    } catch (error) {
      sum.dispose();
      throw error;
    }
  },
});
