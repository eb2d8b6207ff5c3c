import { elements } from "../../nn/axes.ts";
import type { Shape } from "../../nn/variable.ts";

/**
 * A signal between two nodes: NIR's shape is [N], [C, L] or [C, H, W], ours has the channels last. After a flatten values lie in the order of ours: value j here is value `order[j]` there.
 */
export interface Signal {
  readonly shape: Shape;
  /** Of [N] alone. Default: the same order. */
  readonly order?: Int32Array;
}

/** The shape here: [H, W, C] of [C, H, W]. */
export const toShape = ([first, ...rest]: Shape): Shape => [...rest, first];
/** The shape there: [C, H, W] of [H, W, C]. */
export const fromShape = (shape: Shape): Shape => [shape[shape.length - 1], ...shape.slice(0, -1)];

/** Which value there is value j here. */
export function orderOf({ shape, order }: Signal): Int32Array {
  if (order) return order;
  const [channels] = shape;
  const places = elements(shape) / channels;
  return Int32Array.from({ length: places * channels }, (_, j) => (j % channels) * places + Math.floor(j / channels));
}

/** Values of NIR in the order of ours. */
export const toOurs = <T extends Float32Array | Float64Array>(values: T, order: Int32Array): T => values.map((_, j) => values[order[j]]) as T;

/** Values of ours in the order of NIR. */
export function toNir(values: Float64Array, order: Int32Array): Float64Array {
  const result = new Float64Array(values.length);
  order.forEach((there, j) => (result[there] = values[j]));
  return result;
}

export const flattened = (signal: Signal): Signal => ({ shape: [elements(signal.shape)], order: orderOf(signal) });

export const sameSignal = (a: Signal, b: Signal): boolean => a.shape.join() === b.shape.join() && (a.shape.length > 1 || orderOf(a).every((place, j) => place === orderOf(b)[j]));

/** A matrix of NIR, [outputs, inputs], as ours: [inputs, outputs], the rows in our order of inputs, and the columns in that of outputs. */
export function toMatrix(weight: Float32Array, inputs: Int32Array, outputs: Int32Array): Float32Array {
  const result = new Float32Array(weight.length);
  inputs.forEach((from, j) => outputs.forEach((to, k) => (result[j * outputs.length + k] = weight[to * inputs.length + from])));
  return result;
}

/** The reverse of `toMatrix`. */
export function fromMatrix(weight: Float32Array, inputs: Int32Array, outputs: Int32Array): Float32Array {
  const result = new Float32Array(weight.length);
  inputs.forEach((from, j) => outputs.forEach((to, k) => (result[to * inputs.length + from] = weight[j * outputs.length + k])));
  return result;
}

/** [O, C, ...window] → [...window, C, O]. */
export function toKernel(weight: Float32Array, [outputs, inputs, ...window]: Shape): Float32Array {
  const places = elements(window);
  const result = new Float32Array(weight.length);
  for (let o = 0; o < outputs; o++) for (let c = 0; c < inputs; c++) for (let p = 0; p < places; p++) result[(p * inputs + c) * outputs + o] = weight[(o * inputs + c) * places + p];
  return result;
}

/** [...window, C, O] → [O, C, ...window]. */
export function fromKernel(weight: Float32Array, shape: Shape): Float32Array {
  const [inputs, outputs] = shape.slice(-2);
  const places = weight.length / (inputs * outputs);
  const result = new Float32Array(weight.length);
  for (let o = 0; o < outputs; o++) for (let c = 0; c < inputs; c++) for (let p = 0; p < places; p++) result[(o * inputs + c) * places + p] = weight[(p * inputs + c) * outputs + o];
  return result;
}
