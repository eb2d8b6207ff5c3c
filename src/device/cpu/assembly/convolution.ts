import { clearValues } from "./copying";
import { BLOCK_ROWS, PANEL, multiplyPanels, startTiles, tileBytes, writeTiles } from "./gemm";
import { copyPixels, rowOf, segmentLength } from "./images";
import { roundUp } from "./arithmetic";
import { packPanels, packRows } from "./packing";

/** Depth of the left factor that is gathered at a time, as long as it holds a row of the kernel. */
const BLOCK_DEPTH: i32 = 768;
/** Positions whose pixels are gathered at a time for the gradient of the weights. */
const BLOCK_POSITIONS: i32 = 64;

/**
 * y [positions, outChannels] = x ∗ w + bias as a product: for 48 positions at a time the pixels under the kernel are gathered in
 * scratch. `panels` are of w as [kernelHeight segments of kernelWidth · channels, outChannels]; `bias` may be 0.
 * x counts as stretched by `dilation`, with zeros between its pixels: with the mirrored kernel, that is the gradient of a strided convolution.
 * Items are blocks of 48 positions.
 */
export function convolve(
  scratch: usize, begin: i32, end: i32, x: usize, panels: usize, bias: usize, y: usize, positions: i32,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, outChannels: i32, kernelHeight: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32, dilationHeight: i32, dilationWidth: i32,
): void {
  const segment = segmentLength(kernelWidth, channels);
  const blockHeight = max(1, BLOCK_DEPTH / segment);
  const panelBytes = <usize>(kernelHeight * segment * PANEL) << 2;
  const tile = scratch;
  const gathered = tile + tileBytes(BLOCK_ROWS, outChannels);
  const packed = gathered + (<usize>(BLOCK_ROWS * blockHeight * segment) << 2);
  for (let item = begin; item < end; item++) {
    const first = item * BLOCK_ROWS;
    const rows = min(BLOCK_ROWS, positions - first);
    startTiles(tile, rows, bias, outChannels);
    for (let ky = 0; ky < kernelHeight; ky += blockHeight) {
      const kernelRows = min(blockHeight, kernelHeight - ky);
      const depth = kernelRows * segment;
      const padded = <usize>roundUp(rows, 2) << 4;
      const direct = (channels & 3) == 0;
      gather(
        x, direct ? packed : gathered, direct ? 16 : <usize>depth << 2, direct ? padded : 16, first, rows, ky, kernelRows, segment,
        height, width, channels, outHeight, outWidth, kernelWidth,
        strideHeight, strideWidth, paddingHeight, paddingWidth, dilationHeight, dilationWidth,
      );
      if (!direct) packRows(gathered, rows, depth, depth, 1, packed);
      multiplyPanels(packed, rows, depth >> 2, panels + (<usize>(ky * segment * PANEL) << 2), panelBytes, tile, padded << 1, outChannels);
    }
    writeTiles(tile, rows, outChannels, y + (<usize>(first * outChannels) << 2), outChannels);
  }
}

/**
 * For `rows` positions from `first` on, copies the pixels under the kernel's rows [ky, ky + kernelRows): [rows, kernelRows · segment],
 * with `rowStride` bytes between rows and `quadStride` between each four values of a row.
 */
function gather(
  x: usize, to: usize, rowStride: usize, quadStride: usize, first: i32, rows: i32, ky: i32, kernelRows: i32, segment: i32,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32, dilationHeight: i32, dilationWidth: i32,
): void {
  const rowBytes = <usize>(width * channels) << 2;
  const used = kernelWidth * channels;
  const segmentStride = <usize>(segment >> 2) * quadStride;
  let ox = first % outWidth;
  let oy = first / outWidth % outHeight;
  let image = x + <usize>(first / outWidth / outHeight * height) * rowBytes;
  for (let row = 0; row < rows; row++) {
    let out = to;
    for (let k = ky; k < ky + kernelRows; k++) {
      const source = rowOf(image, oy * strideHeight - paddingHeight + k, height, rowBytes, dilationHeight);
      copyPixels(source, width, channels, ox * strideWidth - paddingWidth, kernelWidth, dilationWidth, out, quadStride);
      if (used < segment) clearValues(out + (<usize>used << 2), <usize>(segment - used) << 2);
      out += segmentStride;
    }
    to += rowStride;
    if (++ox == outWidth) {
      ox = 0;
      if (++oy == outHeight) {
        oy = 0;
        image += <usize>height * rowBytes;
      }
    }
  }
}

