import type { Plan } from "../../fusion/plan.ts";
import { DeviceError } from "../../errors.ts";
import type { FusedKernel } from "../device.ts";
import type { CpuDevice } from "./device.ts";

export function compileFused(_device: CpuDevice, _plan: Plan): FusedKernel {
  throw new DeviceError("cpu: fused kernels are not built yet.");
}
