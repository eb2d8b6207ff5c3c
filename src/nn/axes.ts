import "../dispose.ts";
import type { Tensor } from "../device/device.ts";
import type { Shape } from "./variable.ts";

export const elements = (shape: Shape): number => shape.reduce((product, length) => product * length, 1);

/** The axes before the last `rank`: time and batch. */
export const leadingAxes = (x: Tensor, rank: number): Shape => x.shape.slice(0, x.shape.length - rank);

/** A view with the axes before the last `rank` merged into one. */
export const merged = (x: Tensor, rank: number): Tensor => x.reshape([elements(leadingAxes(x, rank)), ...x.shape.slice(x.shape.length - rank)]);

/** The same memory under another shape; `x` itself is disposed. */
export function reshaped(x: Tensor, shape: Shape): Tensor {
  const view = x.reshape(shape);
  x.dispose();
  return view;
}

/** Applies a function of [M, ...] to x [..., ...], where the last `rank` axes are one sample's. */
export function perSample(x: Tensor, rank: number, f: (x: Tensor) => Tensor): Tensor {
  using view = merged(x, rank);
  const y = f(view);
  return reshaped(y, [...leadingAxes(x, rank), ...y.shape.slice(1)]);
}

/** A view [M, H, W, C] of images [..., H, W, C] (rank 3), or of sequences [..., L, C] (rank 2), which have height 1. */
export const imagesOf = (x: Tensor, rank: 2 | 3): Tensor => x.reshape([elements(leadingAxes(x, rank)), ...(rank === 2 ? [1] : []), ...x.shape.slice(-rank)]);

/** Applies a function of images [M, H, W, C] to such images or sequences; what it returns has as many axes. */
export function perImage(x: Tensor, rank: 2 | 3, f: (images: Tensor) => Tensor): Tensor {
  using images = imagesOf(x, rank);
  const y = f(images);
  return reshaped(y, [...leadingAxes(x, rank), ...y.shape.slice(-rank)]);
}

/** Σ over time of a gradient [T, B, ...], or of one [1, B, ...] that holds at all T steps → [1, B, ...]. */
export function sumOverTime(gradient: Tensor, steps: number): Tensor {
  const [held] = gradient.shape;
  const sum = gradient.device.dense.sumFirst(gradient, held === steps ? 1 : steps);
  return reshaped(sum, [1, ...sum.shape]);
}
