import type { Tensor } from "../../device.ts";
import type { ConvolutionGeometry } from "../../dense/windows.ts";
import { kernels, pairs } from "./kernel.ts";
import { mergeSums } from "./rows.ts";
import type { Activation, Work } from "./work.ts";

/** Threads that keep a large GPU busy: lines are split, and the parts' gradients of the weights added, until there are so many. */
const BUSY = 1 << 17;
const MAX_PARTIAL_BYTES = 1 << 26;

/**
 * A thread's result is one channel at one position. Along an axis, the result at i meets at tap k what lies at (i · up + offset + k · step) / down, where that is
 * whole and inside: (stride, −padding, dilation, 1) for the convolution, (1, padding, −dilation, stride) for its gradient. The weights of a column are
 * `local` apart within its group and `groupStep` from one group to the next, those of a channel of x `along`: so the gradient reads them where they are.
 */
const convolutionKernel = kernels({
  name: "convolution_in_groups",
  variants: pairs.map(([X, Y]) => ({ X, Y })),
  parameters: "const X* __restrict__ x, const float* __restrict__ w, const float* __restrict__ bias, Y* __restrict__ y, const long long size, " +
    "const int height, const int width, const int channels, const int outHeight, const int outWidth, const int columns, const int windowHeight, const int windowWidth, const int groups, " +
    "const int upY, const int upX, const int offsetY, const int offsetX, const int stepY, const int stepX, const int downY, const int downX, " +
    "const long long tapStep, const int groupStep, const int local, const int along",
  functions: `__device__ inline int sourceOf(int at, int down, int length) {
  const int source = at / down;
  return at >= 0 && source < length && source * down == at ? source : -1;
}
`,
  body: `  const long long i = thread();
  if (i >= size) return;
  const long long position = quotient(i, columns), line = quotient(position, outWidth), image = quotient(line, outHeight);
  const int column = i - position * columns;
  const int across = (int)(position - line * outWidth) * upX + offsetX, down = (int)(line - image * outHeight) * upY + offsetY;
  const int depth = channels / groups, groupColumns = columns / groups, group = column / groupColumns;
  const float* const own = w + (long long)group * groupStep + (long long)(column % groupColumns) * local;
  float sum = bias ? bias[column] : 0.0f;
  for (int ky = 0; ky < windowHeight; ++ky) {
    const int row = sourceOf(down + ky * stepY, downY, height);
    if (row < 0) continue;
    for (int kx = 0; kx < windowWidth; ++kx) {
      const int pixel = sourceOf(across + kx * stepX, downX, width);
      if (pixel < 0) continue;
      const X* const from = x + ((image * height + row) * width + pixel) * channels + group * depth;
      const float* const weights = own + (ky * windowWidth + kx) * tapStep;
      for (int k = 0; k < depth; ++k) sum += to_float(from[k]) * weights[(long long)k * along];
    }
  }
  from_float(y[i], sum);`,
});

/** A thread sums one weight's gradient over a part of the lines of dy. */
const weightKernel = kernels({
  name: "weights_of_convolution_in_groups",
  variants: pairs.map(([X, Y]) => ({ X, Y })),
  parameters: "const X* __restrict__ x, const Y* __restrict__ dy, float* __restrict__ dw, const long long size, const int weights, const long long lines, const long long partLines, " +
    "const int height, const int width, const int channels, const int outHeight, const int outWidth, const int columns, const int depth, const int groupColumns, const int windowWidth, " +
    "const int strideY, const int strideX, const int padY, const int padX, const int dilationY, const int dilationX",
  body: `  const long long i = thread();
  if (i >= size) return;
  const long long part = quotient(i, weights), begin = part * partLines, end = begin + partLines < lines ? begin + partLines : lines;
  const int weight = i - part * weights, column = weight % columns, channel = column / groupColumns * depth + weight / columns % depth, tap = weight / columns / depth;
  const int down = tap / windowWidth * dilationY - padY, across = tap % windowWidth * dilationX - padX;
  // The positions of a line whose windows have this tap on the image.
  const int first = across >= 0 ? 0 : (strideX - 1 - across) / strideX, past = across >= width ? 0 : (width - 1 - across) / strideX + 1, last = past < outWidth ? past : outWidth;
  float sum = 0.0f;
  for (long long line = begin; line < end; ++line) {
    const long long image = quotient(line, outHeight);
    const int row = (int)(line - image * outHeight) * strideY + down;
    if (row < 0 || row >= height) continue;
    const X* const from = x + ((image * height + row) * width + across) * channels + channel;
    const Y* const slope = dy + line * outWidth * columns + column;
    float ofLine = 0.0f;
    for (int position = first; position < last; ++position) ofLine += to_float(from[(long long)position * strideX * channels]) * to_float(slope[(long long)position * columns]);
    sum += ofLine;
  }
  dw[i] = sum;`,
});

