import { clearValues, copyValues } from "./copying";
import { roundUp } from "./arithmetic";

/**
 * A convolution is a product over rows of pixels: at one position and one row of the kernel, the channels of the pixels under
 * that row lie side by side, `kernelWidth · channels` values. As a factor, each such segment is padded to a multiple of 4.
 */
@inline
export function segmentLength(kernelWidth: i32, channels: i32): i32 {
  return roundUp(kernelWidth * channels, 4);
}

/**
 * Copies the pixels [first, first + count) of a row of an image to `to`, with zeros outside of [0, width) and, if the row is
 * stretched by `dilation`, between its pixels. `row` may be 0 for a row outside of the image. Each four values of a pixel are
 * written `quadStride` bytes after the last: 16, or more if the channels are a multiple of 4.
 */
export function copyPixels(row: usize, width: i32, channels: i32, first: i32, count: i32, dilation: i32, to: usize, quadStride: usize): void {
  const pixel = <usize>channels << 2;
  if (row != 0 && dilation == 1 && first >= 0 && first + count <= width) {
    copySpaced(row + <usize>first * pixel, to, <usize>count * pixel, quadStride);
    return;
  }
  const step = quadStride == 16 ? pixel : (pixel >> 4) * quadStride;
  for (let i = first; i < first + count; i++) {
    const source = dilation == 1 ? i : i / dilation;
    if (row != 0 && i >= 0 && source < width && source * dilation == i) copySpaced(row + <usize>source * pixel, to, pixel, quadStride);
    else clearSpaced(to, pixel, quadStride);
    to += step;
  }
}

@inline
function copySpaced(from: usize, to: usize, bytes: usize, quadStride: usize): void {
  const end = from + bytes;
  for (; from + 16 <= end; from += 16) {
    v128.store(to, v128.load(from));
    to += quadStride;
  }
  copyValues(from, to, end - from);
}

@inline
function clearSpaced(to: usize, bytes: usize, quadStride: usize): void {
  for (; bytes >= 16; bytes -= 16) {
    v128.store(to, f32x4.splat(0));
    to += quadStride;
  }
  clearValues(to, bytes);
}

/** The address of row `y` of an image stretched by `dilation`, or 0 where it has none. */
@inline
export function rowOf(image: usize, y: i32, height: i32, rowBytes: usize, dilation: i32): usize {
  const source = y / dilation;
  return y >= 0 && source < height && source * dilation == y ? image + <usize>source * rowBytes : 0;
}
