import type { DenseMath, DType, Tensor, Window2d } from "../../../src/device/device.ts";
import { normal, size, spikes } from "../reference.ts";

/** Of which type a tensor is: x's own, dy's own, or always the one named. */
export type Kind = "x" | "dy" | "f32" | "i32";

/** An operation of dense math with inputs for it; `results` are the types that its results have. */
export interface Operation {
  name: string;
  inputs: readonly { kind: Kind; shape: readonly number[]; values: (length: number) => Float32Array | Int32Array }[];
  results: readonly Kind[];
  /** How often a result is rounded to its type on its way. Default: 1. */
  roundings?: number;
  run(dense: DenseMath, tensors: Tensor[]): (Tensor | undefined)[];
}

const input = (kind: Kind, shape: readonly number[], values: (length: number) => Float32Array | Int32Array = normal): Operation["inputs"][number] => ({ kind, shape, values });
const window = (extent: number, stride: number, padding: number): Window2d => ({ size: [extent, extent], stride: [stride, stride], padding: [padding, padding] });
const both = { input: true, bias: true };

const linear = (rows: number, depth: number, columns: number): Operation[] => [
  {
    name: `linear [${rows}, ${depth}] · [${depth}, ${columns}]`,
    inputs: [input("x", [rows, depth]), input("f32", [depth, columns]), input("f32", [columns])], results: ["x", "x"],
    run: (dense, [x, w, b]) => [dense.linear(x, w), dense.linear(x, w, b)],
  },
  {
    name: `linearBackward [${rows}, ${depth}] · [${depth}, ${columns}]`,
    inputs: [input("x", [rows, depth], spikes(0.3)), input("f32", [depth, columns]), input("dy", [rows, columns])], results: ["x", "f32", "f32"],
    run(dense, [x, w, dy]) {
      const { dx, dw, db } = dense.linearBackward(x, w, dy, both);
      return [dx, dw, db];
    },
  },
];

const convolution = (shape: readonly [number, number, number, number], columns: number, extent: number, stride: number): Operation[] => {
  const place = window(extent, stride, extent >> 1);
  const out = [shape[0], ...[shape[1], shape[2]].map((length) => Math.floor((length + 2 * (extent >> 1) - extent) / stride) + 1), columns];
  const w = [extent, extent, shape[3], columns];
  return [
    {
      name: `conv2d of [${shape}] by [${w}], stride ${stride}`, inputs: [input("x", shape), input("f32", w), input("f32", [columns])], results: ["x", "x"], roundings: 2,
      run: (dense, [x, k, b]) => [dense.conv2d(x, k, undefined, place), dense.conv2d(x, k, b, place)],
    },
    {
      name: `conv2dBackward of [${shape}] by [${w}], stride ${stride}`, inputs: [input("x", shape, spikes(0.3)), input("f32", w), input("dy", out)], results: ["x", "f32", "f32"],
      run(dense, [x, k, dy]) {
        const { dx, dw, db } = dense.conv2dBackward(x, k, dy, place, both);
        return [dx, dw, db];
      },
    },
  ];
};

const pooling = (shape: readonly [number, number, number, number], place: Window2d): Operation[] => {
  const out = [shape[0], ...[shape[1], shape[2]].map((length, axis) => Math.floor((length + 2 * place.padding[axis] - place.size[axis]) / place.stride[axis]) + 1), shape[3]];
  return [
    { name: `pooling [${shape}] with [${place.size}]`, inputs: [input("x", shape)], results: ["x", "x"], run: (dense, [x]) => [dense.maxPool2d(x, place), dense.avgPool2d(x, place)] },
    {
      name: `pooling's gradients of [${shape}] with [${place.size}]`, inputs: [input("x", shape, spikes(0.4)), input("dy", out)], results: ["x", "dy"],
      run: (dense, [x, dy]) => [dense.maxPool2dBackward(x, dy, place), dense.avgPool2dBackward(x.shape, dy, place)],
    },
  ];
};

