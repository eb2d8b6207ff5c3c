import type { Tensor } from "../device.ts";
import type { WebGpuDevice } from "./device.ts";

export function sumRows(device: WebGpuDevice, x: Tensor, y: Tensor, rows: number, columns: number): void {
  void [device, x, y, rows, columns];
}
