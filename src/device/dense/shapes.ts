import { checkArgument, integer, kind, object, positive, show } from "../../check.ts";
import { ShapeError } from "../../errors.ts";
import type { Tensor } from "../device.ts";

export type Shaped = Pick<Tensor, "shape" | "size">;

const shapedKind = kind("a tensor", (x) => object.accepts(x) && Array.isArray((x as Shaped).shape));
const shapeKind = kind("a list of integers ≥ 1", (x) => Array.isArray(x) && x.length > 0 && x.every((length) => Number.isSafeInteger(length) && length >= 1));
const number = kind("a number", (x) => typeof x === "number");
const needKind = kind("an object { input, bias } of true or false", (x) => object.accepts(x) && ["input", "bias"].every((name) => typeof (x as Record<string, unknown>)[name] === "boolean"));

/** @throws ShapeError unless `tensor` has `axes` axes and at least one element. */
export function requireAxes(operation: string, name: string, tensor: Shaped, axes: number): void {
  checkArgument(operation, name, tensor, shapedKind);
  if (tensor.shape.length !== axes) {
    throw new ShapeError(`${operation}: ${name} has the shape [${tensor.shape}], ${axes} ${axes === 1 ? "axis was" : "axes were"} expected.`);
  }
  requireElements(operation, name, tensor);
}

/** @throws OptionError if it is no tensor, ShapeError if it has no axis or no element. */
export function requireElements(operation: string, name: string, tensor: Shaped): void {
  checkArgument(operation, name, tensor, shapedKind);
  if (tensor.size === 0 || tensor.shape.length === 0) {
    throw new ShapeError(`${operation}: ${name} has the shape [${tensor.shape}]: every axis must have at least one element.`);
  }
}

/** @throws ShapeError unless `tensor` has exactly the shape `expected`. */
export function requireShape(operation: string, name: string, tensor: Shaped, expected: readonly number[]): void {
  checkArgument(operation, name, tensor, shapedKind);
  if (tensor.shape.length !== expected.length || tensor.shape.some((length, axis) => length !== expected[axis])) {
    throw new ShapeError(`${operation}: ${name} has the shape [${tensor.shape}], [${expected}] was expected.`);
  }
}

/** @throws OptionError unless it is a number. NaN and ∞ pass: what a training computes may be either. */
export const requireFactor = (operation: string, name: string, value: number): void => checkArgument(operation, name, value, number);

/** @throws OptionError unless it says which gradients are needed. */
export const requireNeed = (operation: string, need: { input: boolean; bias: boolean }): void => checkArgument(operation, "need", need, needKind);

/** @returns the rows, depth and columns of x · w. @throws ShapeError unless both are matrices that fit together. */
export function productShape(operation: string, x: Shaped, w: Shaped): readonly [rows: number, depth: number, columns: number] {
  requireAxes(operation, "x", x, 2);
  requireAxes(operation, "w", w, 2);
  requireShape(operation, "w", w, [x.shape[1], w.shape[1]]);
  return [x.shape[0], x.shape[1], w.shape[1]];
}

/** @returns the length of the last axis of [..., C], and how many such rows there are. */
export function rowsOf(operation: string, x: Shaped): { channels: number; rows: number } {
  requireElements(operation, "x", x);
  const channels = x.shape[x.shape.length - 1];
  return { channels, rows: x.size / channels };
}

/** @throws ShapeError unless x [..., C], a, b [C], and y like x with d [C], if they are given, fit together. */
export function affineShape(operation: string, x: Shaped, a: Shaped, b: Shaped, y: Shaped | undefined, d: Shaped | undefined): { channels: number; rows: number } {
  const { channels, rows } = rowsOf(operation, x);
  requireShape(operation, "a", a, [channels]);
  requireShape(operation, "b", b, [channels]);
  if ((y === undefined) !== (d === undefined)) throw new ShapeError(`${operation}: y and d belong together: give both or neither.`);
  if (y !== undefined && d !== undefined) {
    requireShape(operation, "y", y, x.shape);
    requireShape(operation, "d", d, [channels]);
  }
  return { channels, rows };
}

