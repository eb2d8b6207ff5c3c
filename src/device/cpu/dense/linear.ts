import { productShape, requireNeed, requireShape } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";
import { channelSums } from "./channels.ts";
import { PANEL, STRIPE, packPanels } from "./panels.ts";
import { nonzeroShare } from "./sparsity.ts";

/** Up to this share of nonzeros a product over them is faster than the dense one. */
const SPARSE_BELOW = 0.45;
/** What one item of a dense product covers, see assembly/gemm.ts. */
const BLOCK_ROWS = 48;
const BLOCK_COLUMNS = 128;
/** Rows of x, and columns of x in the transposed product, that a thread takes at a time; fewer if these are few. The columns are those whose lists it keeps at once. */
const ROW_GRAIN = 32;
const COLUMN_GRAIN = 256;
/** What the lists of nonzeros may take in scratch, and what the kernel needs beside them. */
const LIST_BYTES = 1 << 19;
const SLACK_BYTES = 4096;

/** The products of a linear layer. A product with spikes goes over their nonzeros where these are few. */
export function linearMath(device: CpuContext): Pick<DenseMath, "linear" | "linearBackward"> {
  return {
    linear(x, w, bias) {
      return device.timed("dense", () => linear(device, x, w, bias));
    },
    linearBackward(x, w, dy, need) {
      const [rows, depth] = productShape("linearBackward", x, w);
      requireShape("linearBackward", "dy", dy, [rows, w.shape[1]]);
      requireNeed("linearBackward", need);
      return device.timed("dense", () => ({
        dx: need.input ? inputGradient(device, w, dy, depth) : undefined,
        dw: weightGradient(device, x, dy),
        db: need.bias ? channelSums(device, dy, "linearBackward") : undefined,
      }));
    },
  };
}

function linear(device: CpuContext, x: Tensor, w: Tensor, bias: Tensor | undefined): Tensor {
  const [rows, depth, columns] = productShape("linear", x, w);
  if (bias !== undefined) requireShape("linear", "bias", bias, [columns]);
  const { pool, denseModule } = device;
  const factor = { address: device.ptr(w, "linear", "f32"), segments: 1, length: depth, columns, rowStride: columns, columnStride: 1 };
  const biasAddress = bias ? device.ptr(bias, "linear", "f32") : 0;
  const y = device.empty([rows, columns]);
  if (nonzeroShare(device, x, "linear") > SPARSE_BELOW) {
    using panels = packPanels(device, factor, PANEL, "linear");
    multiply(device, "linear", [device.ptr(x, "linear"), depth, 1], panels, biasAddress, y, depth);
  } else {
    using panels = packPanels(device, factor, STRIPE, "linear");
    pool.reserveScratch(Math.max(LIST_BYTES, depth * 8) + SLACK_BYTES);
    pool.run(denseModule, "multiplySparse", rows, Math.min(ROW_GRAIN, Math.ceil(rows / 8)), [
      device.ptr(x, "linear"), device.ptr(panels, "linear"), biasAddress, device.ptr(y, "linear"), columns, depth,
    ]);
  }
  return y;
}

/** dx = dy · wᵀ. */
function inputGradient(device: CpuContext, w: Tensor, dy: Tensor, depth: number): Tensor {
  const columns = w.shape[1];
  const factor = { address: device.ptr(w, "linearBackward", "f32"), segments: 1, length: columns, columns: depth, rowStride: 1, columnStride: columns };
  using panels = packPanels(device, factor, PANEL, "linearBackward");
  const dx = device.empty([dy.shape[0], depth]);
  multiply(device, "linearBackward", [device.ptr(dy, "linearBackward", "f32"), columns, 1], panels, 0, dx, columns);
  return dx;
}

/** dw = xᵀ · dy. */
function weightGradient(device: CpuContext, x: Tensor, dy: Tensor): Tensor {
  const [rows, depth] = x.shape;
  const columns = dy.shape[1];
  const factor = { address: device.ptr(dy, "linearBackward", "f32"), segments: 1, length: rows, columns, rowStride: columns, columnStride: 1 };
  const dw = device.empty([depth, columns]);
  if (nonzeroShare(device, x, "linearBackward") > SPARSE_BELOW) {
    using panels = packPanels(device, factor, PANEL, "linearBackward");
    multiply(device, "linearBackward", [device.ptr(x, "linearBackward"), 1, depth], panels, 0, dw, rows);
  } else {
    using panels = packPanels(device, factor, STRIPE, "linearBackward");
    device.pool.run(device.denseModule, "multiplySparseTransposed", depth, Math.min(COLUMN_GRAIN, Math.ceil(depth / (2 * device.pool.threads))), [
      device.ptr(x, "linearBackward"), device.ptr(panels, "linearBackward"), device.ptr(dw, "linearBackward"), rows, columns, depth,
    ]);
  }
  return dw;
}

/** out = a · panels + bias, with a's [address, rowStride, depthStride]. */
function multiply(
  device: CpuContext, operation: string, [address, rowStride, depthStride]: readonly [number, number, number],
  panels: Tensor, bias: number, out: Tensor, depth: number,
): void {
  const [rows, columns] = out.shape;
  const items = Math.ceil(rows / BLOCK_ROWS) * Math.ceil(columns / BLOCK_COLUMNS);
  device.pool.run(device.denseModule, "multiply", items, 1, [
    address, device.ptr(panels, operation), bias, device.ptr(out, operation), rows, columns, depth, rowStride, depthStride,
  ]);
}
