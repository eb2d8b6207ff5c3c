import { affineShape, requireElements, requireShape, rowsOf } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Rows of a partial sum, see assembly/channels.ts. */
const BLOCK_ROWS = 128;
/** Values that a thread takes at a time. */
const GRAIN = 1 << 15;
const CHANNEL_GRAIN = 16;

type ChannelMath = Pick<DenseMath, "channelMoments" | "channelSums" | "channelDots" | "channelAffine">;

/** Sums over all axes but the last, and their inverse: scale and shift of each channel. */
export function channelMath(device: CpuContext): ChannelMath {
  return {
    channelMoments: (x) => device.timed("rest", () => channelMoments(device, x)),
    channelSums: (x) => device.timed("rest", () => channelSums(device, x, "channelSums")),
    channelDots(x, y) {
      requireElements("channelDots", "x", x);
      requireShape("channelDots", "y", y, x.shape);
      return device.timed("rest", () => sumOverRows(device, x, y, "channelDots"));
    },
    channelAffine: (x, a, b, y, d) => device.timed("rest", () => channelAffine(device, x, a, b, y, d)),
  };
}

/** Σ over all axes but the last: [..., C] → [C]. */
export function channelSums(device: CpuContext, x: Tensor, operation: string): Tensor {
  return sumOverRows(device, x, undefined, operation);
}

/** Bytes of partial sums of each channel of x. */
export const partialBytes = (x: Tensor): number => 4 * Math.ceil(x.size / x.shape[x.shape.length - 1] / BLOCK_ROWS) * x.shape[x.shape.length - 1];

function requireRows(operation: string, x: Tensor): { channels: number; rows: number; blocks: number } {
  const { channels, rows } = rowsOf(operation, x);
  return { channels, rows, blocks: Math.ceil(rows / BLOCK_ROWS) };
}

const grainOf = (channels: number, rowsOfItem: number): number => Math.max(1, Math.floor(GRAIN / (channels * rowsOfItem)));

function sumOverRows(device: CpuContext, x: Tensor, y: Tensor | undefined, operation: string): Tensor {
  const { channels, rows, blocks } = requireRows(operation, x);
  const { pool, denseModule } = device;
  using partials = device.empty([blocks, channels]);
  const sums = device.empty([channels]);
  pool.run(denseModule, "channelPartials", blocks, grainOf(channels, BLOCK_ROWS), [
    device.ptr(x, operation, "f32"), y ? device.ptr(y, operation, "f32") : 0, rows, channels, device.ptr(partials, operation),
  ]);
  pool.run(denseModule, "mergeSums", channels, CHANNEL_GRAIN, [device.ptr(partials, operation), blocks, channels, device.ptr(sums, operation)]);
  return sums;
}

function channelMoments(device: CpuContext, x: Tensor): { mean: Tensor; variance: Tensor } {
  const { channels, rows, blocks } = requireRows("channelMoments", x);
  const { pool, denseModule } = device;
  const ptr = (tensor: Tensor): number => device.ptr(tensor, "channelMoments", "f32");
  using shifts = device.empty([blocks, channels]);
  using deviations = device.empty([blocks, channels]);
  using squares = device.empty([blocks, channels]);
  const mean = device.empty([channels]);
  const variance = device.empty([channels]);
  pool.run(denseModule, "momentPartials", blocks, grainOf(channels, BLOCK_ROWS), [
    ptr(x), rows, channels, ptr(shifts), ptr(deviations), ptr(squares),
  ]);
  pool.run(denseModule, "mergeMoments", channels, CHANNEL_GRAIN, [
    ptr(shifts), ptr(deviations), ptr(squares), rows, channels, ptr(mean), ptr(variance),
  ]);
  return { mean, variance };
}

function channelAffine(device: CpuContext, x: Tensor, a: Tensor, b: Tensor, y: Tensor | undefined, d: Tensor | undefined): Tensor {
  const { channels, rows } = affineShape("channelAffine", x, a, b, y, d);
  const ptr = (tensor: Tensor | undefined): number => (tensor ? device.ptr(tensor, "channelAffine", "f32") : 0);
  const out = device.empty(x.shape);
  device.pool.run(device.denseModule, "affine", rows, grainOf(channels, 1), [ptr(x), ptr(a), ptr(b), ptr(y), ptr(d), ptr(out), channels]);
  return out;
}
