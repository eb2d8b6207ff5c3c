import type { Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";
import { roundUp } from "../memory.ts";

/** Columns of a panel of a dense product. */
export const PANEL = 8;
/** Columns of a panel of a product over nonzeros. */
export const STRIPE = 32;

/** A right factor [segments · length, columns]: the element at row d, column n is at d · rowStride + n · columnStride. */
export interface Factor {
  address: number;
  segments: number;
  length: number;
  columns: number;
  rowStride: number;
  columnStride: number;
}

/** `factor` rearranged in panels of `width` columns, each segment padded to a multiple of 4 rows. The caller disposes of it. */
export function packPanels(device: CpuContext, factor: Factor, width: number, operation: string): Tensor {
  const { address, segments, length, columns, rowStride, columnStride } = factor;
  const panels = Math.ceil(columns / width);
  const packed = device.empty([panels, segments * roundUp(length, 4), width]);
  device.pool.run(device.denseModule, "packPanels", panels, 1, [
    address, device.ptr(packed, operation), segments, length, columns, rowStride, columnStride, width,
  ]);
  return packed;
}
