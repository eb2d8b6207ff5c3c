import { DeviceError } from "../../errors.ts";

export const OUT_OF_MEMORY = 2;

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
  [OUT_OF_MEMORY]: "Use a smaller batch, fewer time steps or a smaller network, or free tensors that are no longer needed.",
  3: "The driver did not start: see nvidia-smi.",
  34: "The library found is a stub for linking: remove the folder of stubs from LD_LIBRARY_PATH.",
  100: "No NVIDIA GPU is visible: see nvidia-smi and the environment variable CUDA_VISIBLE_DEVICES; containers need --gpus all.",
  101: "There is no such device: see nvidia-smi and the environment variable CUDA_VISIBLE_DEVICES.",
  200: image, 209: image, 218: image, 222: image,
  46: "The device is in use or not allowed: see its compute mode in nvidia-smi.",
  214: "The device's memory has failed: see nvidia-smi -q, and restart it.",
  304: "The operating system refused: see the rights of /dev/nvidia* and the system's log.",
  700: lost, 702: lost, 714: lost, 715: lost, 716: lost, 717: lost, 718: lost, 719: lost,
  701: "The kernel needs more registers or shared memory than a block has: use fewer threads in a block.",
  802: "The driver is not ready yet; on machines with NVSwitch, start nvidia-fabricmanager.",
  803: "The driver's library and its kernel module are of different versions: restart the machine, or reinstall the driver.",
  804: "The forward-compatibility package does not support this device: take it out of LD_LIBRARY_PATH.",
  900: capture, 901: capture, 902: capture, 903: capture, 904: capture, 905: capture, 906: capture, 907: capture, 908: capture,
};

const adviceFor = (code: number): string => advice[code] ?? "";
