import type { DenseMath, DType, Tensor } from "../device.ts";
import { affineShape, crossEntropyShape, dotsShape, normBackwardShape, normShape, productShape, requireElements, requireShape, requireTimes, rowsOf, scaledShape, squaredErrorShape, wordsOfBits } from "./shapes.ts";
import { convolutionGeometry, type Geometry, poolingBackwardGeometry, poolingGeometry, shapedLike } from "./windows.ts";

/** Dense math without the math: results of the right shapes and types, made by `empty`. */
export function countingDense(empty: (shape: readonly number[], dtype?: DType) => Tensor): DenseMath {
  const like = (x: Tensor): Tensor => empty(x.shape, x.dtype);
  const windows = ({ images, outHeight, outWidth }: Geometry, channels: number): number[] => [images, outHeight, outWidth, channels];
  const gradients = (x: Tensor, w: Tensor, need: { input: boolean; bias: boolean }) => ({
    dx: need.input ? like(x) : undefined, dw: empty(w.shape), db: need.bias ? empty(w.shape.slice(-1)) : undefined,
  });
  const perChannel = (operation: string, x: Tensor): Tensor => empty([rowsOf(operation, x).channels]);
  const lossOf = (x: Tensor) => ({ loss: empty([1]), gradient: empty(x.shape) });
  return {
    linear(x, w) {
      const [rows, , columns] = productShape("linear", x, w);
      return empty([rows, columns], x.dtype);
    },
    linearBackward(x, w, dy, need) {
      const [rows, , columns] = productShape("linearBackward", x, w);
      requireShape("linearBackward", "dy", dy, [rows, columns]);
      return gradients(x, w, need);
    },
    conv2d: (x, w, _, window) => empty(windows(convolutionGeometry("conv2d", x, w, window), w.shape[3]), x.dtype),
    conv2dBackward(x, w, dy, window, need) {
      requireShape("conv2dBackward", "dy", dy, windows(convolutionGeometry("conv2dBackward", x, w, window), w.shape[3]));
      return gradients(x, w, need);
    },
    maxPool2d: (x, window) => empty(windows(poolingGeometry("maxPool2d", x, window), x.shape[3]), x.dtype),
    maxPool2dBackward(x, dy, window) {
      poolingBackwardGeometry("maxPool2dBackward", x, window, dy);
      return like(x);
    },
    avgPool2d: (x, window) => empty(windows(poolingGeometry("avgPool2d", x, window), x.shape[3]), x.dtype),
    avgPool2dBackward(xShape, dy, window) {
      poolingBackwardGeometry("avgPool2dBackward", shapedLike("avgPool2dBackward", xShape), window, dy);
      return empty(xShape, dy.dtype);
    },
    channelMoments: (x) => ({ mean: perChannel("channelMoments", x), variance: perChannel("channelMoments", x) }),
    channelSums: (x) => perChannel("channelSums", x),
    channelDots(x, y) {
      requireShape("channelDots", "y", y, x.shape);
      return perChannel("channelDots", x);
    },
    channelAffine(x, a, b, y, d) {
      affineShape("channelAffine", x, a, b, y, d);
      return like(x);
    },
    groupNorm(x, groups, eps) {
      normShape("groupNorm", x, groups, eps);
      return { y: like(x), scale: empty([x.shape[0], groups]) };
    },
    groupNormBackward(y, scale, dy) {
      normBackwardShape("groupNormBackward", y, scale, dy);
      return like(dy);
    },
    cast: (x, dtype) => empty(x.shape, dtype),
    packSpikes: (x) => empty([wordsOfBits(x.size)], "u32"),
    unpackSpikes: (_, shape, dtype) => empty(shape, dtype),
    sumFirst(x) {
      requireElements("sumFirst", "x", x);
      return empty(x.shape.slice(1));
    },
    scaleFirst(x, factors) {
      scaledShape("scaleFirst", x, factors);
      return like(x);
    },
    dotsFirst: (x, y) => empty([dotsShape("dotsFirst", x, y).steps]),
    repeatFirst(x, times) {
      requireTimes("repeatFirst", x, times);
      return empty([times, ...x.shape], x.dtype);
    },
    add(x, y) {
      requireShape("add", "y", y, x.shape);
      return like(x);
    },
    addInto: (y, x) => requireShape("addInto", "x", x, y.shape),
    scale: (x) => requireElements("scale", "x", x),
    sumOfSquares: () => empty([1]),
    softmaxCrossEntropy(logits, labels, weights) {
      crossEntropyShape(logits, labels, weights);
      return { ...lossOf(logits), correct: empty([1]) };
    },
    meanSquaredError(x, target, weights) {
      squaredErrorShape(x, target, weights);
      return lossOf(x);
    },
  };
}
