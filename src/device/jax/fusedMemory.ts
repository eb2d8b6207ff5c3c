import "./workers.ts";
import { defaultDevice, numpy as np } from "@jax-js/jax";
import "./probe.ts";
import { OptionError } from "../../errors.ts";
import { CpuDevice } from "../cpu/device.ts";
import type { Device, Tensor } from "../device.ts";
import { resolve } from "../simulate.ts";
import { type JaxDevice, jaxDeviceOf } from "./stepwise.ts";

/** How arrays of jax-js become tensors of the device that runs fused kernels on them, and back. */
export interface JaxMemory {
  readonly device: Device;
  readonly jaxDevice: JaxDevice;
  /** A tensor with the array's contents; the caller's reference stays the caller's. */
  tensorOf(array: np.Array): Tensor;
  /** An array with the tensor's contents. */
  arrayOf(tensor: Tensor): np.Array;
}

/** What a device on jax-js's own memory offers: tensors and arrays are two views of one buffer. */
interface SharedMemory extends Device {
  adopt(array: np.Array): Tensor;
  array(tensor: Tensor, operation?: string): np.Array;
}

const DEVICES: Readonly<Record<JaxDevice, string>> = { wasm: "cpu", webgpu: "webgpu" };

/**
 * Opens the device for a jax-js device's arrays; each is opened once and kept.
 * @throws OptionError if fused kernels do not run there; DeviceError if there is no WebGPU.
 */
export async function openJaxMemory(given: JaxDevice | Device = defaultDevice() as JaxDevice): Promise<JaxMemory> {
  if (typeof given === "string" && !Object.hasOwn(DEVICES, given)) {
    throw new OptionError(`fusedJax: fused kernels run on arrays of "wasm" and "webgpu", not of "${given}"; give { device: "wasm" }, or set jax-js's defaultDevice.`);
  }
  const device = typeof given === "string" ? await resolve(DEVICES[given]) : given;
  const jaxDevice = jaxDeviceOf(device);
  if (device instanceof CpuDevice) {
    return {
      device, jaxDevice,
      tensorOf: (array) => device.tensor(array.ref.dataSync() as Float32Array, array.shape),
      arrayOf: (tensor) => np.array(device.view(tensor, "fusedJax") as Float32Array<ArrayBuffer>, { shape: [...tensor.shape], device: jaxDevice }),
    };
  }
  if (!sharesMemory(device)) throw new OptionError(`fusedJax: the device ${device.name} holds no arrays of jax-js; give "wasm", "webgpu", or a device opened as "cpu" or "webgpu".`);
  return {
    device, jaxDevice,
    tensorOf(array) {
      const reference = array.ref;
      try {
        return device.adopt(reference);
      } catch (error) {
        reference.dispose();
        throw error;
      }
    },
    arrayOf: (tensor) => device.array(tensor, "fusedJax"),
  };
}

const sharesMemory = (device: Device): device is SharedMemory => "adopt" in device && "array" in device;
