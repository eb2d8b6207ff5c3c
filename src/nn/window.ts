import { integer, type Kind, kind } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import type { Window2d } from "../device/device.ts";
import type { Shape } from "./variable.ts";

/** A length for both axes, or [height, width]. */
export type Size2d = number | readonly [number, number];

/** Of a window over [L, C]. */
export interface Window1dOptions {
  /** How far the window moves. Default: 1 in a convolution, the window's size in a pooling. */
  stride?: number;
  /** Zeros on each side; less than the window. Default: 0. */
  padding?: number;
}

export interface WindowOptions {
  /** How far the window moves. Default: 1 in a convolution, the window's size in a pooling. */
  stride?: Size2d;
  /** Zeros on each side; less than the window. Default: 0. */
  padding?: Size2d;
}

const pair = (size: Size2d): readonly [number, number] => (typeof size === "number" ? [size, size] : size);

export const sizeKind = (least: number): Kind => kind(`an integer ≥ ${least}, or a list [height, width] of two`, (x) => {
  const lengths: readonly unknown[] = Array.isArray(x) ? x : [x, x];
  return lengths.length === 2 && lengths.every(integer(least).accepts);
});

/** How far a window reaches over pixels that are `dilation` apart. */
const reach = ({ size, dilation = [1, 1] }: Window2d): number[] => size.map((length, i) => dilation[i] * (length - 1) + 1);

/** @throws OptionError, naming the layer, for a padding that is not less than the window. */
export function window2d(layer: string, size: Size2d, stride: Size2d, padding: Size2d, dilation: Size2d = 1): Window2d {
  const apart = pair(dilation);
  const window = { size: pair(size), stride: pair(stride), padding: pair(padding), ...(apart.some((n) => n > 1) ? { dilation: apart } : {}) };
  const lengths = reach(window);
  if (window.padding.some((length, i) => length >= lengths[i])) throw new OptionError(`${layer}: padding ${window.padding.join("×")} must be less than the window, ${lengths.join("×")}`);
  return window;
}

/** A window over [L, C] as one over images of height 1. */
export const window1d = (layer: string, size: number, stride: number, padding: number, dilation = 1): Window2d => window2d(layer, [1, size], [1, stride], [0, padding], [1, dilation]);

/** Height and width after a window has moved over [H, W, C], or the length after one over [L, C]. @throws ShapeError, naming the layer, if it does not fit. */
export function outputSize(layer: string, shape: Shape, window: Window2d): number[] {
  const { stride, padding } = window;
  const axes = shape.length - 1;
  const [sizes, strides, paddings] = [reach(window), stride, padding].map((each) => each.slice(-axes));
  const lengths = sizes.map((size, axis) => Math.floor((shape[axis] + 2 * paddings[axis] - size) / strides[axis]) + 1);
  if (lengths.some((length) => length < 1)) {
    throw new ShapeError(`${layer}: the window ${sizes.join("×")} does not fit into the input [${shape.join(", ")}] with padding ${paddings.join("×")}`);
  }
  return lengths;
}
