import type { Allocation, Tensor } from "../device.ts";
import { type ConvolutionGeometry, convolutionGeometry, isWhole } from "../dense/windows.ts";
import { ELEMENT_BYTES } from "../tensor.ts";
import { workspaceFor } from "./convolutionProblem.ts";
import { WORKSPACE_BYTES as PRODUCT } from "./cublasLt.ts";
import { seesPixels } from "./dense/convolution.ts";
import { groupedParts } from "./dense/groupedConvolution.ts";
import { splitRows } from "./dense/rows.ts";
import { CHUNK } from "./dense/squares.ts";
import { stepPartialBytes } from "./dense/steps.ts";
import { blockBytes } from "./memory.ts";
import { TERMS } from "./reduce.ts";

/** Partial sums over the rows of [rows, columns], for as many elements a thread as may be. */
const partialBytes = (rows: number, columns: number): number =>
  Math.max(...[1, 2, 4, 8].filter((vector) => columns % vector === 0).map((vector) => blockBytes(4 * columns * splitRows(rows, columns / vector).chunks)));

const overRows = ({ shape, size }: Tensor): number => partialBytes(size / shape[shape.length - 1], shape[shape.length - 1]);

/** What a tensor takes as a factor of the type of x, if it is of another. */
const copied = (x: Tensor, { dtype, size }: Tensor): number => (dtype === x.dtype ? 0 : blockBytes(size * ELEMENT_BYTES[x.dtype]));

/** Libraries are taken to use all of the workspace that they may have: an algorithm is chosen when a product of its shape first runs. */
export const cudaAllocation = (bytesTotal: number): Allocation => {
  const linear = (x: Tensor, w: Tensor): number => copied(x, w) + PRODUCT;
  const linearBackward = (x: Tensor, w: Tensor, dy: Tensor): number => copied(x, w) + copied(x, dy) + 2 * PRODUCT + overRows(dy);
  /** Weights in the order that cuDNN takes them in. */
  const turned = (x: Tensor, w: Tensor): number => blockBytes(w.size * ELEMENT_BYTES[x.dtype]);
  const convolution = (x: Tensor, w: Tensor, { images, outHeight, outWidth }: ConvolutionGeometry): number =>
    blockBytes(workspaceFor(x.dtype === "bf16" ? "bf16" : "f32", x.size + w.size + images * outHeight * outWidth * w.shape[3]));
  return {
    bytesTotal,
    blockBytes,
    workspace: {
      linear,
      linearBackward,
      conv2d(x, w, _, window) {
        const geometry = convolutionGeometry("conv2d", x, w, window);
        return seesPixels(geometry) ? linear(x, w) : turned(x, w) + convolution(x, w, geometry);
      },
      conv2dBackward(x, w, dy, window) {
        const geometry = convolutionGeometry("conv2dBackward", x, w, window);
        const parts = isWhole(geometry) ? 0 : blockBytes(4 * groupedParts(geometry, w.size).parts * w.size);
        return seesPixels(geometry) ? linearBackward(x, w, dy) : parts + 2 * turned(x, w) + copied(x, dy) + 2 * convolution(x, w, geometry) + overRows(dy);
      },
      /** Where each maximum was. */
      maxPool2dBackward: (_, dy, { size: [height, width] }) => blockBytes(dy.size * (height * width <= 256 ? 1 : 4)),
      channelMoments: (x) => 2 * overRows(x),
      channelSums: overRows,
      channelDots: overRows,
      sumFirst: ({ shape: [times], size }) => partialBytes(times, size / times),
      dotsFirst: (x) => blockBytes(stepPartialBytes(x)),
      sumOfSquares: (...tensors) => blockBytes(tensors.reduce((bytes, { size }) => bytes + 4 * Math.ceil(size / CHUNK), 0)),
      softmaxCrossEntropy: ({ shape: [rows] }) => 2 * blockBytes(4 * rows),
      /** A value of each neuron for each sum of gradients, and the first two rounds of adding one of them up; the weights of a recurrent product, transposed. */
      fused(plan, direction, { size, channels = size }) {
        const sums = plan[direction]!.buffers.filter(({ reduce }) => reduce).length;
        const turned = plan.mix && direction === "backward" ? blockBytes(4 * channels ** 2) : 0;
        return turned + (sums === 0 ? 0 : sums * blockBytes(4 * size) + blockBytes((8 * size) / TERMS + 4) + blockBytes((8 * size) / TERMS ** 2 + 4));
      },
    },
  };
};
