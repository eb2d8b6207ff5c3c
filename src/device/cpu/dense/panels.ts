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

type FactorShape = Pick<Factor, "segments" | "length" | "columns">;

const panelShape = ({ segments, length, columns }: FactorShape, width: number): [panels: number, rows: number, width: number] =>
  [Math.ceil(columns / width), segments * roundUp(length, 4), width];

/** Bytes that `packPanels` takes at most, whatever the width. */
export const panelBytes = (factor: FactorShape): number => 4 * panelShape(factor, STRIPE).reduce((product, length) => product * length);

/** `factor` rearranged in panels of `width` columns, each segment padded to a multiple of 4 rows. The caller disposes of it. */
export function packPanels(device: CpuContext, factor: Factor, width: number, operation: string): Tensor {
  const { address, segments, length, columns, rowStride, columnStride } = factor;
  const shape = panelShape(factor, width);
  const [panels] = shape;
  const packed = device.empty(shape);
  device.pool.run(device.denseModule, "packPanels", panels, 1, [
    address, device.ptr(packed, operation), segments, length, columns, rowStride, columnStride, width,
  ]);
  return packed;
}
