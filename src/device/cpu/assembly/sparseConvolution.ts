import { clearValues, copyValues } from "./copying";
import {
  COMPRESS_SLACK, ENTRY_BYTES, SEGMENT_BYTES, STRIPE, STRIPE_BYTES, accumulate, compress, startStripe, storeSegment,
} from "./entries";
import { rowOf, segmentLength } from "./images";
import { appendToLists, startLists } from "./sparse";

/**
 * y = x ∗ w + bias over the nonzeros of x. The nonzeros of a row of pixels are listed in order, with their place in the row as
 * offset: those under one row of the kernel are then one run of the list, at a fixed distance from the kernel's weights.
 * `panels` are of w as [kernelHeight segments of kernelWidth · channels, outChannels], 32 columns wide; `bias` may be 0.
 * Items are bands of `bandHeight` rows of y, `bands` of them in each image.
 */
export function convolveSparse(
  scratch: usize, begin: i32, end: i32, x: usize, panels: usize, bias: usize, y: usize, bands: i32, bandHeight: i32,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, outChannels: i32, kernelHeight: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const lines = (bandHeight - 1) * strideHeight + kernelHeight;
  const lineBytes = <usize>(width + 1) << 2;
  const segmentBytes = <usize>(segmentLength(kernelWidth, channels) * STRIPE_BYTES);
  const panelBytes = <usize>kernelHeight * segmentBytes;
  const start = scratch;
  const stripe = start + STRIPE_BYTES;
  const segments = stripe + STRIPE_BYTES;
  const lastSegment = segments + <usize>(kernelHeight * SEGMENT_BYTES);
  const starts = lastSegment;
  const lists = (starts + <usize>lines * lineBytes + 15) & ~15;
  for (let item = begin; item < end; item++) {
    const image = item / bands;
    const firstRow = item % bands * bandHeight;
    const rows = min(bandHeight, outHeight - firstRow);
    listLines(
      x + (<usize>(image * height * width * channels) << 2), firstRow * strideHeight - paddingHeight, (rows - 1) * strideHeight + kernelHeight,
      height, width, channels, starts, lists,
    );
    for (let column = 0; column < outChannels; column += STRIPE) {
      const panel = panels + <usize>(column / STRIPE) * panelBytes;
      const valid = min(STRIPE, outChannels - column);
      startStripe(start, bias, column, outChannels);
      let out = y + (<usize>((image * outHeight + firstRow) * outWidth * outChannels + column) << 2);
      for (let row = 0; row < rows; row++) {
        for (let ox = 0; ox < outWidth; ox++) {
          const left = ox * strideWidth - paddingWidth;
          const first = min(max(left, 0), width);
          const last = max(min(left + kernelWidth, width), first);
          let line = starts + <usize>(row * strideHeight) * lineBytes;
          let base = panel - <usize>(left * channels * STRIPE_BYTES);
          for (let segment = segments; segment < lastSegment; segment += SEGMENT_BYTES) {
            storeSegment(segment, load<usize>(line + (<usize>first << 2)), load<usize>(line + (<usize>last << 2)), base);
            line += lineBytes;
            base += segmentBytes;
          }
          if (valid == STRIPE) {
            accumulate(segments, lastSegment, start, out);
          } else {
            accumulate(segments, lastSegment, start, stripe);
            copyValues(stripe, out, <usize>valid << 2);
          }
          out += <usize>outChannels << 2;
        }
      }
    }
  }
}

/** Lists the nonzeros of `lines` rows of an image from row `first` on; starts [lines, width + 1] are where each pixel's begin. */
function listLines(image: usize, first: i32, lines: i32, height: i32, width: i32, channels: i32, starts: usize, lists: usize): void {
  const pixel = <usize>channels << 2;
  for (let line = first; line < first + lines; line++) {
    const present = line >= 0 && line < height;
    let at = image + <usize>(line * width) * pixel;
    for (let i = 0; i < width; i++) {
      store<usize>(starts, lists);
      starts += 4;
      if (present) lists = compress(at, channels, i * channels * STRIPE_BYTES, STRIPE_BYTES, lists);
      at += pixel;
    }
    store<usize>(starts, lists);
    starts += 4;
  }
}