const channels = (...shape: number[]): Operation[] => {
  const own = [shape[shape.length - 1]];
  return [
    {
      name: `sums of channels of [${shape}]`, inputs: [input("x", shape), input("dy", shape)], results: ["f32", "f32", "f32", "f32", "f32"],
      run(dense, [x, y]) {
        const { mean, variance } = dense.channelMoments(x);
        return [mean, variance, dense.channelSums(x), dense.channelDots(x, y), dense.sumFirst(x, 0.25)];
      },
    },
    {
      name: `affine maps of [${shape}]`, inputs: [input("x", shape), input("dy", shape), input("f32", own), input("f32", own), input("f32", own)], results: ["x", "x"],
      run: (dense, [x, y, a, b, d]) => [dense.channelAffine(x, a, b), dense.channelAffine(x, a, b, y, d)],
    },
    {
      name: `updates of [${shape}]`, inputs: [input("x", shape), input("dy", shape)], results: ["x", "x", "f32", "f32", "x"], roundings: 2,
      run(dense, [x, y]) {
        const [copy, repeated] = [dense.repeatFirst(x, 1, 1), dense.repeatFirst(x, 11, 0.5)];
        using like = y.reshape(copy.shape);
        dense.addInto(copy, like, -0.5);
        dense.scale(copy, 3);
        return [copy, repeated, dense.cast(x, "f32"), dense.sumOfSquares(x, ...Array.from({ length: 45 }, () => y), x), dense.add(x, y)];
      },
    },
  ];
};

const losses = (rows: number, classes: number): Operation[] => [
  {
    name: `cross-entropy of [${rows}, ${classes}]`, results: ["f32", "f32", "f32"],
    inputs: [input("x", [rows, classes]), input("i32", [rows], (length) => Int32Array.from({ length }, (_, i) => (i * 7) % classes))],
    run(dense, [logits, labels]) {
      const { loss, gradient, correct } = dense.softmaxCrossEntropy(logits, labels);
      return [loss, gradient, correct];
    },
  },
  {
    name: `squared error of [${rows}, ${classes}]`, inputs: [input("x", [rows, classes]), input("dy", [rows, classes])], results: ["f32", "f32"],
    run(dense, [x, target]) {
      const { loss, gradient } = dense.meanSquaredError(x, target);
      return [loss, gradient];
    },
  },
  {
    name: `weighted losses of [${rows}, ${classes}]`, results: ["f32", "f32", "f32", "f32", "f32"],
    inputs: [
      input("x", [rows, classes]), input("dy", [rows, classes]), input("i32", [rows], (length) => Int32Array.from({ length }, (_, i) => (i % 3 === 1 ? -1 : (i * 7) % classes))),
      input("f32", [rows], (length) => Float32Array.from({ length }, (_, i) => (i % 3 === 1 ? 0 : 1 / 64))),
    ],
    run(dense, [x, target, labels, weights]) {
      const [a, b] = [dense.softmaxCrossEntropy(x, labels, weights), dense.meanSquaredError(x, target, weights)];
      return [a.loss, a.gradient, a.correct, b.loss, b.gradient];
    },
  },
];

/** Where rounded factors make a difference. */
export const products: readonly Operation[] = [
  ...linear(33, 40, 24), ...linear(5, 7, 3), ...convolution([3, 7, 6, 16], 24, 3, 1), ...convolution([2, 9, 8, 3], 8, 3, 2), ...convolution([2, 5, 4, 8], 16, 1, 1),
];
export const others: readonly Operation[] = [
  ...pooling([2, 6, 8, 16], window(2, 2, 0)), ...pooling([3, 7, 9, 6], window(3, 2, 1)), ...pooling([1, 20, 18, 1], window(17, 1, 0)),
  ...channels(3, 5, 7, 16), ...channels(1200, 6), ...channels(7001, 1), ...channels(40, 600), ...losses(5, 70), ...losses(700, 10),
];
export const operations: readonly Operation[] = [...products, ...others];

/** Values that bf16 holds: rounded toward zero. */
export function bf16Values(values: Float32Array): Float32Array {
  const words = new Uint32Array(values.slice().buffer);
  for (let i = 0; i < words.length; i++) words[i] &= 0xffff0000;
  return new Float32Array(words.buffer);
}

export const toBf16 = (values: Float32Array): Uint16Array => Uint16Array.from(new Uint32Array(values.slice().buffer), (word) => word >>> 16);

export function fromBf16(bits: Uint16Array): Float32Array {
  return new Float32Array(Uint32Array.from(bits, (half) => half << 16).buffer);
}

export type Types = Readonly<Record<"x" | "dy", "f32" | "bf16">>;
export const typeOf = (kind: Kind, types: Types): DType => (kind === "x" || kind === "dy" ? types[kind] : kind);

/** Values for an operation's inputs, all of which bf16 holds. */
export const valuesOf = ({ inputs }: Operation): (Float32Array | Int32Array)[] => inputs.map(({ shape, values }) => {
  const made = values(size(shape));
  return made instanceof Int32Array ? made : bf16Values(made);
});
