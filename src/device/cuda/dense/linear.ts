import type { DenseMath } from "../../device.ts";
import { productShape, requireNeed, requireShape } from "../../dense/shapes.ts";
import { kernels, pairs } from "./kernel.ts";
import { sumRows } from "./rows.ts";
import type { DenseLauncher } from "./work.ts";

/** A thread per element of the result. */
const productKernel = kernels({
  name: "product",
  variants: pairs.flatMap(([A, B]) => [{ A, B, D: A }, { A, B, D: "f32" as const }]),
  parameters: `const A* __restrict__ a, const B* __restrict__ b, const float* __restrict__ bias, D* __restrict__ d, const long long rows, const long long columns, const long long depth,
  const long long rowOfA, const long long depthOfA, const long long depthOfB, const long long columnOfB`,
  body: `  const long long i = thread();
  if (i >= rows * columns) return;
  const long long row = i / columns, column = i % columns;
  float sum = bias ? bias[column] : 0.0f;
  for (long long k = 0; k < depth; ++k) sum += to_float(a[row * rowOfA + k * depthOfA]) * to_float(b[k * depthOfB + column * columnOfB]);
  from_float(d[i], sum);`,
});

export const linearKernels = [productKernel];

export function linearMath(launcher: DenseLauncher): Pick<DenseMath, "linear" | "linearBackward"> {
  return {
    linear(x, w, bias) {
      const [rows, depth, columns] = productShape("linear", x, w);
      if (bias !== undefined) requireShape("linear", "bias", bias, [columns]);
      return launcher.run("linear", "dense", (work) => {
        const { at, type } = work.activation(x);
        const [weight, shift] = [work.ptr(w), bias ? work.ptr(bias) : 0];
        const y = work.output([rows, columns], type);
        work.launch(productKernel({ A: type, B: "f32", D: type }), rows * columns, [at, weight, shift, work.ptr(y, type), rows, columns, depth, depth, 1, columns, 1]);
        return y;
      });
    },
    linearBackward(x, w, dy, need) {
      const [rows, depth, columns] = productShape("linearBackward", x, w);
      requireShape("linearBackward", "dy", dy, [rows, columns]);
      requireNeed("linearBackward", need);
      return launcher.run("linearBackward", "dense", (work) => {
        const [input, slope, weight] = [work.activation(x), work.activation(dy), work.ptr(w)];
        const dw = work.output([depth, columns]);
        work.launch(productKernel({ A: input.type, B: slope.type, D: "f32" }), depth * columns, [input.at, slope.at, 0, work.ptr(dw), depth, columns, rows, 1, depth, columns, 1]);
        const dx = need.input ? work.output([rows, depth], input.type) : undefined;
        if (dx) {
          work.launch(productKernel({ A: slope.type, B: "f32", D: input.type }), rows * depth, [slope.at, weight, 0, work.ptr(dx, input.type), rows, depth, columns, columns, 1, 1, columns]);
        }
        const db = need.bias ? work.output([columns]) : undefined;
        if (db) sumRows(work, slope, undefined, work.ptr(db), rows, columns);
        return { dx, dw, db };
      });
    },
  };
}
