/** Another order of a tensor's axes. */
export interface Axes {
  /** Lengths of its axes as they lie here. */
  shape: readonly number[];
  /** Which of them is the i-th there. */
  order: readonly number[];
}

/** The lengths there. */
export const lengthsThere = ({ shape, order }: Axes): number[] => order.map((axis) => shape[axis]);

/** From our order to the other. */
export function permuted(data: Float32Array, { shape, order }: Axes): Float32Array<ArrayBuffer> {
  const strides = shape.map((_, axis) => shape.slice(axis + 1).reduce((product, length) => product * length, 1));
  const [lengths, steps] = [order.map((axis) => shape[axis]), order.map((axis) => strides[axis])];
  const result = new Float32Array(data.length);
  const position = order.map(() => 0);
  for (let i = 0, at = 0; i < result.length; i++) {
    result[i] = data[at];
    for (let axis = order.length - 1; axis >= 0; axis--) {
      at += steps[axis];
      if (++position[axis] < lengths[axis]) break;
      at -= steps[axis] * lengths[axis];
      position[axis] = 0;
    }
  }
  return result;
}

/** From the other order to ours. */
export const permutedBack = (data: Float32Array, axes: Axes): Float32Array<ArrayBuffer> =>
  permuted(data, { shape: lengthsThere(axes), order: axes.order.map((_, axis) => axes.order.indexOf(axis)) });
