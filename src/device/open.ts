import { DeviceError } from "../errors.ts";
import { inNode } from "../runtime.ts";
import { CpuDevice } from "./cpu/device.ts";
import type { Device } from "./device.ts";

export interface DeviceOptions {
  /** Threads of the cpu device, the calling one included: 1 to 64. Default: as many as the machine runs at once; in a browser 1, unless the page is cross-origin isolated. */
  threads?: number;
  /**
   * cpu: only instructions that every engine has, without the fused multiply-adds of relaxed SIMD: results are then the same on all of them, bit for bit,
   * and dense math is slower. Default: false.
   */
  portable?: boolean;
  /** cuda: let the compiler contract products and sums to fused multiply-adds; spikes may then differ from other devices'. Default: false. */
  fmad?: boolean;
  /** cuda: measure the device's `time`, at some microseconds of the host's a launch. Default: false. */
  profile?: boolean;
}

export interface DeviceListing {
  /** What `openDevice` takes. */
  name: string;
  /** For people. */
  description: string;
}

const VALID_NAMES = '"cpu", "webgpu", "cuda", "cuda:0", "cuda:1", …';
const CUDA = /^cuda(?::(\d+))?$/;

/**
 * Opens the device `name`. Nothing falls back: a device that is not there is an error.
 * @throws DeviceError if the name is unknown or the device cannot be had, saying what is missing; OptionError for a number of threads out of range.
 */
export async function openDevice(name: string, options: DeviceOptions = {}): Promise<Device> {
  if (name === "cpu") return CpuDevice.open(options.threads, options);
  const cuda = CUDA.exec(name);
  if (cuda) {
    if (!inNode) throw new DeviceError(`The device "${name}" can be had in Node only.`);
    const { CudaDevice } = await import("./cuda/device.ts");
    return CudaDevice.open(Number(cuda[1] ?? 0), options);
  }
  if (name === "webgpu") {
    const { WebGpuDevice } = await import("./webgpu/device.ts");
    return WebGpuDevice.open();
  }
  throw new DeviceError(`"${name}" is no device. Devices are named ${VALID_NAMES}.`);
}

/** The devices that can be opened here. */
export async function devices(): Promise<DeviceListing[]> {
  const device = await openDevice("cpu");
  await device.dispose();
  const cuda = inNode ? await (await import("./cuda/open.ts")).listCudaDevices() : [];
  const { listWebgpuDevices } = await import("./webgpu/open.ts");
  return [{ name: device.name, description: device.description }, ...(await listWebgpuDevices()), ...cuda];
}
