/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The cuda device itself, and graphs of launches.
 * @module spikefold/cuda
 */
import { checkArgument, instanceOf } from "../check.ts";
import { CudaDevice } from "../device/cuda/device.ts";
import type { Graph } from "../device/device.ts";

export { CudaDevice } from "../device/cuda/device.ts";
export type { CudaOptions } from "../device/cuda/device.ts";
export type { CaptureOptions, Graph } from "../device/device.ts";

/**
 * Records what `work` queues on the device, without running it, as `device.capture` does.
 * @throws OptionError for what is no cuda device; DeviceError if something in it cannot be recorded, such as uploads and reads; and what `work` throws
 */
export function captureGraph(device: CudaDevice, work: () => void): Graph {
  checkArgument("captureGraph", "device", device, instanceOf(CudaDevice, 'a cuda device: await openDevice("cuda")'));
  return device.capture(work);
}
