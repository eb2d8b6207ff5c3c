import type { Tensor } from "../../device.ts";
import type { ConvolutionGeometry } from "../../dense/windows.ts";
import type { WebGpuContext } from "../context.ts";
import { biasGradient } from "./linear.ts";
import { sumRows } from "./reduction.ts";
import { windowWords, WINDOW_PARAMS } from "./windows.ts";
import { elementKernel, type Launcher, type Work } from "./work.ts";

/** Threads that keep a GPU busy: lines are split, and the parts' gradients of the weights added, until there are so many. */
const BUSY = 1 << 15;
const MAX_PARTIAL_BYTES = 1 << 26;

/**
 * A thread's result is one channel at one position. Along an axis, the result at i meets at tap k what lies at (i · up + offset + k · step) / down, where that is
 * whole and inside: (stride, −padding, dilation, 1) for the convolution, (1, padding, −dilation, stride) for its gradient. The weights of a column are
 * `local` apart within its group and `group` from one group to the next, those of a channel of x `along`: so the gradient reads them where they are.
 */
const convolutionKernel = elementKernel({
  label: "convolution in groups",
  params: "height: i32, width: i32, channels: u32, outHeight: u32, outWidth: u32, columns: u32, windowHeight: i32, windowWidth: i32, groups: u32, " +
    "upY: i32, upX: i32, offsetY: i32, offsetX: i32, stepY: i32, stepX: i32, downY: i32, downX: i32, tap: u32, group: u32, local: u32, along: u32, biased: u32",
  inputs: ["x", "w", "bias"],
  outputs: ["y"],
  functions: `fn sourceOf(at: i32, down: i32, length: i32) -> i32 {
  let source = at / down;
  return select(-1, source, at >= 0 && source < length && source * down == at);
}`,
  body: `  let column = i % p.columns;
  let position = i / p.columns;
  let across = i32(position % p.outWidth) * p.upX + p.offsetX;
  let down = i32(position / p.outWidth % p.outHeight) * p.upY + p.offsetY;
  let image = i32(position / p.outWidth / p.outHeight) * p.height;
  let depth = p.channels / p.groups;
  let columns = p.columns / p.groups;
  let group = column / columns;
  let own = group * p.group + column % columns * p.local;
  var sum = 0.0;
  if (p.biased == 1) { sum = bias[column]; }
  for (var ky = 0; ky < p.windowHeight; ky++) {
    let row = sourceOf(down + ky * p.stepY, p.downY, p.height);
    if (row < 0) { continue; }
    for (var kx = 0; kx < p.windowWidth; kx++) {
      let pixel = sourceOf(across + kx * p.stepX, p.downX, p.width);
      if (pixel < 0) { continue; }
      let pixelAt = u32((image + row) * p.width + pixel) * p.channels + group * depth;
      let weights = u32(ky * p.windowWidth + kx) * p.tap + own;
      for (var k = 0u; k < depth; k++) { sum += x[pixelAt + k] * w[weights + k * p.along]; }
    }
  }
  y[i] = sum;`,
});

/** A thread sums one weight's gradient over a part of the lines of dy. */
const weightKernel = elementKernel({
  label: "dw of a convolution in groups",
  params: `columns: u32, depth: u32, groupColumns: u32, weights: u32, lines: u32, partLines: u32, dilationY: i32, dilationX: i32, ${WINDOW_PARAMS}`,
  inputs: ["x", "dy"],
  outputs: ["dw"],
  body: `  let part = i / p.weights;
  let column = i % p.columns;
  let channel = column / p.groupColumns * p.depth + i / p.columns % p.depth;
  let tap = i32(i % p.weights / p.columns / p.depth);
  let down = tap / p.windowWidth * p.dilationY - p.padY;
  let across = tap % p.windowWidth * p.dilationX - p.padX;
  // The positions of a line whose windows have this tap on the image.
  let firstX = max(0, (p.strideX - 1 - across) / p.strideX);
  let endX = min(p.outWidth, (p.width - 1 - across + p.strideX) / p.strideX);
  var sum = 0.0;
  for (var line = part * p.partLines; line < min((part + 1) * p.partLines, p.lines); line++) {
    let y = i32(line) % p.outHeight * p.strideY + down;
    if (y < 0 || y >= p.height) { continue; }
    let row = (i32(line) / p.outHeight * p.height + y) * p.width + across;
    var ofLine = 0.0;
    for (var position = firstX; position < endX; position++) {
      ofLine += x[u32(row + position * p.strideX) * u32(p.channels) + channel] * dy[(line * u32(p.outWidth) + u32(position)) * p.columns + column];
    }
    sum += ofLine;
  }
  dw[i] = sum;`,
});

