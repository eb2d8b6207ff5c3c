import { DeviceError } from "../../errors.ts";
import type { DenseMath } from "../device.ts";
import type { WebGpuDevice } from "./device.ts";

export function createDense(device: WebGpuDevice): DenseMath {
  throw new DeviceError(`${device.name}: dense math is not built yet.`);
}
