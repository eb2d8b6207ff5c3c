import { requireNeed, requireShape } from "../../dense/shapes.ts";
import { convolutionGeometry, type Geometry, isWhole } from "../../dense/windows.ts";
import type { DenseMath, Tensor, Window2d } from "../../device.ts";
import type { CpuContext } from "../context.ts";
import { roundUp } from "../memory.ts";
import { channelSums } from "./channels.ts";
import { groupedConvolution, groupedInputGradient, groupedWeightGradient } from "./groupedConvolution.ts";
import { PANEL, STRIPE, packPanels } from "./panels.ts";
import { nonzeroShare } from "./sparsity.ts";

/** Up to this share of nonzeros a convolution over them is faster than the dense one. */
const SPARSE_BELOW = 0.6;
/** What the dense kernels gather at a time, see assembly/convolution.ts. */
const BLOCK_ROWS = 48;
const BLOCK_POSITIONS = 64;
const BLOCK_DEPTH = 768;
/** Blocks of the gradient of the weights that are summed apart, as far as their memory allows. */
const PARTIALS = 32;
const PARTIAL_BYTES = 1 << 26;
/** What the sparse kernels may keep in scratch: lists of nonzeros, and rows of dy. */
const LIST_BYTES = 1 << 18;
const AROUND_BYTES = 1 << 16;
/** What a kernel needs beside what is counted below. */
const SLACK_BYTES = 4096;

/** Convolutions of channels-last images. Those of spikes go over their nonzeros where these are few; those in groups, and of spaced pixels, have kernels of their own. */
export function convolutionMath(device: CpuContext): Pick<DenseMath, "conv2d" | "conv2dBackward"> {
  return {
    conv2d: (x, w, bias, window) => device.timed("dense", () => conv2d(device, x, w, bias, window)),
    conv2dBackward: (x, w, dy, window, need) =>
      device.timed("dense", () => {
        const geometry = convolutionGeometry("conv2dBackward", x, w, window);
        requireShape("conv2dBackward", "dy", dy, [geometry.images, geometry.outHeight, geometry.outWidth, w.shape[3]]);
        requireNeed("conv2dBackward", need);
        const [input, weight] = isWhole(geometry) ? [inputGradient, weightGradient] : [groupedInputGradient, groupedWeightGradient];
        return {
          dx: need.input ? input(device, w, dy, geometry) : undefined,
          dw: weight(device, x, w, dy, geometry),
          db: need.bias ? channelSums(device, dy, "conv2dBackward") : undefined,
        };
      }),
  };
}

/** The arguments that all kernels of convolutions end with. */
function shapeArguments({ height, width, channels, outHeight, outWidth, window }: Geometry, outChannels: number): number[] {
  return [height, width, channels, outHeight, outWidth, outChannels, ...window.size, ...window.stride, ...window.padding];
}

/** The values under one row of the kernel, padded as in the kernels. */
const segmentLength = (geometry: Geometry): number => roundUp(geometry.window.size[1] * geometry.channels, 4);
const blockDepth = (geometry: Geometry): number => Math.max(BLOCK_DEPTH, segmentLength(geometry));

function conv2d(device: CpuContext, x: Tensor, w: Tensor, bias: Tensor | undefined, window: Window2d): Tensor {
  const geometry = convolutionGeometry("conv2d", x, w, window);
  const { images, height, width, channels, outHeight, outWidth } = geometry;
  const outChannels = w.shape[3];
  if (bias !== undefined) requireShape("conv2d", "bias", bias, [outChannels]);
  if (!isWhole(geometry)) return groupedConvolution(device, x, w, bias, geometry);
  const address = device.ptr(x, "conv2d", "f32");
  const biasAddress = bias ? device.ptr(bias, "conv2d", "f32") : 0;
  const kernel = { address: device.ptr(w, "conv2d", "f32"), taps: window.size, rows: channels, columns: outChannels };
  const y = device.empty([images, outHeight, outWidth, outChannels]);
  if (nonzeroShare(device, x, "conv2d") > SPARSE_BELOW) {
    convolve(device, "conv2d", address, kernel, biasAddress, y, geometry, [1, 1]);
    return y;
  }
  using panels = packKernel(device, kernel, STRIPE, "conv2d");
  const lineBytes = width * channels * 8;
  const lines = Math.max(window.size[0], Math.min(Math.floor(LIST_BYTES / lineBytes), height + 2 * window.padding[0]));
  const bandHeight = Math.min(outHeight, Math.floor((lines - window.size[0]) / window.stride[0]) + 1);
  const bands = Math.ceil(outHeight / bandHeight);
  device.pool.reserveScratch(lines * (lineBytes + (width + 1) * 4) + window.size[0] * 12 + SLACK_BYTES);
  device.pool.run(device.denseModule, "convolveSparse", images * bands, 1, [
    address, device.ptr(panels, "conv2d"), biasAddress, device.ptr(y, "conv2d"), bands, bandHeight, ...shapeArguments(geometry, outChannels),
  ]);
  return y;
}

/** A convolution's weights [kh, kw, rows, columns]. */
interface Kernel {
  address: number;
  taps: readonly [number, number];
  rows: number;
  columns: number;
}

function packKernel(device: CpuContext, { address, taps, rows, columns }: Kernel, width: number, operation: string): Tensor {
  return packPanels(device, { address, segments: taps[0], length: taps[1] * rows, columns, rowStride: columns, columnStride: 1 }, width, operation);
}

