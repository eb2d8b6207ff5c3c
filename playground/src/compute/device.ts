import type { Device } from "../../../src/device/device.ts";
import { openDevice } from "../../../src/device/open.ts";
import { DeviceError } from "../../../src/errors.ts";
import type { DeviceChoice, OpenedDevice } from "./protocol.ts";

/** Opens the chosen device; where there is no WebGPU, WebAssembly takes its place, and the result says why. */
export async function openChosen(choice: DeviceChoice): Promise<{ device: Device; opened: OpenedDevice }> {
  let fallback: string | null = null;
  let device: Device | undefined;
  if (choice === "webgpu") {
    try {
      device = await openDevice("webgpu");
    } catch (error) {
      if (!(error instanceof DeviceError)) throw error;
      fallback = error.message;
    }
  }
  device ??= await openDevice("cpu");
  return { device, opened: { name: device.name, description: device.description, fallback } };
}
