import type { CudaDevice } from "../../src/device/cuda/device.ts";
import type { Device } from "../../src/device/index.ts";

/** Sees the most bytes in use at once, above those at first, until it is stopped. */
export function watchPeak(device: Device): { stop(): number } {
  // What kernels of cuda allocate for themselves comes from the context.
  const allocator: Pick<Device, "empty"> = (device as Partial<CudaDevice>).context ?? device;
  const { empty } = allocator;
  const before = device.bytesInUse;
  let peak = before;
  allocator.empty = (...args) => {
    const tensor = empty.apply(allocator as never, args);
    peak = Math.max(peak, device.bytesInUse);
    return tensor;
  };
  return {
    stop(): number {
      allocator.empty = empty;
      return peak - before;
    },
  };
}

/** The most bytes in use at once while `work` runs, above those before it. */
export function peakOf(device: Device, work: () => void): number {
  const watch = watchPeak(device);
  try {
    work();
  } finally {
    watch.stop();
  }
  return watch.stop();
}
