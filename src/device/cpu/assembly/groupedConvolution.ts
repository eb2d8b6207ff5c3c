import { madd } from "./arithmetic";

/**
 * Convolutions in groups of channels or of spaced pixels, by their definition. Along an axis, the result at i meets at tap k of the kernel
 * what lies at (i · up + offset + k · step) / down, where that is whole and inside: (stride, −padding, dilation, 1) for the convolution,
 * (1, padding, −dilation, stride) for its gradient.
 */
@inline
function sourceOf(i: i32, k: i32, up: i32, offset: i32, step: i32, down: i32, length: i32): i32 {
  const at = i * up + offset + k * step;
  const source = down == 1 ? at : at / down;
  return at >= 0 && source < length && source * down == at ? source : -1;
}

/** Columns of a group from which on it pays to skip zeros: below, the branch that guesses wrong costs more than the products. */
const SKIP_FROM: i32 = 48;

/** The values of as many columns as `lanes` says, 4 or 1. */
@inline
function loadLanes(lanes: i32, at: usize): v128 {
  return lanes == 1 ? v128.load32_zero(at) : v128.load(at);
}

@inline
function storeLanes(lanes: i32, at: usize, value: v128): void {
  if (lanes == 1) v128.store32_lane(at, value, 0);
  else v128.store(at, value);
}

/**
 * y [images, outHeight, outWidth, outChannels] = x ∗ w + bias for w [kernelHeight, kernelWidth, channels / groups, outChannels]; `bias` may be 0.
 * Zeros of x are skipped where groups are wide. Items are lines of y.
 */
export function convolveGroups(
  scratch: usize, begin: i32, end: i32, x: usize, w: usize, bias: usize, y: usize,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, outChannels: i32, kernelHeight: i32, kernelWidth: i32, groups: i32,
  upHeight: i32, upWidth: i32, offsetHeight: i32, offsetWidth: i32, stepHeight: i32, stepWidth: i32, downHeight: i32, downWidth: i32,
): void {
  const depth = channels / groups;
  const groupColumns = outChannels / groups;
  const depthwise = depth == 1 && groupColumns == 1;
  const skips = groupColumns >= SKIP_FROM;
  const imageBytes = <usize>(height * width * channels) << 2;
  const rowBytes = <usize>(width * channels) << 2;
  const tapBytes = <usize>(depth * outChannels) << 2;
  // Each pixel under the kernel, with its weights: found once for all columns.
  const taps = scratch;
  for (let item = begin; item < end; item++) {
    const image = x + <usize>(item / outHeight) * imageBytes;
    const line = item % outHeight;
    let out = y + (<usize>(item * outWidth * outChannels) << 2);
    for (let position = 0; position < outWidth; position++) {
      let last = taps;
      for (let ky = 0; ky < kernelHeight; ky++) {
        const row = sourceOf(line, ky, upHeight, offsetHeight, stepHeight, downHeight, height);
        if (row < 0) continue;
        for (let kx = 0; kx < kernelWidth; kx++) {
          const column = sourceOf(position, kx, upWidth, offsetWidth, stepWidth, downWidth, width);
          if (column < 0) continue;
          store<usize>(last, image + <usize>row * rowBytes + (<usize>(column * channels) << 2));
          store<usize>(last, w + <usize>(ky * kernelWidth + kx) * tapBytes, 4);
          last += 8;
        }
      }
      if (depthwise) {
        let column = 0;
        for (; column + 16 <= outChannels; column += 16) sumColumns(16, true, taps, last, column, column, 1, outChannels, false, bias, out);
        for (; column + 4 <= outChannels; column += 4) sumColumns(4, true, taps, last, column, column, 1, outChannels, false, bias, out);
        for (; column < outChannels; column++) sumColumns(1, true, taps, last, column, column, 1, outChannels, false, bias, out);
      } else {
        for (let group = 0; group < groups; group++) {
          const channel = group * depth;
          let column = group * groupColumns;
          const stop = column + groupColumns;
          for (; column + 16 <= stop; column += 16) sumColumns(16, false, taps, last, channel, column, depth, outChannels, skips, bias, out);
          for (; column + 4 <= stop; column += 4) sumColumns(4, false, taps, last, channel, column, depth, outChannels, skips, bias, out);
          for (; column < stop; column++) sumColumns(1, false, taps, last, channel, column, depth, outChannels, skips, bias, out);
        }
      }
      out += <usize>outChannels << 2;
    }
  }
}

