import { DeviceError } from "../../errors.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { FusedKernel } from "../device.ts";
import type { WebGpuDevice } from "./device.ts";

/** How many neurons a launch has, and over what. */
export interface Extents {
  readonly steps: number;
  readonly size: number;
  readonly channels: number;
}

export function compileFused(device: WebGpuDevice, plan: Plan): FusedKernel {
  throw new DeviceError(`${device.name}: ${plan.neuron.name}: fused kernels are not built yet.`);
}
