import type { DenseMath } from "../../device.ts";
import { productShape, requireNeed, requireShape } from "../../dense/shapes.ts";
import { type Factors, productGradients, productOf } from "./products.ts";
import type { DenseLauncher } from "./work.ts";

export function linearMath(launcher: DenseLauncher, factors: Factors): Pick<DenseMath, "linear" | "linearBackward"> {
  return {
    linear(x, w, bias) {
      const shape = productShape("linear", x, w);
      if (bias !== undefined) requireShape("linear", "bias", bias, [shape[2]]);
      return launcher.run("linear", "dense", (work) => {
        work.ptr(w);
        if (bias) work.ptr(bias);
        return productOf(work, factors, x, w, bias, shape, [shape[0], shape[2]]);
      });
    },
    linearBackward(x, w, dy, need) {
      const shape = productShape("linearBackward", x, w);
      requireShape("linearBackward", "dy", dy, [shape[0], shape[2]]);
      requireNeed("linearBackward", need);
      return launcher.run("linearBackward", "dense", (work) => {
        work.ptr(w);
        return productGradients(work, factors, x, w, dy, need, shape);
      });
    },
  };
}
