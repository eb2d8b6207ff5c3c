import { integer, type Kind, kind } from "../check.ts";
import { OptionError, ShapeError } from "../errors.ts";
import type { Window2d } from "../device/device.ts";
import type { Shape } from "./variable.ts";

/** A length for both axes, or [height, width]. */
export type Size2d = number | readonly [number, number];

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

/** @throws OptionError, naming the layer, for a padding that is not less than the window. */
export function window2d(layer: string, size: Size2d, stride: Size2d, padding: Size2d): Window2d {
  const window = { size: pair(size), stride: pair(stride), padding: pair(padding) };
  if (window.padding.some((length, i) => length >= window.size[i])) throw new OptionError(`${layer}: padding ${window.padding.join("×")} must be less than the window, ${window.size.join("×")}`);
  return window;
}

/** Height and width after a window has moved over [H, W, C]. @throws ShapeError, naming the layer, if it does not fit. */
export function outputSize(layer: string, shape: Shape, { size, stride, padding }: Window2d): [number, number] {
  const lengths = [0, 1].map((axis) => Math.floor((shape[axis] + 2 * padding[axis] - size[axis]) / stride[axis]) + 1);
  if (lengths.some((length) => length < 1)) {
    throw new ShapeError(`${layer}: the window ${size.join("×")} does not fit into the input [${shape.join(", ")}] with padding ${padding.join("×")}`);
  }
  return lengths as [number, number];
}
