import type { DenseMath, Tensor } from "../../device.ts";
import { requireNeed, requireShape } from "../../dense/shapes.ts";
import { convolutionGeometry, type Geometry } from "../../dense/windows.ts";
import type { ConvolutionProblem } from "../cudnn.ts";
import { addBias } from "./channels.ts";
import { biasGradient, factor, type Factors, productGradients, productOf, written } from "./products.ts";
import { transpose } from "./transpose.ts";
import type { DenseLauncher, Work } from "./work.ts";

/** Convolutions by cuDNN; those of single pixels are products, and need none. */
export function convolutionMath(launcher: DenseLauncher, factors: Factors): Pick<DenseMath, "conv2d" | "conv2dBackward"> {
  return {
    conv2d(x, w, bias, window) {
      const geometry = convolutionGeometry("conv2d", x, w, window);
      const columns = w.shape[3];
      if (bias !== undefined) requireShape("conv2d", "bias", bias, [columns]);
      return launcher.run("conv2d", "dense", (work) => {
        const { type } = work.activation(x);
        work.ptr(w);
        const shift = bias && work.ptr(bias);
        const shape = [geometry.images, geometry.outHeight, geometry.outWidth, columns];
        if (seesPixels(geometry)) return productOf(work, factors, x, w, bias, productShape(geometry, columns), shape);
        const [image, weight] = [factor(work, x, factors.type), weights(work, w, factors)];
        return written(work, shape, type, [factors.type], (y, output) => {
          convolve(work, "forward", factors, geometry, columns, { x: image, w: weight, y });
          if (shift !== undefined) addBias(work, { at: y, type: output }, shift, shape.reduce((product, length) => product * length, 1), columns);
        });
      });
    },
    conv2dBackward(x, w, dy, window, need) {
      const geometry = convolutionGeometry("conv2dBackward", x, w, window);
      const columns = w.shape[3];
      requireShape("conv2dBackward", "dy", dy, [geometry.images, geometry.outHeight, geometry.outWidth, columns]);
      requireNeed("conv2dBackward", need);
      return launcher.run("conv2dBackward", "dense", (work) => {
        const { type } = work.activation(x);
        work.ptr(w);
        if (seesPixels(geometry)) return productGradients(work, factors, x, w, dy, need, productShape(geometry, columns));
        const [image, slope] = [factor(work, x, factors.type), factor(work, dy, factors.type)];
        const dw = work.output(w.shape);
        const own = work.scratch(w.shape, factors.type);
        convolve(work, "filter", factors, geometry, columns, { x: image, w: own, y: slope });
        transpose(work, { at: own, type: factors.type }, { at: work.ptr(dw), type: "f32" }, columns, w.size / columns);
        const dx = need.input ? written(work, x.shape, type, [factors.type], (to) =>
          convolve(work, "data", factors, geometry, columns, { x: to, w: weights(work, w, factors), y: slope })) : undefined;
        return { dx, dw, db: need.bias ? biasGradient(work, dy, columns) : undefined };
      });
    },
  };
}

/** Whether every position sees one pixel, and every pixel is seen once. */
export const seesPixels = ({ window: { size, stride, padding } }: Geometry): boolean => [0, 1].every((axis) => size[axis] === 1 && stride[axis] === 1 && padding[axis] === 0);

const productShape = ({ images, height, width, channels }: Geometry, columns: number): [number, number, number] => [images * height * width, channels, columns];

/** Weights [kh, kw, C, O] as factors [O, kh, kw, C], for the time of the work. */
function weights(work: Work, w: Tensor, { type }: Factors): number {
  const columns = w.shape[3];
  const turned = work.scratch(w.shape, type);
  transpose(work, { at: work.ptr(w), type: "f32" }, { at: turned, type }, w.size / columns, columns);
  return turned;
}

function convolve(
  work: Work, kind: ConvolutionProblem["kind"], { type, tf32 }: Factors, { images, height, width, channels, window }: Geometry, columns: number, operands: { x: number; w: number; y: number },
): void {
  const { cudnn } = work.libraries;
  const { size, stride, padding } = window;
  const plan = cudnn.plan({ kind, x: [images, height, width, channels], w: [columns, ...size, channels], padding, stride, type, tf32 });
  cudnn.run(plan, operands, work.workspace(plan.workspaceBytes), work.context.stream);
}
