import { DeviceError } from "../errors.ts";
import { CpuDevice } from "./cpu/device.ts";
import type { Device } from "./device.ts";

export interface DeviceOptions {
  /** Threads of the cpu device, the calling one included: 1 to 64. Default: as many as the machine runs at once. */
  threads?: number;
}

export interface DeviceListing {
  /** What `openDevice` takes. */
  name: string;
  /** For people. */
  description: string;
}

const VALID_NAMES = '"cpu", "webgpu", "cuda", "cuda:0", "cuda:1", …';
const MISSING = /^(webgpu|cuda(:\d+)?)$/;

/**
 * Opens the device `name`. Nothing falls back: a device that is not there is an error.
 * @throws DeviceError if the name is unknown or the device cannot be had; OptionError for a number of threads out of range.
 */
export async function openDevice(name: string, options: DeviceOptions = {}): Promise<Device> {
  if (name === "cpu") return CpuDevice.open(options.threads ?? (await availableThreads()));
  if (MISSING.test(name)) throw new DeviceError(`There is no device "${name}" in this build of spikefold; it has "cpu".`);
  throw new DeviceError(`"${name}" is no device. Devices are named ${VALID_NAMES}; this build has "cpu".`);
}

/** The devices that can be opened here. */
export async function devices(): Promise<DeviceListing[]> {
  const device = await openDevice("cpu");
  await device.dispose();
  return [{ name: device.name, description: device.description }];
}

async function availableThreads(): Promise<number> {
  const inNode = typeof process === "object" && process.versions?.node !== undefined;
  const threads = inNode ? (await import("node:os")).availableParallelism() : navigator.hardwareConcurrency;
  return Math.min(threads, 64);
}