/**
 * The gradient of the weights as a product: partials [blocks, panels, kernelHeight · segment, 8] = Σ xᵀ · dy over blocks of
 * `blockPositions` positions. Items are blocks.
 */
export function convolveWeights(
  scratch: usize, begin: i32, end: i32, x: usize, dy: usize, partials: usize, positions: i32, blockPositions: i32,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, outChannels: i32, kernelHeight: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const segment = segmentLength(kernelWidth, channels);
  const blockHeight = max(1, BLOCK_DEPTH / segment);
  const panels = (outChannels + PANEL - 1) / PANEL;
  const tileStride = <usize>(kernelHeight * segment) << 5;
  const partialBytes = <usize>panels * tileStride;
  const factor = scratch;
  const gathered = factor + (<usize>(panels * PANEL * BLOCK_POSITIONS) << 2);
  const packed = gathered + (<usize>(BLOCK_POSITIONS * blockHeight * segment) << 2);
  for (let item = begin; item < end; item++) {
    const partial = partials + <usize>item * partialBytes;
    memory.fill(partial, 0, partialBytes);
    const last = min(positions, (item + 1) * blockPositions);
    for (let first = item * blockPositions; first < last; first += BLOCK_POSITIONS) {
      const count = min(BLOCK_POSITIONS, last - first);
      packPanels(0, 0, panels, dy + (<usize>(first * outChannels) << 2), factor, 1, count, outChannels, outChannels, 1, PANEL);
      for (let ky = 0; ky < kernelHeight; ky += blockHeight) {
        const kernelRows = min(blockHeight, kernelHeight - ky);
        const depth = kernelRows * segment;
        gather(
          x, gathered, <usize>depth << 2, 16, first, count, ky, kernelRows, segment, height, width, channels, outHeight, outWidth, kernelWidth,
          strideHeight, strideWidth, paddingHeight, paddingWidth, 1, 1,
        );
        for (let row = 0; row < depth; row += BLOCK_ROWS) {
          const rows = min(BLOCK_ROWS, depth - row);
          packRows(gathered + (<usize>row << 2), rows, count, 1, depth, packed);
          const tile = partial + (<usize>(ky * segment + row) << 5);
          multiplyPanels(packed, rows, (count + 3) >> 2, factor, <usize>roundUp(count, 4) << 5, tile, tileStride, outChannels);
        }
      }
    }
  }
}

/**
 * dw [kernelHeight · length, columns] = Σ over `count` partials [panels of `panelWidth` columns, kernelHeight segments, panelWidth].
 * Items are rows of dw.
 */
export function mergeWeights(
  scratch: usize, begin: i32, end: i32, partials: usize, count: i32, dw: usize, kernelHeight: i32, length: i32, columns: i32, panelWidth: i32,
): void {
  const segment = roundUp(length, 4);
  const panelBytes = <usize>(kernelHeight * segment * panelWidth) << 2;
  const partialBytes = <usize>((columns + panelWidth - 1) / panelWidth) * panelBytes;
  for (let row = begin; row < end; row++) {
    const from = partials + (<usize>((row / length * segment + row % length) * panelWidth) << 2);
    const out = dw + (<usize>(row * columns) << 2);
    for (let column = 0; column < columns; column++) {
      let at = from + <usize>(column / panelWidth) * panelBytes + (<usize>(column % panelWidth) << 2);
      let sum: f32 = 0;
      for (let i = 0; i < count; i++) {
        sum += load<f32>(at);
        at += partialBytes;
      }
      store<f32>(out + (<usize>column << 2), sum);
    }
  }
}

/** target [taps, columns, rows] = the mirrored kernel, each tap transposed, of source [taps, rows, columns]. Items are taps. */
export function mirrorKernel(scratch: usize, begin: i32, end: i32, source: usize, target: usize, taps: i32, rows: i32, columns: i32): void {
  for (let tap = begin; tap < end; tap++) {
    const from = source + (<usize>((taps - 1 - tap) * rows * columns) << 2);
    let to = target + (<usize>(tap * rows * columns) << 2);
    for (let column = 0; column < columns; column++) {
      for (let row = 0; row < rows; row++) {
        store<f32>(to, load<f32>(from + (<usize>(row * columns + column) << 2)));
        to += 4;
      }
    }
  }
}
