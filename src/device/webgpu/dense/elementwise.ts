import type { DenseMath } from "../../device.ts";
import { requireElements, requireFactor, requireShape, requireTimes } from "../../dense/shapes.ts";
import { sumRows } from "./reduction.ts";
import { bitsOf, elementKernel, type Launcher } from "./work.ts";

type ElementwiseMath = Pick<DenseMath, "sumFirst" | "repeatFirst" | "addInto" | "scale" | "sumOfSquares">;

const repeatKernel = elementKernel({
  label: "repeat", params: "length: u32, scale: f32", inputs: ["x"], outputs: ["y"], body: "  y[i] = p.scale * x[i % p.length];",
});
const addKernel = elementKernel({ label: "add", params: "scale: f32", inputs: ["x"], outputs: ["y"], body: "  y[i] += p.scale * x[i];" });
const scaleKernel = elementKernel({ label: "scale", params: "factor: f32", outputs: ["x"], body: "  x[i] *= p.factor;" });

export function elementwiseMath(launcher: Launcher): ElementwiseMath {
  return {
    sumFirst(x, factor) {
      requireElements("sumFirst", "x", x);
      requireFactor("sumFirst", "scale", factor);
      const [times, ...shape] = x.shape;
      return launcher.run("sumFirst", (work) => {
        const input = work.bind(x);
        const sums = work.output(shape);
        sumRows(work, input, undefined, work.bind(sums), times, sums.size, factor);
        return sums;
      });
    },
    repeatFirst(x, times, factor) {
      requireTimes("repeatFirst", x, times);
      requireFactor("repeatFirst", "scale", factor);
      return launcher.run("repeatFirst", (work) => {
        const input = work.bind(x);
        const y = work.output([times, ...x.shape]);
        work.perElement(repeatKernel, y.size, [x.size, bitsOf(factor)], [input, work.bind(y)]);
        return y;
      });
    },
    addInto(y, x, factor) {
      requireElements("addInto", "y", y);
      requireShape("addInto", "x", x, y.shape);
      requireFactor("addInto", "scale", factor);
      launcher.run("addInto", (work) => {
        const [from, to] = [work.bind(x), work.bind(y)];
        // A kernel cannot read and write one buffer through two bindings: y + factor · y.
        if (from === to) work.perElement(scaleKernel, y.size, [bitsOf(1 + factor)], [to]);
        else work.perElement(addKernel, y.size, [bitsOf(factor)], [from, to]);
      });
    },
    scale(x, factor) {
      requireElements("scale", "x", x);
      requireFactor("scale", "factor", factor);
      launcher.run("scale", (work) => work.perElement(scaleKernel, x.size, [bitsOf(factor)], [work.bind(x)]));
    },
    sumOfSquares(...tensors) {
      tensors.forEach((x) => requireElements("sumOfSquares", "x", x));
      return launcher.run("sumOfSquares", (work) => {
        const inputs = tensors.map((x) => work.bind(x));
        const sum = work.output([1]);
        inputs.forEach((input, i) => {
          const own = i === 0 ? work.bind(sum) : work.bind(work.scratch([1]));
          sumRows(work, input, input, own, tensors[i].size, 1);
          if (i > 0) work.perElement(addKernel, 1, [bitsOf(1)], [own, work.bind(sum)]);
        });
        return sum;
      });
    },
  };
}