/** The dense convolution of the images at `address`, stretched by `dilation`. */
function convolve(
  device: CpuContext, operation: string, address: number, kernel: Kernel, bias: number, y: Tensor, geometry: Geometry, dilation: readonly [number, number],
): void {
  using panels = packKernel(device, kernel, PANEL, operation);
  const positions = geometry.images * geometry.outHeight * geometry.outWidth;
  device.pool.reserveScratch(BLOCK_ROWS * 4 * (roundUp(kernel.columns, PANEL) + 2 * blockDepth(geometry)) + SLACK_BYTES);
  device.pool.run(device.denseModule, "convolve", Math.ceil(positions / BLOCK_ROWS), 4, [
    address, device.ptr(panels, operation), bias, device.ptr(y, operation), positions, ...shapeArguments(geometry, kernel.columns), ...dilation,
  ]);
}

/** dx = the convolution of dy, stretched by the strides, with the mirrored kernel. */
function inputGradient(device: CpuContext, w: Tensor, dy: Tensor, geometry: Geometry): Tensor {
  const operation = "conv2dBackward";
  const { images, height, width, channels, outHeight, outWidth, window } = geometry;
  const outChannels = w.shape[3];
  const [kernelHeight, kernelWidth] = window.size;
  using mirrored = device.empty([kernelHeight, kernelWidth, outChannels, channels]);
  const taps = kernelHeight * kernelWidth;
  device.pool.run(device.denseModule, "mirrorKernel", taps, 1, [
    device.ptr(w, operation, "f32"), device.ptr(mirrored, operation), taps, channels, outChannels,
  ]);
  const dx = device.empty([images, height, width, channels]);
  const backward: Geometry = {
    images, height: outHeight, width: outWidth, channels: outChannels, outHeight: height, outWidth: width,
    window: { size: window.size, stride: [1, 1], padding: [kernelHeight - 1 - window.padding[0], kernelWidth - 1 - window.padding[1]] },
  };
  const kernel = { address: device.ptr(mirrored, operation), taps: window.size, rows: outChannels, columns: channels };
  convolve(device, operation, device.ptr(dy, operation, "f32"), kernel, 0, dx, backward, window.stride);
  return dx;
}

/** How the gradient of the weights is summed in parts: one for each block of images (of their pixels, where it is dense). */
export function weightPartials(geometry: Geometry, outChannels: number, sparse: boolean) {
  const { images, outHeight, outWidth, window } = geometry;
  const panelWidth = sparse ? STRIPE : PANEL;
  const partialSize = window.size[0] * segmentLength(geometry) * roundUp(outChannels, panelWidth);
  const limit = Math.max(1, Math.min(PARTIALS, Math.floor(PARTIAL_BYTES / (partialSize * 4))));
  const units = sparse ? images : images * outHeight * outWidth;
  const blockUnits = Math.max(sparse ? 1 : BLOCK_POSITIONS, Math.ceil(units / limit));
  return { panelWidth, partialSize, units, blockUnits, blocks: Math.ceil(units / blockUnits) };
}

/** dw = the product of the pixels under the kernel with dy, over all positions: summed in blocks, and then over these in order. */
function weightGradient(device: CpuContext, x: Tensor, w: Tensor, dy: Tensor, geometry: Geometry): Tensor {
  const operation = "conv2dBackward";
  const { height, width, channels, window } = geometry;
  const [kernelHeight, kernelWidth] = window.size;
  const outChannels = w.shape[3];
  const sparse = nonzeroShare(device, x, operation) <= SPARSE_BELOW;
  const addresses = [device.ptr(x, operation, "f32"), device.ptr(dy, operation, "f32")];
  const { panelWidth, partialSize, units, blockUnits, blocks } = weightPartials(geometry, outChannels, sparse);
  using partials = device.empty([blocks, partialSize]);
  const dw = device.empty(w.shape);
  if (sparse) {
    const around = width + kernelWidth - 1;
    const fits = Math.min(Math.floor(LIST_BYTES / (width * channels * 8)), Math.floor(AROUND_BYTES / (around * STRIPE * 4)) - kernelHeight + 1);
    const bandHeight = Math.max(1, Math.min(height, fits));
    device.pool.reserveScratch(bandHeight * width * channels * 8 + (bandHeight + kernelHeight) * around * STRIPE * 4 + channels * 20 + SLACK_BYTES);
    device.pool.run(device.denseModule, "convolveWeightsSparse", blocks, 1, [
      ...addresses, device.ptr(partials, operation), units, blockUnits, bandHeight, ...shapeArguments(geometry, outChannels),
    ]);
  } else {
    device.pool.reserveScratch(BLOCK_POSITIONS * 4 * (roundUp(outChannels, PANEL) + blockDepth(geometry) + BLOCK_ROWS) + SLACK_BYTES);
    device.pool.run(device.denseModule, "convolveWeights", blocks, 1, [
      ...addresses, device.ptr(partials, operation), units, blockUnits, ...shapeArguments(geometry, outChannels),
    ]);
  }
  device.pool.run(device.denseModule, "mergeWeights", kernelHeight * kernelWidth * channels, 16, [
    device.ptr(partials, operation), blocks, device.ptr(dw, operation), kernelHeight, kernelWidth * channels, outChannels, panelWidth,
  ]);
  return dw;
}
