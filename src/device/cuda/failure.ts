import { DeviceError } from "../../errors.ts";
import { driverConstants as C } from "./constants.ts";

/** A call into NVIDIA's driver that failed. */
export class CudaError extends DeviceError {
  /** The driver's function. */
  readonly call: string;
  /** CUresult. */
  readonly code: number;

  constructor(call: string, code: number, name: string, text: string) {
    super(`cuda: ${call} failed with ${name} (${code}): ${text.replace(/[.\s]*$/, "")}. ${adviceFor(code)}`.trimEnd());
    this.call = call;
    this.code = code;
  }
}

const lost = "A kernel queued before went wrong, and the device is lost to this process: open it again in a new one. Other devices still work. NVIDIA's compute-sanitizer names the kernel and the access.";
const capture = "Not every operation can be recorded into a graph: run the function once before capturing it, and upload and read outside of it.";
const image = "Remove the cache of compiled kernels (~/.cache/spikefold) and use NVRTC of the driver's CUDA version or of an older one.";

const advice: Readonly<Record<number, string>> = {
  [C.CUDA_ERROR_OUT_OF_MEMORY]: "Use a smaller batch, fewer time steps or a smaller network, or free tensors that are no longer needed.",
  [C.CUDA_ERROR_NOT_INITIALIZED]: "The driver did not start: see nvidia-smi.",
  [C.CUDA_ERROR_STUB_LIBRARY]: "The library found is a stub for linking: remove the folder of stubs from LD_LIBRARY_PATH.",
  [C.CUDA_ERROR_NO_DEVICE]: "No NVIDIA GPU is visible: see nvidia-smi and the environment variable CUDA_VISIBLE_DEVICES; containers need --gpus all.",
  [C.CUDA_ERROR_INVALID_DEVICE]: "There is no such device: see nvidia-smi and the environment variable CUDA_VISIBLE_DEVICES.",
  [C.CUDA_ERROR_INVALID_IMAGE]: image,
  [C.CUDA_ERROR_NO_BINARY_FOR_GPU]: image,
  [C.CUDA_ERROR_INVALID_PTX]: image,
  [C.CUDA_ERROR_UNSUPPORTED_PTX_VERSION]: image,
  [C.CUDA_ERROR_DEVICE_UNAVAILABLE]: "The device is in use or not allowed: see its compute mode in nvidia-smi.",
  [C.CUDA_ERROR_ECC_UNCORRECTABLE]: "The device's memory has failed: see nvidia-smi -q, and restart it.",
  [C.CUDA_ERROR_OPERATING_SYSTEM]: "The operating system refused: see the rights of /dev/nvidia* and the system's log.",
  [C.CUDA_ERROR_ILLEGAL_ADDRESS]: lost,
  [C.CUDA_ERROR_LAUNCH_TIMEOUT]: lost,
  [C.CUDA_ERROR_HARDWARE_STACK_ERROR]: lost,
  [C.CUDA_ERROR_ILLEGAL_INSTRUCTION]: lost,
  [C.CUDA_ERROR_MISALIGNED_ADDRESS]: lost,
  [C.CUDA_ERROR_INVALID_ADDRESS_SPACE]: lost,
  [C.CUDA_ERROR_INVALID_PC]: lost,
  [C.CUDA_ERROR_LAUNCH_FAILED]: lost,
  [C.CUDA_ERROR_LAUNCH_OUT_OF_RESOURCES]: "The kernel needs more registers or shared memory than a block has: use fewer threads in a block.",
  [C.CUDA_ERROR_SYSTEM_NOT_READY]: "The driver is not ready yet; on machines with NVSwitch, start nvidia-fabricmanager.",
  [C.CUDA_ERROR_SYSTEM_DRIVER_MISMATCH]: "The driver's library and its kernel module are of different versions: restart the machine, or reinstall the driver.",
  [C.CUDA_ERROR_COMPAT_NOT_SUPPORTED_ON_DEVICE]: "The forward-compatibility package does not support this device: take it out of LD_LIBRARY_PATH.",
  [C.CUDA_ERROR_STREAM_CAPTURE_UNSUPPORTED]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_INVALIDATED]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_MERGE]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_UNMATCHED]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_UNJOINED]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_ISOLATION]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_IMPLICIT]: capture,
  [C.CUDA_ERROR_CAPTURED_EVENT]: capture,
  [C.CUDA_ERROR_STREAM_CAPTURE_WRONG_THREAD]: capture,
};

const adviceFor = (code: number): string => advice[code] ?? "";
