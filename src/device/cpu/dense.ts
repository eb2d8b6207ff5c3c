import { DeviceError } from "../../errors.ts";
import type { DenseMath } from "../device.ts";
import type { CpuDevice } from "./device.ts";

export function createDense(_device: CpuDevice): DenseMath {
  throw new DeviceError("cpu: dense math is not built yet.");
}