/** @returns T, and how many values each t has. @throws ShapeError unless x [T, ...] has a factor [T] for each. */
export function scaledShape(operation: string, x: Shaped, factors: Shaped): { steps: number; length: number } {
  requireElements(operation, "x", x);
  const [steps] = x.shape;
  requireShape(operation, "factors", factors, [steps]);
  return { steps, length: x.size / steps };
}

/** @returns T, and how many values each t has. @throws ShapeError unless x and y [T, ...] have one shape. */
export function dotsShape(operation: string, x: Shaped, y: Shaped): { steps: number; length: number } {
  requireElements(operation, "x", x);
  requireShape(operation, "y", y, x.shape);
  return { steps: x.shape[0], length: x.size / x.shape[0] };
}

/** Runs of channels of x [M, S, C] that are normalised each by itself: M · groups of them. */
export interface NormShape {
  size: number;
  channels: number;
  groups: number;
  runs: number;
}

/** @throws ShapeError unless x is [M, S, C] and C falls into so many groups, OptionError for an eps that is not positive. */
export function normShape(operation: string, x: Shaped, groups: number, eps: number): NormShape {
  requireAxes(operation, "x", x, 3);
  checkArgument(operation, "groups", groups, integer(1));
  checkArgument(operation, "eps", eps, positive);
  const [samples, size, channels] = x.shape;
  if (channels % groups !== 0) throw new ShapeError(`${operation}: ${channels} channels do not fall into ${groups} groups.`);
  if (size * (channels / groups) >= 2 ** 31) throw new ShapeError(`${operation}: a group of one sample has ${size * (channels / groups)} values, more than 2³¹. Use more groups.`);
  return { size, channels, groups, runs: samples * groups };
}

/** @throws ShapeError unless y and dy are [M, S, C], and scale [M, groups]. */
export function normBackwardShape(operation: string, y: Shaped, scale: Shaped, dy: Shaped): NormShape {
  requireAxes(operation, "scale", scale, 2);
  const shape = normShape(operation, y, scale.shape[1], 1);
  requireShape(operation, "scale", scale, [y.shape[0], shape.groups]);
  requireShape(operation, "dy", dy, y.shape);
  return shape;
}

/** @throws ShapeError unless logits [M, K], labels [M] and weights [M], if they are given, fit together. */
export function crossEntropyShape(logits: Shaped, labels: Shaped, weights: Shaped | undefined): { rows: number; classes: number } {
  requireAxes("softmaxCrossEntropy", "logits", logits, 2);
  const [rows, classes] = logits.shape;
  requireShape("softmaxCrossEntropy", "labels", labels, [rows]);
  if (weights !== undefined) requireShape("softmaxCrossEntropy", "weights", weights, [rows]);
  return { rows, classes };
}

/** @throws ShapeError unless x and target [M, K], and weights [M], if they are given, fit together. */
export function squaredErrorShape(x: Shaped, target: Shaped, weights?: Shaped): { rows: number; columns: number } {
  requireAxes("meanSquaredError", "x", x, 2);
  requireShape("meanSquaredError", "target", target, x.shape);
  const [rows, columns] = x.shape;
  if (weights !== undefined) requireShape("meanSquaredError", "weights", weights, [rows]);
  return { rows, columns };
}

/** Words of 32 bits that hold a bit for each of `size` elements. */
export const wordsOfBits = (size: number): number => Math.ceil(size / 32);

/** @throws ShapeError unless `bits` are those of a tensor of that shape. */
export function requireBits(operation: string, bits: Shaped, shape: readonly number[]): void {
  checkArgument(operation, "bits", bits, shapedKind);
  checkArgument(operation, "shape", shape, shapeKind, ShapeError);
  const size = shape.reduce((product, length) => product * length, 1);
  if (bits.size !== wordsOfBits(size)) throw new ShapeError(`${operation}: bits has ${bits.size} words, a tensor [${shape}] takes ${wordsOfBits(size)}.`);
}

/** @throws ShapeError unless x has an element and `times` is an integer ≥ 1. */
export function requireTimes(operation: string, x: Shaped, times: number): void {
  requireElements(operation, "x", x);
  if (!Number.isInteger(times) || times < 1) throw new ShapeError(`${operation}: times is ${show(times)}, an integer ≥ 1 was expected.`);
}
