import { DeviceError } from "../../errors.ts";
import type { DeviceListing } from "../device.ts";
import { openDriver } from "./driver.ts";
import { Nvrtc } from "./nvrtc.ts";
import { describe, propertiesOf } from "./properties.ts";

/** The cuda devices that can be opened here; none where koffi, the driver or NVRTC is missing. */
export async function listCudaDevices(): Promise<DeviceListing[]> {
  try {
    const driver = await openDriver();
    const nvrtc = new Nvrtc(driver);
    return Array.from({ length: driver.get("cuDeviceGetCount") }, (_, i) => ({ name: `cuda:${i}`, description: describe(driver, nvrtc, propertiesOf(driver, i)) }));
  } catch (error) {
    if (error instanceof DeviceError) return [];
    throw error;
  }
}
