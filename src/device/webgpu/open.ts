import { DeviceError } from "../../errors.ts";
import type { DeviceListing } from "../device.ts";
import { describeGpu, openGpu } from "./gpu.ts";

/** The adapter that "webgpu" opens, with the limits that decide what runs; nothing where there is none. */
export async function listWebgpuDevices(): Promise<DeviceListing[]> {
  let gpu: GPUDevice;
  try {
    gpu = await openGpu();
  } catch (error) {
    if (error instanceof DeviceError) return [];
    throw error;
  }
  const { limits, features } = gpu;
  const MiB = (bytes: number): string => `${Math.floor(bytes / 2 ** 20)} MiB`;
  const description = [
    describeGpu(gpu),
    `buffers of ${MiB(limits.maxBufferSize)}, bindings of ${MiB(limits.maxStorageBufferBindingSize)}, ${limits.maxStorageBuffersPerShaderStage} to a kernel`,
    `${limits.maxComputeInvocationsPerWorkgroup} threads to a workgroup, ${limits.maxComputeWorkgroupsPerDimension} workgroups to a dimension`,
    ["shader-f16", "timestamp-query", "subgroups"].filter((feature) => features.has(feature)).join(", ") || "no optional features",
  ].join("; ");
  return [{ name: "webgpu", description }];
}
