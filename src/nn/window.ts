import { OptionError, ShapeError } from "../errors.ts";
import type { Window2d } from "../device/device.ts";
import type { Shape } from "./variable.ts";

/** A length for both axes, or [height, width]. */
export type Size2d = number | readonly [number, number];

export interface WindowOptions {
  stride?: Size2d;
  /** Zeros on each side. */
  padding?: Size2d;
}

const pair = (size: Size2d): readonly [number, number] => (typeof size === "number" ? [size, size] : size);

/** @throws OptionError, naming the layer, for lengths that are not integers ≥ 1 (padding: ≥ 0, and less than the window). */
export function window2d(layer: string, size: Size2d, stride: Size2d, padding: Size2d): Window2d {
  const window = { size: pair(size), stride: pair(stride), padding: pair(padding) };
  const check = (what: string, lengths: readonly number[], least: number): void => {
    if (lengths.length !== 2 || lengths.some((length) => !Number.isInteger(length) || length < least)) {
      throw new OptionError(`${layer}: ${what} must be integers ≥ ${least}, got ${lengths.join("×")}`);
    }
  };
  check("the window's height and width", window.size, 1);
  check("stride", window.stride, 1);
  check("padding", window.padding, 0);
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