export function groupedConvolution(launcher: Launcher, x: Tensor, w: Tensor, bias: Tensor | undefined, geometry: ConvolutionGeometry): Tensor {
  const { images, outHeight, outWidth, window, dilation, groups } = geometry;
  const [, , depth, columns] = w.shape;
  return launcher.run("conv2d", (work) => {
    const y = work.output([images, outHeight, outWidth, columns]);
    convolve(work, x, w, bias, y, geometry, [...window.stride, ...window.padding.map((zeros) => -zeros), ...dilation, 1, 1], [depth * columns, columns / groups, 1, columns]);
    return y;
  });
}

export function groupedGradients(launcher: Launcher, x: Tensor, w: Tensor, dy: Tensor, geometry: ConvolutionGeometry, need: { input: boolean; bias: boolean }): { dx?: Tensor; dw: Tensor; db?: Tensor } {
  const { window, dilation, groups } = geometry;
  const [, , depth, columns] = w.shape;
  return launcher.run("conv2dBackward", (work) => {
    const dw = work.output(w.shape);
    weightGradient(work, x, dy, dw, geometry);
    const dx = need.input ? work.output(x.shape) : undefined;
    if (dx) convolve(work, dy, w, undefined, dx, geometry, [1, 1, ...window.padding, ...dilation.map((distance) => -distance), ...window.stride], [depth * columns, columns / groups, columns, 1]);
    return { dx, dw, db: need.bias ? biasGradient(work, dy) : undefined };
  });
}

/** @param meeting up, offset, step and down by height and width @param strides of the weights: tap, group, local, along */
function convolve(work: Work, x: Tensor, w: Tensor, bias: Tensor | undefined, y: Tensor, { window, groups }: ConvolutionGeometry, meeting: readonly number[], strides: readonly number[]): void {
  const words = [...x.shape.slice(1), ...y.shape.slice(1), ...window.size, groups, ...meeting, ...strides, bias ? 1 : 0];
  // Where there is no bias, some buffer must still be bound.
  work.perElement(convolutionKernel, y.size, words, [work.bind(x), work.bind(w), work.bind(bias ?? w), work.bind(y)]);
}

/** How many parts the gradient of `size` weights is summed in, and of how many lines. */
export function groupedParts({ limits }: WebGpuContext, { images, outHeight }: ConvolutionGeometry, size: number): { lines: number; partLines: number; parts: number } {
  const lines = images * outHeight;
  const most = Math.max(1, Math.floor(Math.min(MAX_PARTIAL_BYTES, limits.bindingBytes) / (4 * size)));
  const partLines = Math.ceil(lines / Math.min(most, lines, Math.ceil(BUSY / size)));
  return { lines, partLines, parts: Math.ceil(lines / partLines) };
}

function weightGradient(work: Work, x: Tensor, dy: Tensor, dw: Tensor, geometry: ConvolutionGeometry): void {
  const { dilation, groups } = geometry;
  const [, , depth, columns] = dw.shape;
  const { lines, partLines, parts } = groupedParts(work.device, geometry, dw.size);
  const target = work.bind(parts === 1 ? dw : work.scratch([parts, dw.size]));
  const words = [columns, depth, columns / groups, dw.size, lines, partLines, ...dilation, ...windowWords(geometry)];
  work.perElement(weightKernel, parts * dw.size, words, [work.bind(x), work.bind(dy), target]);
  if (parts > 1) sumRows(work, target, undefined, work.bind(dw), parts, dw.size);
}
