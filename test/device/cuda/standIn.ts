import { describe } from "vitest";
import { openDevice } from "../../../src/device/index.ts";
import type { CudaDevice, CudaOptions } from "../../../src/device/cuda/device.ts";
import { kernelCache, standIn } from "../../cuda-stand-in/build.mjs";
import { exactTensors } from "../../cuda-stand-in/exactTensors.ts";

/** The library that stands in for NVIDIA's on machines without a GPU; null where it cannot be built. */
export const library = standIn();

let used = false;

/** Points this process's cuda devices at the stand-in, tensors held to their own bytes; kernels compiled before are kept for the next run of the tests. */
export function useStandIn(): void {
  if (used) return;
  used = true;
  exactTensors(library!);
  process.env.SPIKEFOLD_TEST = "1";
  process.env.SPIKEFOLD_CUDA_STAND_IN = library!;
  process.env.XDG_CACHE_HOME = kernelCache();
}

export const openCuda = async (name = "cuda", options: CudaOptions = {}): Promise<CudaDevice> => (await openDevice(name, options)) as CudaDevice;

/** Tests that need the stand-in; they are skipped by name where it cannot be built. */
export function describeOnStandIn(name: string, tests: () => void): void {
  if (library !== null) useStandIn();
  describe.skipIf(library === null)(`${name}${library === null ? " (skipped: there is no g++ to build the stand-in for CUDA)" : ""}`, tests);
}
