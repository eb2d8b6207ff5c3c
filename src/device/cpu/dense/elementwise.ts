import { requireElements, requireFactor, requireShape, requireTimes } from "../../dense/shapes.ts";
import type { DenseMath, Tensor } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Elements of a partial sum, see assembly/elementwise.ts. */
export const SUM_BLOCK = 16384;
const GRAIN = 1 << 15;

type ElementwiseMath = Pick<DenseMath, "sumFirst" | "repeatFirst" | "addInto" | "scale" | "sumOfSquares">;

export function elementwiseMath(device: CpuContext): ElementwiseMath {
  return {
    sumFirst: (x, scale) => device.timed("rest", () => sumFirst(device, x, scale)),
    repeatFirst: (x, times, scale) => device.timed("rest", () => repeatFirst(device, x, times, scale)),
    addInto(y, x, scale) {
      requireElements("addInto", "y", y);
      requireShape("addInto", "x", x, y.shape);
      requireFactor("addInto", "scale", scale);
      const args = [device.ptr(y, "addInto", "f32"), device.ptr(x, "addInto", "f32"), scale];
      device.timed("rest", () => device.pool.run(device.denseModule, "addScaled", y.size, GRAIN, args));
    },
    scale(x, factor) {
      requireElements("scale", "x", x);
      requireFactor("scale", "factor", factor);
      const args = [device.ptr(x, "scale", "f32"), factor];
      device.timed("rest", () => device.pool.run(device.denseModule, "multiplyInPlace", x.size, GRAIN, args));
    },
    sumOfSquares: (...tensors) => device.timed("rest", () => sumOfSquares(device, tensors)),
  };
}

function sumFirst(device: CpuContext, x: Tensor, scale: number): Tensor {
  requireElements("sumFirst", "x", x);
  requireFactor("sumFirst", "scale", scale);
  const [times, ...shape] = x.shape;
  const out = device.empty(shape);
  device.pool.run(device.denseModule, "sumLeading", out.size, Math.ceil(GRAIN / times / 4) * 4, [
    device.ptr(x, "sumFirst", "f32"), device.ptr(out, "sumFirst"), out.size, times, scale,
  ]);
  return out;
}

function repeatFirst(device: CpuContext, x: Tensor, times: number, scale: number): Tensor {
  requireTimes("repeatFirst", x, times);
  requireFactor("repeatFirst", "scale", scale);
  const out = device.empty([times, ...x.shape]);
  device.pool.run(device.denseModule, "repeatLeading", x.size, Math.ceil(GRAIN / times / 4) * 4, [
    device.ptr(x, "repeatFirst", "f32"), device.ptr(out, "repeatFirst"), x.size, times, scale,
  ]);
  return out;
}

function sumOfSquares(device: CpuContext, tensors: readonly Tensor[]): Tensor {
  tensors.forEach((x) => requireElements("sumOfSquares", "x", x));
  const blocks = tensors.map((x) => Math.ceil(x.size / SUM_BLOCK));
  const total = blocks.reduce((a, b) => a + b, 0);
  using partials = emptyDoubles(device, total);
  let at = device.ptr(partials, "sumOfSquares");
  tensors.forEach((x, i) => {
    device.pool.run(device.denseModule, "squarePartials", blocks[i], 2, [device.ptr(x, "sumOfSquares", "f32"), x.size, at]);
    at += 8 * blocks[i];
  });
  return sumDoubles(device, partials, total, 1, "sumOfSquares");
}

/** Room for `count` f64 partial sums. */
export function emptyDoubles(device: CpuContext, count: number): Tensor {
  return device.empty([count, 2]);
}

/** `scale` times the sum of f64 partial sums, as an f32 tensor [1]. */
export function sumDoubles(device: CpuContext, partials: Tensor, count: number, scale: number, operation: string): Tensor {
  const sum = device.empty([1]);
  device.pool.run(device.denseModule, "sumPartials", 1, 1, [device.ptr(partials, operation), count, scale, device.ptr(sum, operation)]);
  return sum;
}
