import { checkArgument, integer, listOf, object } from "../../check.ts";
import { ShapeError } from "../../errors.ts";
import type { Window2d } from "../device.ts";
import { requireAxes, requireShape } from "./shapes.ts";
import type { Shaped } from "./shapes.ts";

/** How a window passes over images [M, H, W, C]; outHeight × outWidth are its positions. */
export interface Geometry {
  images: number;
  height: number;
  width: number;
  channels: number;
  outHeight: number;
  outWidth: number;
  window: Window2d;
}

/** @throws ShapeError if `shape` is no batch of images, or if the window makes no sense or has no position on them. */
export function geometryOf(operation: string, x: Shaped, window: Window2d): Geometry {
  requireAxes(operation, "x", x, 4);
  const [images, height, width, channels] = x.shape;
  checkArgument(operation, "window", window, object);
  const natural = (values: readonly number[], least: number): boolean => Array.isArray(values) && values.length === 2 && values.every((value) => Number.isInteger(value) && value >= least);
  if (!natural(window.size, 1) || !natural(window.stride, 1) || !natural(window.padding, 0)) {
    throw new ShapeError(
      `${operation}: the window has size [${window.size}], stride [${window.stride}] and padding [${window.padding}]: ` +
        "pairs of integers were expected, size and stride ≥ 1, padding ≥ 0.",
    );
  }
  const positions = (axis: 0 | 1): number => Math.floor((x.shape[axis + 1] + 2 * window.padding[axis] - window.size[axis]) / window.stride[axis]) + 1;
  const [outHeight, outWidth] = [positions(0), positions(1)];
  if (outHeight < 1 || outWidth < 1) {
    throw new ShapeError(
      `${operation}: a window of [${window.size}] does not fit on images of [${height},${width}] with padding [${window.padding}].`,
    );
  }
  return { images, height, width, channels, outHeight, outWidth, window };
}

/** @throws ShapeError also if `w` is no kernel [kh, kw, C, O] of such a window. */
export function convolutionGeometry(operation: string, x: Shaped, w: Shaped, window: Window2d): Geometry {
  const geometry = geometryOf(operation, x, window);
  requireAxes(operation, "w", w, 4);
  requireShape(operation, "w", w, [...window.size, geometry.channels, w.shape[3]]);
  return geometry;
}

/** A tensor of images as far as its shape goes. */
export function shapedLike(operation: string, shape: readonly number[]): Shaped {
  checkArgument(operation, "xShape", shape, listOf(integer(1)), ShapeError);
  return { shape, size: shape.reduce((product, length) => product * length, 1) };
}

/** @throws ShapeError also if a window would lie wholly in the padding. */
export function poolingGeometry(operation: string, x: Shaped, window: Window2d): Geometry {
  const geometry = geometryOf(operation, x, window);
  if (window.padding.some((padding, axis) => 2 * padding > window.size[axis])) {
    throw new ShapeError(`${operation}: the padding [${window.padding}] is more than half of the window [${window.size}].`);
  }
  return geometry;
}

/** @throws ShapeError also if `dy` has another shape than the pooled images. */
export function poolingBackwardGeometry(operation: string, x: Shaped, window: Window2d, dy: Shaped): Geometry {
  const geometry = poolingGeometry(operation, x, window);
  requireShape(operation, "dy", dy, [geometry.images, geometry.outHeight, geometry.outWidth, geometry.channels]);
  return geometry;
}