export const groupedKernels = [convolutionKernel, weightKernel];

/** Queues a kernel that writes the convolution of x to y [images, outHeight, outWidth, O]; bias may be 0. */
export function groupedConvolution(work: Work, x: Activation, w: Tensor, bias: number, y: Activation, geometry: ConvolutionGeometry): void {
  const { images, height, width, channels, outHeight, outWidth, window, dilation, groups } = geometry;
  const [, , depth, columns] = w.shape;
  convolve(work, x, work.ptr(w), bias, y, images, [height, width, channels], [outHeight, outWidth, columns], [
    ...window.size, groups, ...window.stride, ...window.padding.map((zeros) => -zeros), ...dilation, 1, 1, depth * columns, columns / groups, 1, columns,
  ]);
}

/** Queues a kernel that writes dx of dy. */
export function groupedImageGradient(work: Work, dy: Activation, w: Tensor, dx: Activation, geometry: ConvolutionGeometry): void {
  const { images, height, width, channels, outHeight, outWidth, window, dilation, groups } = geometry;
  const [, , depth, columns] = w.shape;
  convolve(work, dy, work.ptr(w), 0, dx, images, [outHeight, outWidth, columns], [height, width, channels], [
    ...window.size, groups, 1, 1, ...window.padding, ...dilation.map((distance) => -distance), ...window.stride, depth * columns, columns / groups, columns, 1,
  ]);
}

function convolve(work: Work, x: Activation, w: number, bias: number, y: Activation, images: number, from: readonly number[], to: readonly number[], words: readonly number[]): void {
  const size = to.reduce((product, length) => product * length, images);
  work.launch(convolutionKernel({ X: x.type, Y: y.type }), size, [x.at, w, bias, y.at, size, ...from, ...to, ...words]);
}

/** How many parts the gradient of `size` weights is summed in, and of how many lines. */
export function groupedParts({ images, outHeight }: ConvolutionGeometry, size: number): { lines: number; partLines: number; parts: number } {
  const lines = images * outHeight;
  const most = Math.max(1, Math.floor(MAX_PARTIAL_BYTES / (4 * size)));
  const partLines = Math.ceil(lines / Math.min(most, lines, Math.ceil(BUSY / size)));
  return { lines, partLines, parts: Math.ceil(lines / partLines) };
}

/** dw, of a shape that w has. */
export function groupedWeightGradient(work: Work, x: Activation, dy: Activation, shape: readonly number[], geometry: ConvolutionGeometry): Tensor {
  const { height, width, channels, outHeight, outWidth, window, dilation, groups } = geometry;
  const [, , depth, columns] = shape;
  const dw = work.output(shape);
  const { lines, partLines, parts } = groupedParts(geometry, dw.size);
  const target = parts === 1 ? work.ptr(dw) : work.scratch([parts, dw.size]);
  work.launch(weightKernel({ X: x.type, Y: dy.type }), parts * dw.size, [
    x.at, dy.at, target, parts * dw.size, dw.size, lines, partLines,
    height, width, channels, outHeight, outWidth, columns, depth, columns / groups, window.size[1], ...window.stride, ...window.padding, ...dilation,
  ]);
  if (parts > 1) mergeSums(work, target, work.ptr(dw), parts, dw.size, 1);
  return dw;
}
