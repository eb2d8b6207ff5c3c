import type { DenseMath } from "../../device.ts";
import { requireNeed, requireShape } from "../../dense/shapes.ts";
import { convolutionGeometry, type Geometry, isWhole } from "../../dense/windows.ts";
import type { WebGpuContext } from "../context.ts";
import { COLUMNS, ROWS, THREADS, widthFor } from "./block.ts";
import { convolutionKernel, type Fours, weightGradientKernel } from "./convolutionKernels.ts";
import { groupedConvolution, groupedGradients } from "./groupedConvolution.ts";
import { biasGradient, transposed } from "./linear.ts";
import { sumRows } from "./reduction.ts";
import { windowWords } from "./windows.ts";
import type { Kernel, Launcher, Work } from "./work.ts";

/** Threads that keep a GPU busy: positions are split, and the parts' gradients of the weights added, until there are so many. */
const BUSY = 1 << 15;
const MAX_PARTIAL_BYTES = 1 << 26;

/** A kernel for each combination of widths that are multiples of four. */
function variants(make: (fours: Fours) => Kernel): (fours: Fours) => Kernel {
  const made = [0, 1, 2, 3].map((i) => make({ left: i >= 2, right: i % 2 === 1 }));
  return ({ left, right }) => made[(left ? 2 : 0) + (right ? 1 : 0)];
}
const forwardKernel = variants((fours) => convolutionKernel("forward", fours));
const backwardKernel = variants((fours) => convolutionKernel("backward", fours));
const weightKernel = variants(weightGradientKernel);

/** Convolutions of channels-last images, as products with matrices that are never stored: a kernel finds their elements in the images. Those in groups, and of spaced pixels, have kernels of their own. */
export function convolutionMath(launcher: Launcher): Pick<DenseMath, "conv2d" | "conv2dBackward"> {
  return {
    conv2d(x, w, bias, window) {
      const geometry = convolutionGeometry("conv2d", x, w, window);
      const { images, channels, outHeight, outWidth } = geometry;
      const outChannels = w.shape[3];
      if (bias !== undefined) requireShape("conv2d", "bias", bias, [outChannels]);
      if (!isWhole(geometry)) return groupedConvolution(launcher, x, w, bias, geometry);
      return launcher.run("conv2d", (work) => {
        const inputs = { left: work.bind(x), right: work.bind(w), bias: bias && work.bind(bias) };
        const y = work.output([images, outHeight, outWidth, outChannels]);
        convolve(work, forwardKernel, { ...inputs, lines: images * outHeight, lineWidth: outWidth, columns: outChannels, depth: channels, result: work.bind(y), geometry });
        return y;
      });
    },
    conv2dBackward(x, w, dy, window, need) {
      const geometry = convolutionGeometry("conv2dBackward", x, w, window);
      const { images, height, width, channels, outHeight, outWidth } = geometry;
      const outChannels = w.shape[3];
      requireShape("conv2dBackward", "dy", dy, [images, outHeight, outWidth, outChannels]);
      requireNeed("conv2dBackward", need);
      if (!isWhole(geometry)) return groupedGradients(launcher, x, w, dy, geometry, need);
      return launcher.run("conv2dBackward", (work) => {
        const [input, weight, slope] = [x, w, dy].map((tensor) => work.bind(tensor));
        const dw = work.output(w.shape);
        weightGradient(work, input, slope, work.bind(dw), geometry, outChannels);
        const dx = need.input ? work.output(x.shape) : undefined;
        if (dx) {
          const right = transposed(work, weight, window.size[0] * window.size[1], channels, outChannels);
          convolve(work, backwardKernel, { left: slope, right, lines: images * height, lineWidth: width, columns: channels, depth: outChannels, result: work.bind(dx), geometry });
        }
        return { dx, dw, db: need.bias ? biasGradient(work, dy) : undefined };
      });
    },
  };
}

interface Convolution {
  left: GPUBuffer;
  right: GPUBuffer;
  bias?: GPUBuffer;
  result: GPUBuffer;
  /** Lines of the result, and pixels of a line. */
  lines: number;
  lineWidth: number;
  columns: number;
  /** Channels of the left factor. */
  depth: number;
  geometry: Geometry;
}

function convolve(work: Work, kernel: (fours: Fours) => Kernel, { left, right, bias, result, lines, lineWidth, columns, depth, geometry }: Convolution): void {
  const width = widthFor(columns);
  const blocks = lines * Math.ceil(lineWidth / ROWS);
  const [rowTiles, columnTiles] = [Math.ceil(blocks / (THREADS / width)), Math.ceil(columns / (COLUMNS * width))];
  const words = [lines * lineWidth, columns, rowTiles, columnTiles, width, bias ? 1 : 0, depth, lines, lineWidth, ...windowWords(geometry)];
  // Where there is no bias, some buffer must still be bound.
  work.perGroup(kernel({ left: depth % 4 === 0, right: columns % 4 === 0 }), rowTiles * columnTiles, words, [left, right, bias ?? right, result]);
}

/** How many parts the gradient of the weights is summed in, and of how many lines. */
export function weightParts({ limits }: WebGpuContext, { images, channels, outHeight, window }: Geometry, columns: number) {
  const taps = window.size[0] * window.size[1];
  const rows = taps * channels;
  const width = widthFor(columns);
  const [rowTiles, columnTiles] = [Math.ceil((taps * Math.ceil(channels / ROWS)) / (THREADS / width)), Math.ceil(columns / (COLUMNS * width))];
  const lines = images * outHeight;
  const most = Math.max(1, Math.floor(Math.min(MAX_PARTIAL_BYTES, limits.bindingBytes) / (4 * rows * columns)));
  const partLines = Math.ceil(lines / Math.min(most, lines, Math.ceil(BUSY / (rowTiles * columnTiles * THREADS))));
  return { rows, width, rowTiles, columnTiles, lines, partLines, parts: Math.ceil(lines / partLines) };
}

/** dw = the product of what the window sees with dy, over all positions. */
function weightGradient(work: Work, x: GPUBuffer, dy: GPUBuffer, dw: GPUBuffer, geometry: Geometry, columns: number): void {
  const { channels } = geometry;
  const { rows, width, rowTiles, columnTiles, lines, partLines, parts } = weightParts(work.device, geometry, columns);
  const target = parts === 1 ? dw : work.bind(work.scratch([parts, rows, columns]));
  const words = [rows, columns, rowTiles, columnTiles, width, 0, lines, partLines, ...windowWords(geometry)];
  work.perGroup(weightKernel({ left: channels % 4 === 0, right: columns % 4 === 0 }), rowTiles * columnTiles * parts, words, [x, dy, target]);
  if (parts > 1) sumRows(work, target, undefined, dw, parts, rows * columns);
}
