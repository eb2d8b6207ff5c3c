import type { ConvolutionGeometry } from "../../dense/windows.ts";
import type { Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Products that a thread takes at a time. */
const GRAIN = 1 << 16;
/** Blocks of the gradient of the weights that are summed apart, as far as their memory allows. */
const PARTIALS = 32;
const PARTIAL_BYTES = 1 << 26;
const CHANNEL_GRAIN = 64;
/** What a kernel keeps of each tap: where its pixel and its weights are. */
const TAP_BYTES = 8;

/** The kernels of assembly/groupedConvolution.ts. */
export function groupedConvolution(device: CpuContext, x: Tensor, w: Tensor, bias: Tensor | undefined, { images, outHeight, outWidth, window, dilation, groups }: ConvolutionGeometry): Tensor {
  const operation = "conv2d";
  const outChannels = w.shape[3];
  const y = device.empty([images, outHeight, outWidth, outChannels]);
  convolve(device, operation, device.ptr(x, operation, "f32"), device.ptr(w, operation, "f32"), bias ? device.ptr(bias, operation, "f32") : 0, y, x.shape, {
    size: window.size, groups, up: window.stride, offset: window.padding.map((zeros) => -zeros), step: dilation, down: [1, 1],
  });
  return y;
}

/** dx: each pixel meets dy where a window saw it, with the weights that it was seen with. */
export function groupedInputGradient(device: CpuContext, w: Tensor, dy: Tensor, { images, height, width, channels, window, dilation, groups }: ConvolutionGeometry): Tensor {
  const operation = "conv2dBackward";
  const [kernelHeight, kernelWidth, depth, outChannels] = w.shape;
  const dx = device.empty([images, height, width, channels]);
  using turned = device.empty([kernelHeight, kernelWidth, outChannels / groups, channels]);
  device.pool.run(device.denseModule, "transposeGroups", kernelHeight * kernelWidth, 1, [
    device.ptr(w, operation, "f32"), device.ptr(turned, operation), depth, groups, outChannels / groups,
  ]);
  convolve(device, operation, device.ptr(dy, operation, "f32"), device.ptr(turned, operation), 0, dx, dy.shape, {
    size: window.size, groups, up: [1, 1], offset: window.padding, step: dilation.map((distance) => -distance), down: window.stride,
  });
  return dx;
}

/** How taps and positions meet, by height and width, as in assembly/groupedConvolution.ts. */
interface Meeting {
  size: readonly number[];
  groups: number;
  up: readonly number[];
  offset: readonly number[];
  step: readonly number[];
  down: readonly number[];
}

function convolve(device: CpuContext, operation: string, x: number, w: number, bias: number, y: Tensor, [, height, width, channels]: readonly number[], { size, groups, up, offset, step, down }: Meeting): void {
  const [images, outHeight, outWidth, outChannels] = y.shape;
  const taps = size[0] * size[1];
  const productsOfLine = (outWidth * outChannels * taps * channels) / groups;
  device.pool.reserveScratch(taps * TAP_BYTES);
  device.pool.run(device.denseModule, "convolveGroups", images * outHeight, Math.max(1, Math.floor(GRAIN / productsOfLine)), [
    x, w, bias, device.ptr(y, operation), height, width, channels, outHeight, outWidth, outChannels, ...size, groups, ...up, ...offset, ...step, ...down,
  ]);
}

/** Of how many lines a part of the gradient of `size` weights is summed, and how many parts there are. */
export function groupedPartials({ images, outHeight }: ConvolutionGeometry, size: number): { blockLines: number; blocks: number } {
  const lines = images * outHeight;
  const blockLines = Math.ceil(lines / Math.max(1, Math.min(PARTIALS, Math.floor(PARTIAL_BYTES / (4 * size)))));
  return { blockLines, blocks: Math.ceil(lines / blockLines) };
}

/** dw = the product of the pixels that the kernel sees with dy: summed in blocks of lines, and then over these in order. */
export function groupedWeightGradient(device: CpuContext, x: Tensor, w: Tensor, dy: Tensor, geometry: ConvolutionGeometry): Tensor {
  const operation = "conv2dBackward";
  const { images, height, width, channels, outHeight, outWidth, window, dilation, groups } = geometry;
  const { blockLines, blocks } = groupedPartials(geometry, w.size);
  using partials = device.empty([blocks, w.size]);
  const dw = device.empty(w.shape);
  device.pool.run(device.denseModule, "convolveGroupsWeights", blocks, 1, [
    device.ptr(x, operation, "f32"), device.ptr(dy, operation, "f32"), device.ptr(partials, operation), images * outHeight, blockLines,
    height, width, channels, outHeight, outWidth, w.shape[3], ...window.size, groups, ...window.stride, ...window.padding, ...dilation,
  ]);
  device.pool.run(device.denseModule, "mergeSums", w.size, CHANNEL_GRAIN, [device.ptr(partials, operation), blocks, w.size, device.ptr(dw, operation)]);
  return dw;
}
