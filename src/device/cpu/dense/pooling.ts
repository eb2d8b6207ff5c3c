import { poolingBackwardGeometry, poolingGeometry, shapedLike } from "../../dense/windows.ts";
import type { Geometry } from "../../dense/windows.ts";
import type { DenseMath, Tensor, Window2d } from "../../device.ts";
import type { CpuContext } from "../context.ts";

type PoolingMath = Pick<DenseMath, "maxPool2d" | "maxPool2dBackward" | "avgPool2d" | "avgPool2dBackward">;

/** Values that a thread takes at a time. */
const GRAIN = 1 << 15;

export function poolingMath(device: CpuContext): PoolingMath {
  const pool = (operation: string, kernel: string, x: Tensor, window: Window2d): Tensor => {
    const geometry = poolingGeometry(operation, x, window);
    const { images, width, channels, outHeight, outWidth } = geometry;
    const y = device.empty([images, outHeight, outWidth, channels]);
    run(device, kernel, images * outHeight, width * channels * window.stride[0], [device.ptr(x, operation, "f32"), device.ptr(y, operation)], geometry);
    return y;
  };
  return {
    maxPool2d: (x, window) => device.timed("rest", () => pool("maxPool2d", "maxPool", x, window)),
    avgPool2d: (x, window) => device.timed("rest", () => pool("avgPool2d", "avgPool", x, window)),
    maxPool2dBackward: (x, dy, window) => device.timed("rest", () => maxPool2dBackward(device, x, dy, window)),
    avgPool2dBackward: (shape, dy, window) => device.timed("rest", () => avgPool2dBackward(device, shape, dy, window)),
  };
}

function maxPool2dBackward(device: CpuContext, x: Tensor, dy: Tensor, window: Window2d): Tensor {
  const operation = "maxPool2dBackward";
  const geometry = poolingBackwardGeometry(operation, x, window, dy);
  const { images, height, width, channels } = geometry;
  const addresses = [device.ptr(x, operation, "f32"), device.ptr(dy, operation, "f32")];
  const dx = device.empty(x.shape);
  run(device, "maxPoolBackward", images, height * width * channels, [...addresses, device.ptr(dx, operation)], geometry);
  return dx;
}

function avgPool2dBackward(device: CpuContext, shape: readonly number[], dy: Tensor, window: Window2d): Tensor {
  const operation = "avgPool2dBackward";
  const geometry = poolingBackwardGeometry(operation, shapedLike(operation, shape), window, dy);
  const { images, height, width, channels } = geometry;
  const address = device.ptr(dy, operation, "f32");
  const dx = device.empty(shape);
  run(device, "avgPoolBackward", images * height, width * channels, [address, device.ptr(dx, operation)], geometry);
  return dx;
}

function run(device: CpuContext, kernel: string, items: number, valuesOfItem: number, addresses: readonly number[], geometry: Geometry): void {
  const { height, width, channels, outHeight, outWidth, window } = geometry;
  device.pool.run(device.denseModule, kernel, items, Math.max(1, Math.floor(GRAIN / valuesOfItem)), [
    ...addresses, height, width, channels, outHeight, outWidth, ...window.size, ...window.stride, ...window.padding,
  ]);
}
