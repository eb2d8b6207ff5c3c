import { DeviceError } from "../../errors.ts";
import type { Precision } from "../device.ts";
import { driverConstants as C } from "./constants.ts";
import type { Driver } from "./driver.ts";
import type { Nvrtc } from "./nvrtc.ts";

export interface Properties {
  /** CUdevice. */
  readonly handle: number;
  readonly name: string;
  /** Compute capability, such as "sm_90". */
  readonly architecture: string;
  readonly bytes: number;
  /** Streaming multiprocessors. */
  readonly multiprocessors: number;
  /** Whether memory can be allocated in the order of a stream. */
  readonly memoryPools: boolean;
}

/** @throws DeviceError if there is no device of that number. */
export function propertiesOf(driver: Driver, ordinal: number): Properties {
  const count = driver.get("cuDeviceGetCount");
  if (ordinal >= count) {
    const names = Array.from({ length: count }, (_, i) => `"cuda:${i}"`).join(", ");
    throw new DeviceError(`There is no device "cuda:${ordinal}": ${count === 1 ? "1 cuda device is" : `${count} cuda devices are`} visible${count > 0 ? `, ${names}` : ""}. See nvidia-smi and the environment variable CUDA_VISIBLE_DEVICES.`);
  }
  const handle = driver.get("cuDeviceGet", ordinal);
  const attribute = (number: number): number => driver.get("cuDeviceGetAttribute", number, handle);
  const name = Buffer.alloc(256);
  driver.call("cuDeviceGetName", name, name.length, handle);
  return {
    handle,
    name: name.toString("utf8", 0, name.indexOf(0)),
    architecture: `sm_${attribute(C.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)}${attribute(C.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)}`,
    bytes: driver.get("cuDeviceTotalMem_v2", handle),
    multiprocessors: attribute(C.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT),
    memoryPools: attribute(C.CU_DEVICE_ATTRIBUTE_MEMORY_POOLS_SUPPORTED) === 1,
  };
}

/** Compute capability from which on tensor cores take bf16 and TF32. */
const AMPERE = 80;

/**
 * On an older GPU NVIDIA's libraries say only that they have nothing for a convolution of bf16, and compute TF32 as f32.
 * @throws DeviceError for a precision that the GPU does not have.
 */
export function requireTensorCores(device: string, { name, architecture }: Properties, precision: Precision): void {
  if (precision === "float32" || Number(architecture.slice("sm_".length)) >= AMPERE) return;
  throw new DeviceError(`${device}: ${name}, ${architecture}, has no tensor cores for ${precision}, those of sm_${AMPERE} and newer have: use the precision float32.`);
}

/** For people. */
export function describe(driver: Driver, nvrtc: Nvrtc, { name, architecture, bytes }: Properties): string {
  const { major, minor } = driver.version;
  return `${driver.standIn === null ? "" : "stand-in, no GPU: "}${name}, ${architecture}, ${(bytes / 2 ** 30).toFixed(1)} GiB, driver for CUDA ${major}.${minor}, NVRTC ${nvrtc.version}`;
}
