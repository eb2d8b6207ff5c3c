import type { DenseMath, Tensor } from "../../device.ts";
import { productShape, requireShape } from "../../dense/shapes.ts";
import { type Factor, multiply, productKernels } from "./product.ts";
import { sumRows } from "./reduction.ts";
import type { Launcher, Work } from "./work.ts";

/** A matrix of which one axis is contiguous; `<side>Stride` is that of the other. */
export const matrix = (side: "left" | "right", along: "outer" | "depth"): Factor => ({
  along,
  functions: `fn ${side}Outer(i: u32) -> vec3i { return vec3i(i32(i${along === "outer" ? "" : ` * p.${side}Stride`})); }
fn ${side}Depth(k: u32) -> vec3i { return vec3i(i32(k${along === "depth" ? "" : ` * p.${side}Stride`})); }
fn ${side}At(outer: vec3i, depth: vec3i) -> f32 { return ${side}[outer.x + depth.x]; }`,
});

const STRIDES = "leftStride: u32, rightStride: u32";
const forward = productKernels("x · w", STRIDES, matrix("left", "depth"), matrix("right", "outer"));
const inputGradient = productKernels("dy · wᵀ", STRIDES, matrix("left", "depth"), matrix("right", "depth"));
const weightGradient = productKernels("xᵀ · dy", STRIDES, matrix("left", "outer"), matrix("right", "outer"));

export function linearMath(launcher: Launcher): Pick<DenseMath, "linear" | "linearBackward"> {
  return {
    linear(x, w, bias) {
      const [rows, depth, columns] = productShape("linear", x, w);
      if (bias) requireShape("linear", "bias", bias, [columns]);
      return launcher.run("linear", (work) => {
        const inputs = { left: work.bind(x), right: work.bind(w), bias: bias && work.bind(bias) };
        const y = work.output([rows, columns]);
        multiply(work, forward, { ...inputs, rows, columns, depth, result: work.bind(y), words: [depth, columns] });
        return y;
      });
    },
    linearBackward(x, w, dy, need) {
      const [rows, depth, columns] = productShape("linearBackward", x, w);
      requireShape("linearBackward", "dy", dy, [rows, columns]);
      return launcher.run("linearBackward", (work) => {
        const [input, weight, slope] = [x, w, dy].map((tensor) => work.bind(tensor));
        const dw = work.output([depth, columns]);
        multiply(work, weightGradient, { rows: depth, columns, depth: rows, left: input, right: slope, result: work.bind(dw), words: [depth, columns] });
        const dx = need.input ? work.output([rows, depth]) : undefined;
        if (dx) multiply(work, inputGradient, { rows, columns: depth, depth: columns, left: slope, right: weight, result: work.bind(dx), words: [columns, columns] });
        return { dx, dw, db: need.bias ? biasGradient(work, dy) : undefined };
      });
    },
  };
}

/** The sum of dy over all axes but the last. */
export function biasGradient(work: Work, dy: Tensor): Tensor {
  const columns = dy.shape[dy.shape.length - 1];
  const db = work.output([columns]);
  sumRows(work, work.bind(dy), undefined, work.bind(db), dy.size / columns, columns);
  return db;
}