/** The results of `count` columns, 16, 4 or 1, at one position: Σ over its taps and the channels of the columns' group. */
@inline
function sumColumns(count: i32, depthwise: bool, taps: usize, last: usize, channel: i32, column: i32, depth: i32, outChannels: i32, skips: bool, bias: usize, out: usize): void {
  const lanes = min(count, 4);
  const at = <usize>column << 2;
  const stride = <usize>outChannels << 2;
  let s0 = bias == 0 ? f32x4.splat(0) : loadLanes(lanes, bias + at);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  if (count == 16 && bias != 0) {
    s1 = v128.load(bias + at, 16);
    s2 = v128.load(bias + at, 32);
    s3 = v128.load(bias + at, 48);
  }
  for (let tap = taps; tap < last; tap += 8) {
    let from = load<usize>(tap) + (<usize>channel << 2);
    let weight = load<usize>(tap, 4) + at;
    if (depthwise) {
      s0 = madd(loadLanes(lanes, from), loadLanes(lanes, weight), s0);
      if (count == 16) {
        s1 = madd(v128.load(from, 16), v128.load(weight, 16), s1);
        s2 = madd(v128.load(from, 32), v128.load(weight, 32), s2);
        s3 = madd(v128.load(from, 48), v128.load(weight, 48), s3);
      }
    } else {
      for (let c = 0; c < depth; c++) {
        if (!skips || load<f32>(from) != 0) {
          const value = v128.load32_splat(from);
          s0 = madd(value, loadLanes(lanes, weight), s0);
          if (count == 16) {
            s1 = madd(value, v128.load(weight, 16), s1);
            s2 = madd(value, v128.load(weight, 32), s2);
            s3 = madd(value, v128.load(weight, 48), s3);
          }
        }
        from += 4;
        weight += stride;
      }
    }
  }
  storeLanes(lanes, out + at, s0);
  if (count == 16) {
    v128.store(out + at, s1, 16);
    v128.store(out + at, s2, 32);
    v128.store(out + at, s3, 48);
  }
}

/**
 * The gradient of the weights: partials [blocks, kernelHeight, kernelWidth, channels / groups, outChannels] = Σ xᵀ · dy over blocks of `blockLines` lines of dy.
 * Each line is summed in registers and added to the block's sum. Items are blocks.
 */
export function convolveGroupsWeights(
  scratch: usize, begin: i32, end: i32, x: usize, dy: usize, partials: usize, lines: i32, blockLines: i32,
  height: i32, width: i32, channels: i32, outHeight: i32, outWidth: i32, outChannels: i32, kernelHeight: i32, kernelWidth: i32, groups: i32,
  strideHeight: i32, strideWidth: i32, paddingHeight: i32, paddingWidth: i32, dilationHeight: i32, dilationWidth: i32,
): void {
  const depth = channels / groups;
  const groupColumns = outChannels / groups;
  const depthwise = depth == 1 && groupColumns == 1;
  const skips = groupColumns >= SKIP_FROM;
  const tapBytes = <usize>(depth * outChannels) << 2;
  const partialBytes = <usize>(kernelHeight * kernelWidth) * tapBytes;
  const xStep = <usize>(strideWidth * channels) << 2;
  const dyStep = <usize>outChannels << 2;
  for (let item = begin; item < end; item++) {
    const partial = partials + <usize>item * partialBytes;
    memory.fill(partial, 0, partialBytes);
    const lastLine = min(lines, (item + 1) * blockLines);
    for (let line = item * blockLines; line < lastLine; line++) {
      for (let ky = 0; ky < kernelHeight; ky++) {
        const row = line % outHeight * strideHeight - paddingHeight + ky * dilationHeight;
        if (row < 0 || row >= height) continue;
        for (let kx = 0; kx < kernelWidth; kx++) {
          const across = kx * dilationWidth - paddingWidth;
          // The positions of the line at which this tap is on the image.
          const first = across >= 0 ? 0 : (strideWidth - 1 - across) / strideWidth;
          const count = (across >= width ? 0 : min(outWidth, (width - 1 - across) / strideWidth + 1)) - first;
          if (count <= 0) continue;
          const from = x + (<usize>(((line / outHeight * height + row) * width + first * strideWidth + across) * channels) << 2);
          const slope = dy + (<usize>((line * outWidth + first) * outChannels) << 2);
          const stop = slope + <usize>count * dyStep;
          const to = partial + <usize>(ky * kernelWidth + kx) * tapBytes;
          if (depthwise) {
            let column = 0;
            for (; column + 16 <= outChannels; column += 16) addLine(16, true, from, slope, stop, column, column, false, xStep, dyStep, to);
            for (; column + 4 <= outChannels; column += 4) addLine(4, true, from, slope, stop, column, column, false, xStep, dyStep, to);
            for (; column < outChannels; column++) addLine(1, true, from, slope, stop, column, column, false, xStep, dyStep, to);
          } else {
            for (let channel = 0; channel < channels; channel++) {
              const sums = to + <usize>(channel % depth) * dyStep;
              let column = channel / depth * groupColumns;
              const stopColumn = column + groupColumns;
              for (; column + 16 <= stopColumn; column += 16) addLine(16, false, from, slope, stop, channel, column, skips, xStep, dyStep, sums);
              for (; column + 4 <= stopColumn; column += 4) addLine(4, false, from, slope, stop, channel, column, skips, xStep, dyStep, sums);
              for (; column < stopColumn; column++) addLine(1, false, from, slope, stop, channel, column, skips, xStep, dyStep, sums);
            }
          }
        }
      }
    }
  }
}

