import koffi from "koffi";
import { exactTensors } from "../../cuda-stand-in/exactTensors.ts";
import { CpuDevice } from "../../../src/device/cpu/device.ts";
import { CudaDevice } from "../../../src/device/cuda/device.ts";
import type { Device } from "../../../src/device/device.ts";

const library = process.env.SPIKEFOLD_CUDA_STAND_IN;

/** The device of a rank: the cpu with one thread, or cuda, where its stand-in is in the environment. */
export const deviceOfRank = async (): Promise<Device> => (library ? cudaOfRank() : CpuDevice.open(1));

export async function cudaOfRank(): Promise<CudaDevice> {
  exactTensors(library!);
  return CudaDevice.open(0);
}

/** What a stand-in still holds when its device is closed: "". */
export const leaks = (): string => (library ? (koffi.load(library).func("const char *standInLeaks()") as () => string)() : "");
