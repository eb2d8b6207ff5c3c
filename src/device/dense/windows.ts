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

/** How a convolution's kernel passes over images. */
export interface ConvolutionGeometry extends Geometry {
  groups: number;
  /** 1 where the kernel has one pixel. */
  dilation: readonly [number, number];
}

/** Whether a kernel sees all channels of adjoining pixels. */
export const isWhole = ({ groups, dilation }: ConvolutionGeometry): boolean => groups === 1 && dilation.every((distance) => distance === 1);

/** @throws ShapeError if `shape` is no batch of images, or if the window makes no sense or has no position on them. */
export function geometryOf(operation: string, x: Shaped, window: Window2d): Geometry {
  requireAxes(operation, "x", x, 4);
  const [images, height, width, channels] = x.shape;
  checkArgument(operation, "window", window, object);
  const natural = (values: readonly number[], least: number): boolean => Array.isArray(values) && values.length === 2 && values.every((value) => Number.isInteger(value) && value >= least);
  const { dilation = [1, 1] } = window;
  if (!natural(window.size, 1) || !natural(window.stride, 1) || !natural(window.padding, 0) || !natural(dilation, 1)) {
    throw new ShapeError(
      `${operation}: the window has size [${window.size}], stride [${window.stride}], padding [${window.padding}] and dilation [${dilation}]: ` +
        "pairs of integers were expected, size, stride and dilation ≥ 1, padding ≥ 0.",
    );
  }
  const extents = [0, 1].map((axis) => dilation[axis] * (window.size[axis] - 1) + 1);
  const positions = (axis: 0 | 1): number => Math.floor((x.shape[axis + 1] + 2 * window.padding[axis] - extents[axis]) / window.stride[axis]) + 1;
  const [outHeight, outWidth] = [positions(0), positions(1)];
  if (outHeight < 1 || outWidth < 1) {
    throw new ShapeError(
      `${operation}: a window of [${extents}] does not fit on images of [${height},${width}] with padding [${window.padding}].`,
    );
  }
  return { images, height, width, channels, outHeight, outWidth, window };
}

/** @throws ShapeError also if `w` is no kernel [kh, kw, C/groups, O] of such a window. */
export function convolutionGeometry(operation: string, x: Shaped, w: Shaped, window: Window2d): ConvolutionGeometry {
  const geometry = geometryOf(operation, x, window);
  const { channels } = geometry;
  requireAxes(operation, "w", w, 4);
  const [, , depth, outChannels] = w.shape;
  requireShape(operation, "w", w, [...window.size, channels % depth === 0 ? depth : channels, outChannels]);
  const groups = channels / depth;
  if (outChannels % groups !== 0) {
    throw new ShapeError(`${operation}: w has the shape [${w.shape}], that is ${groups} groups of ${channels} channels: ${outChannels} outputs do not fall into so many.`);
  }
  const { size, dilation = [1, 1] } = window;
  return { ...geometry, groups, dilation: [size[0] === 1 ? 1 : dilation[0], size[1] === 1 ? 1 : dilation[1]] };
}

/** A tensor of images as far as its shape goes. */
export function shapedLike(operation: string, shape: readonly number[]): Shaped {
  checkArgument(operation, "xShape", shape, listOf(integer(1)), ShapeError);
  return { shape, size: shape.reduce((product, length) => product * length, 1) };
}

/** @throws ShapeError also if a window would lie wholly in the padding. */
export function poolingGeometry(operation: string, x: Shaped, window: Window2d): Geometry {
  const geometry = geometryOf(operation, x, window);
  if (window.dilation?.some((distance) => distance > 1)) throw new ShapeError(`${operation}: the window has dilation [${window.dilation}]: a pooling has none.`);
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