/** Adds to the sums of `count` columns, 16, 4 or 1, what the positions of a line give: of a channel, or where each is a group of as many channels. */
@inline
function addLine(count: i32, depthwise: bool, x: usize, dy: usize, stop: usize, channel: i32, column: i32, skips: bool, xStep: usize, dyStep: usize, sums: usize): void {
  const lanes = min(count, 4);
  const at = <usize>column << 2;
  let from = x + (<usize>channel << 2);
  let s0 = f32x4.splat(0);
  let s1 = s0;
  let s2 = s0;
  let s3 = s0;
  for (let slope = dy + at; slope < stop + at; slope += dyStep) {
    if (depthwise) {
      s0 = madd(loadLanes(lanes, from), loadLanes(lanes, slope), s0);
      if (count == 16) {
        s1 = madd(v128.load(from, 16), v128.load(slope, 16), s1);
        s2 = madd(v128.load(from, 32), v128.load(slope, 32), s2);
        s3 = madd(v128.load(from, 48), v128.load(slope, 48), s3);
      }
    } else if (!skips || load<f32>(from) != 0) {
      const value = v128.load32_splat(from);
      s0 = madd(value, loadLanes(lanes, slope), s0);
      if (count == 16) {
        s1 = madd(value, v128.load(slope, 16), s1);
        s2 = madd(value, v128.load(slope, 32), s2);
        s3 = madd(value, v128.load(slope, 48), s3);
      }
    }
    from += xStep;
  }
  const to = sums + at;
  storeLanes(lanes, to, f32x4.add(loadLanes(lanes, to), s0));
  if (count == 16) {
    v128.store(to, f32x4.add(v128.load(to, 16), s1), 16);
    v128.store(to, f32x4.add(v128.load(to, 32), s2), 32);
    v128.store(to, f32x4.add(v128.load(to, 48), s3), 48);
  }
}

/** target [taps, columns, groups, rows] of source [taps, rows, groups, columns]: the weights of a convolution in groups as those of its gradient. Items are taps. */
export function transposeGroups(scratch: usize, begin: i32, end: i32, source: usize, target: usize, rows: i32, groups: i32, columns: i32): void {
  const size = rows * groups * columns;
  for (let tap = begin; tap < end; tap++) {
    const from = source + (<usize>(tap * size) << 2);
    let to = target + (<usize>(tap * size) << 2);
    for (let column = 0; column < columns; column++) {
      for (let group = 0; group < groups; group++) {
        for (let row = 0; row < rows; row++) {
          store<f32>(to, load<f32>(from + (<usize>((row * groups + group) * columns + column) << 2)));
          to += 4;
        }
      }
    }
  }
}
