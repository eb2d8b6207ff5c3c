import type { DenseMath, Tensor } from "../../device.ts";
import { requireNeed, requireShape } from "../../dense/shapes.ts";
import { type ConvolutionGeometry, convolutionGeometry, type Geometry, isWhole } from "../../dense/windows.ts";
import { elementCount } from "../../tensor.ts";
import type { ConvolutionProblem } from "../convolutionProblem.ts";
import type { ConvolutionPlan, Operands } from "../cudnn.ts";
import { addBias } from "./channels.ts";
import { groupedConvolution, groupedImageGradient, groupedWeightGradient } from "./groupedConvolution.ts";
import { fitChannels, transpose } from "./layout.ts";
import { biasGradient, factor, type Factors, productGradients, productOf, written } from "./products.ts";
import type { DenseLauncher, Work } from "./work.ts";

/** cuDNN's tensor-core engines take bf16 channels in eights: it would pad them itself in workspace that it may not have, or take a slow engine. */
const BF16_CHANNELS = 8;

/**
 * Convolutions by cuDNN; those that see single pixels are products, and need none. Those in groups, and of spaced pixels, it may have no engine for, or none that
 * gives the same bits each time: then kernels of our own.
 */
export function convolutionMath(launcher: DenseLauncher, factors: Factors): Pick<DenseMath, "conv2d" | "conv2dBackward"> {
  const { type } = factors;
  return {
    conv2d(x, w, bias, window) {
      const geometry = convolutionGeometry("conv2d", x, w, window);
      const columns = w.shape[3];
      if (bias !== undefined) requireShape("conv2d", "bias", bias, [columns]);
      return launcher.run("conv2d", "dense", (work) => {
        const own = work.activation(x);
        work.ptr(w);
        const shift = bias && work.ptr(bias);
        const shape = [geometry.images, geometry.outHeight, geometry.outWidth, columns];
        if (seesPixels(geometry)) return productOf(work, factors, x, w, bias, productShape(geometry, columns), shape);
        const convolution = convolutionOf(geometry, columns, factors);
        const plan = planOf(work, "forward", convolution, geometry);
        if (!plan) {
          const y = work.output(shape, own.type);
          groupedConvolution(work, own, w, shift ?? 0, { at: work.ptr(y, own.type), type: own.type }, geometry);
          return y;
        }
        const [image, weight] = [images(work, x, convolution), weights(work, w, convolution)];
        return written(work, shape, own.type, [type], (y) => {
          convolve(work, plan, { x: image, w: weight, y });
          if (shift !== undefined) addBias(work, { at: y, type }, shift, elementCount(shape), columns);
        });
      });
    },
    conv2dBackward(x, w, dy, window, need) {
      const geometry = convolutionGeometry("conv2dBackward", x, w, window);
      const columns = w.shape[3];
      requireShape("conv2dBackward", "dy", dy, [geometry.images, geometry.outHeight, geometry.outWidth, columns]);
      requireNeed("conv2dBackward", need);
      return launcher.run("conv2dBackward", "dense", (work) => {
        const own = work.activation(x);
        work.ptr(w);
        if (seesPixels(geometry)) return productGradients(work, factors, x, w, dy, need, productShape(geometry, columns));
        const convolution = convolutionOf(geometry, columns, factors);
        const [filterPlan, imagePlan] = [planOf(work, "filter", convolution, geometry), need.input ? planOf(work, "data", convolution, geometry) : undefined];
        const slope = filterPlan || imagePlan ? factor(work, dy, type) : 0;
        const dw = filterPlan
          ? weightGradient(work, w.shape, convolution, (to) => convolve(work, filterPlan, { x: images(work, x, convolution), w: to, y: slope }))
          : groupedWeightGradient(work, own, work.activation(dy), w.shape, geometry);
        const imageOf = (to: number): void => imagePlan
          ? imageGradient(work, to, convolution, (padded) => convolve(work, imagePlan, { x: padded, w: weights(work, w, convolution), y: slope }))
          : groupedImageGradient(work, work.activation(dy), w, { at: to, type: own.type }, geometry);
        const dx = need.input ? written(work, x.shape, own.type, [imagePlan ? type : own.type], imageOf) : undefined;
        return { dx, dw, db: need.bias ? biasGradient(work, dy, columns) : undefined };
      });
    },
  };
}

