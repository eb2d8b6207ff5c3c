import type { DenseMath, Tensor } from "../../device.ts";
import { productShape, requireNeed, requireShape } from "../../dense/shapes.ts";
import { multiply } from "./product.ts";
import { sumRows } from "./reduction.ts";
import { elementKernel, type Launcher, type Work } from "./work.ts";

export function linearMath(launcher: Launcher): Pick<DenseMath, "linear" | "linearBackward"> {
  return {
    linear(x, w, bias) {
      const [rows, depth, columns] = productShape("linear", x, w);
      if (bias !== undefined) requireShape("linear", "bias", bias, [columns]);
      return launcher.run("linear", (work) => {
        const inputs = { left: work.bind(x), right: work.bind(w), bias: bias && work.bind(bias) };
        const y = work.output([rows, columns]);
        multiply(work, { ...inputs, rows, columns, depth, result: work.bind(y) });
        return y;
      });
    },
    linearBackward(x, w, dy, need) {
      const [rows, depth, columns] = productShape("linearBackward", x, w);
      requireShape("linearBackward", "dy", dy, [rows, columns]);
      requireNeed("linearBackward", need);
      return launcher.run("linearBackward", (work) => {
        const [input, weight, slope] = [x, w, dy].map((tensor) => work.bind(tensor));
        const dw = work.output([depth, columns]);
        multiply(work, { rows: depth, columns, depth: rows, left: input, transposed: true, right: slope, result: work.bind(dw) });
        const dx = need.input ? work.output([rows, depth]) : undefined;
        if (dx) multiply(work, { rows, columns: depth, depth: columns, left: slope, right: transposed(work, weight, 1, depth, columns), result: work.bind(dx) });
        return { dx, dw, db: need.bias ? biasGradient(work, dy) : undefined };
      });
    },
  };
}

const transposeKernel = elementKernel({
  label: "transpose", params: "rows: u32, columns: u32", inputs: ["x"], outputs: ["y"],
  body: `  let matrix = i / (p.rows * p.columns);
  let row = i % p.rows;
  let column = i / p.rows % p.columns;
  y[i] = x[(matrix * p.rows + row) * p.columns + column];`,
});

/** [matrices, rows, columns] as [matrices, columns, rows], for the time of the work. */
export function transposed(work: Work, x: GPUBuffer, matrices: number, rows: number, columns: number): GPUBuffer {
  const y = work.bind(work.scratch([matrices, columns, rows]));
  work.perElement(transposeKernel, matrices * rows * columns, [rows, columns], [x, y]);
  return y;
}

/** A square matrix transposed, as a tensor for the caller. */
export function transposedTensor(work: Work, x: Tensor, columns: number): Tensor {
  const y = work.output([columns, columns]);
  work.perElement(transposeKernel, columns ** 2, [columns, columns], [work.bind(x), work.bind(y)]);
  return y;
}

/** The sum of dy over all axes but the last. */
export function biasGradient(work: Work, dy: Tensor): Tensor {
  const columns = dy.shape[dy.shape.length - 1];
  const db = work.output([columns]);
  sumRows(work, work.bind(dy), undefined, work.bind(db), dy.size / columns, columns);
  return db;
}