/**
 * The gradient of the weights over the nonzeros of x: partials [blocks, panels, kernelHeight · segment, 32] = Σ xᵀ · dy over blocks
 * of `blockImages` images. For a band of `bandHeight` rows of x, each channel's nonzeros are listed, and dy is laid out with
 * the zeros around it (and between its pixels, for strides) that bring each tap of the kernel to a fixed distance.
 * Items are blocks.
 */
export function convolveWeightsSparse(
  scratch: usize, begin: i32, end: i32, x: usize, dy: usize, partials: usize, images: i32, blockImages: i32, bandHeight: i32,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, outChannels: i32, kernelHeight: i32, kernelWidth: i32,
  strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32,
): void {
  const segment = segmentLength(kernelWidth, channels);
  const panelBytes = <usize>(kernelHeight * segment * STRIPE_BYTES);
  const partialBytes = <usize>((outChannels + STRIPE - 1) / STRIPE) * panelBytes;
  const aroundWidth = width + kernelWidth - 1;
  const segments = scratch;
  const line = segments + <usize>(channels * SEGMENT_BYTES);
  const around = (line + <usize>(channels * ENTRY_BYTES + COMPRESS_SLACK) + 15) & ~15;
  const lists = around + <usize>((bandHeight + kernelHeight - 1) * aroundWidth * STRIPE_BYTES);
  for (let item = begin; item < end; item++) {
    const partial = partials + <usize>item * partialBytes;
    memory.fill(partial, 0, partialBytes);
    const lastImage = min(images, (item + 1) * blockImages);
    for (let image = item * blockImages; image < lastImage; image++) {
      for (let top = 0; top < height; top += bandHeight) {
        const rows = min(bandHeight, height - top);
        startLists(segments, channels, lists, bandHeight * width);
        let at = x + (<usize>((image * height + top) * width * channels) << 2);
        for (let row = 0; row < rows; row++) {
          for (let i = 0; i < width; i++) {
            appendToLists(at, channels, (row * aroundWidth + i) * STRIPE_BYTES, segments, line);
            at += <usize>channels << 2;
          }
        }
        let panel = partial;
        for (let column = 0; column < outChannels; column += STRIPE) {
          layOut(
            dy + (<usize>(image * outHeight * outWidth * outChannels + column) << 2), around, rows + kernelHeight - 1, aroundWidth,
            top + paddingHeight - (kernelHeight - 1), paddingWidth - (kernelWidth - 1), outHeight, outWidth, outChannels,
            min(STRIPE, outChannels - column), strideHeight, strideWidth,
          );
          for (let ky = 0; ky < kernelHeight; ky++) {
            for (let kx = 0; kx < kernelWidth; kx++) {
              const base = around + <usize>(((kernelHeight - 1 - ky) * aroundWidth + kernelWidth - 1 - kx) * STRIPE_BYTES);
              let out = panel + <usize>((ky * segment + kx * channels) * STRIPE_BYTES);
              let list = segments;
              for (let channel = 0; channel < channels; channel++) {
                store<usize>(list, base, 8);
                accumulate(list, list + SEGMENT_BYTES, out, out);
                list += SEGMENT_BYTES;
                out += STRIPE_BYTES;
              }
            }
          }
          panel += panelBytes;
        }
      }
    }
  }
}

/** Lays out a stripe of an image of dy, stretched by the strides, from (top, left) on, with zeros where it has no pixels. */
function layOut(
  dy: usize, to: usize, rows: i32, columns: i32, top: i32, left: i32, height: i32, width: i32, channels: i32, valid: i32,
  strideHeight: i32, strideWidth: i32,
): void {
  const pixel = <usize>channels << 2;
  for (let row = top; row < top + rows; row++) {
    const source = rowOf(dy, row, height, <usize>width * pixel, strideHeight);
    for (let i = left; i < left + columns; i++) {
      const column = i / strideWidth;
      if (source != 0 && i >= 0 && column < width && column * strideWidth == i) {
        copyValues(source + <usize>column * pixel, to, <usize>valid << 2);
        clearValues(to + (<usize>valid << 2), <usize>(STRIPE - valid) << 2);
      } else {
        clearValues(to, STRIPE_BYTES);
      }
      to += STRIPE_BYTES;
    }
  }
}
