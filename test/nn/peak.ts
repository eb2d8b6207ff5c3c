import type { Device } from "../../src/device/index.ts";

/** The most bytes in use at once while `work` runs, above those before it. */
export function peakOf(device: Device, work: () => void): number {
  const { empty } = device;
  const before = device.bytesInUse;
  let peak = before;
  device.empty = (...args) => {
    const tensor = empty.apply(device, args);
    peak = Math.max(peak, device.bytesInUse);
    return tensor;
  };
  try {
    work();
  } finally {
    device.empty = empty;
  }
  return peak - before;
}
