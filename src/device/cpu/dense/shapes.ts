import { ShapeError } from "../../../errors.ts";
import type { Tensor } from "../../device.ts";

export type Shaped = Pick<Tensor, "shape" | "size">;

/** @throws ShapeError unless `tensor` has `axes` axes and at least one element. */
export function requireAxes(operation: string, name: string, tensor: Shaped, axes: number): void {
  if (tensor.shape.length !== axes) {
    throw new ShapeError(`${operation}: ${name} has the shape [${tensor.shape}], ${axes} ${axes === 1 ? "axis was" : "axes were"} expected.`);
  }
  requireElements(operation, name, tensor);
}

/** @throws ShapeError if `tensor` has no axis or no element. */
export function requireElements(operation: string, name: string, tensor: Shaped): void {
  if (tensor.size === 0 || tensor.shape.length === 0) {
    throw new ShapeError(`${operation}: ${name} has the shape [${tensor.shape}]: every axis must have at least one element.`);
  }
}

/** @throws ShapeError unless `tensor` has exactly the shape `expected`. */
export function requireShape(operation: string, name: string, tensor: Shaped, expected: readonly number[]): void {
  if (tensor.shape.length !== expected.length || tensor.shape.some((length, axis) => length !== expected[axis])) {
    throw new ShapeError(`${operation}: ${name} has the shape [${tensor.shape}], [${expected}] was expected.`);
  }
}