/** Whether every position sees one pixel, and every pixel is seen once. */
export const seesPixels = ({ groups, window: { size, stride, padding } }: ConvolutionGeometry): boolean => groups === 1 && [0, 1].every((axis) => size[axis] === 1 && stride[axis] === 1 && padding[axis] === 0);

const productShape = ({ images, height, width, channels }: Geometry, columns: number): [number, number, number] => [images * height * width, channels, columns];

/** What cuDNN is asked for: its channels are those of the images, filled up. */
export interface Convolution extends Omit<ConvolutionProblem, "kind"> {
  /** Of the images, and of w. */
  channels: number;
  depth: number;
}

/** @param columns channels of the outputs */
export function convolutionOf({ images, height, width, channels, window, dilation, groups }: ConvolutionGeometry, columns: number, { type, tf32 }: Factors): Convolution {
  const filled = type === "bf16" && groups === 1 ? Math.ceil(channels / BF16_CHANNELS) * BF16_CHANNELS : channels;
  const { size, stride, padding } = window;
  return { x: [images, height, width, filled], w: [columns, ...size, filled / groups], padding, stride, dilation, type, tf32, channels, depth: channels / groups };
}

/** @returns undefined where a kernel of our own is to do it. */
function planOf({ libraries: { cudnn } }: Work, kind: ConvolutionProblem["kind"], { x, w, padding, stride, dilation, type, tf32 }: Convolution, geometry: ConvolutionGeometry): ConvolutionPlan | undefined {
  const problem = { kind, x, w, padding, stride, dilation, type, tf32 };
  return isWhole(geometry) ? cudnn.plan(problem) : cudnn.deterministicPlan(problem);
}

function convolve(work: Work, plan: ConvolutionPlan, operands: Operands): void {
  const { cudnn } = work.libraries;
  cudnn.settle(plan, operands);
  cudnn.run(plan, operands, work.workspace(plan.workspaceBytes), work.context.stream);
}

/** The images as factors, their channels filled up. */
function images(work: Work, x: Tensor, { x: shape, channels, type }: Convolution): number {
  if (shape[3] === channels) return factor(work, x, type);
  const at = work.scratch(shape, type);
  fitChannels(work, work.activation(x), { at, type }, x.size / channels, channels, shape[3]);
  return at;
}

/** dx at `to`, of what `write` writes with its channels filled up. */
function imageGradient(work: Work, to: number, { x: shape, channels, type }: Convolution, write: (at: number) => void): void {
  if (shape[3] === channels) return write(to);
  const at = work.scratch(shape, type);
  write(at);
  fitChannels(work, { at, type }, { at: to, type }, elementCount(shape) / shape[3], shape[3], channels);
}

/** Weights [kh, kw, C, O] as factors [O, kh, kw, C], their channels filled up. */
function weights(work: Work, w: Tensor, { w: shape, depth, type }: Convolution): number {
  const [columns] = shape;
  const turned = { at: work.scratch(w.shape, type), type };
  transpose(work, { at: work.ptr(w), type: "f32" }, turned, w.size / columns, columns);
  if (shape[3] === depth) return turned.at;
  const at = work.scratch(shape, type);
  fitChannels(work, turned, { at, type }, w.size / depth, depth, shape[3]);
  return at;
}

/** dw, of what `write` writes as the factors lie. */
function weightGradient(work: Work, shape: readonly number[], { w: filled, depth, type }: Convolution, write: (at: number) => void): Tensor {
  const dw = work.output(shape);
  const [columns] = filled;
  const at = work.scratch(filled, type);
  write(at);
  let own = at;
  if (filled[3] !== depth) fitChannels(work, { at, type }, { at: (own = work.scratch(shape, type)), type }, dw.size / depth, filled[3], depth);
  transpose(work, { at: own, type }, { at: work.ptr(dw), type: "f32" }, columns, dw.size / columns);
  return dw;
}
