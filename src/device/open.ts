import { checkArgument, checkOptions, flag, integer, nearest, oneOf, type OptionKinds, text } from "../check.ts";
import { DeviceError, OptionError } from "../errors.ts";
import { inNode } from "../runtime.ts";
import { CpuDevice } from "./cpu/device.ts";
import { MAX_THREADS } from "./cpu/threads.ts";
import type { Device, DeviceListing } from "./device.ts";

export interface DeviceOptions {
  /** cpu: threads, the calling one included: 1 to 64. Default: as many as the machine runs at once; in a browser 1, unless the page is cross-origin isolated. */
  threads?: number;
  /**
   * cpu: only instructions that every engine has, without the fused multiply-adds of relaxed SIMD: results are then the same on all of them, bit for bit,
   * and dense math is slower. Default: false.
   */
  portable?: boolean;
  /**
   * cpu: let long sequences of few neurons run in chunks of time side by side, where threads would be idle otherwise: `spikefold plan` says of which. The results are the same bit for bit.
   * Default: true.
   */
  timeParallel?: boolean;
  /** cuda: let the compiler contract products and sums to fused multiply-adds; spikes may then differ from other devices'. Default: false. */
  fmad?: boolean;
  /** cuda: measure the device's `time`, at some microseconds of the host's a launch. Default: false. */
  profile?: boolean;
  /**
   * cuda: take for a convolution the fastest of cuDNN's engines, "tried" on the device when it first runs, or the first by its "heuristic" rules. The fastest
   * may be another in the next process, and round otherwise. Default: "tried".
   */
  convolutions?: "tried" | "heuristic";
}

const KINDS: OptionKinds<DeviceOptions> = { threads: integer(1, MAX_THREADS), portable: flag, timeParallel: flag, fmad: flag, profile: flag, convolutions: oneOf("tried", "heuristic") };
/** The devices that have an option. */
const OWNERS: Readonly<Record<keyof DeviceOptions, string>> = { threads: "cpu", portable: "cpu", timeParallel: "cpu", fmad: "cuda", profile: "cuda", convolutions: "cuda" };

const NAMES = ["cpu", "webgpu", "cuda", "cuda:0", "auto"];
/** What people call them. */
const OTHER_NAMES = new Map(Object.entries({
  gpu: "webgpu or cuda", webgl: "webgpu", vulkan: "webgpu", metal: "webgpu", wasm: "cpu", webassembly: "cpu", nvidia: "cuda",
}));
const CUDA = /^cuda(?::(\d+))?$/;

/**
 * Opens a device: "cpu", "webgpu", "cuda" (the first), "cuda:1", or "auto", which is the cpu: everything runs there, and on any machine. The device's
 * `description` says if it was chosen by "auto". Nothing else is ever chosen for you: a device that is not there is an error.
 * @param name default: "auto"
 * @throws DeviceError if the name is unknown or the device cannot be had, saying what is missing; OptionError for options that there are not, that are
 * out of range, or that another device has.
 */
export async function openDevice(name = "auto", options: DeviceOptions = {}): Promise<Device> {
  checkArgument("openDevice", "name", name, text);
  checkOptions("openDevice", options, KINDS);
  const cuda = CUDA.exec(name);
  const kind = cuda ? "cuda" : name === "auto" ? "cpu" : name;
  if (!NAMES.includes(kind)) throw new DeviceError(`"${name}" is no device${meant(name) || "."} Devices are named "cpu", "webgpu", "cuda", "cuda:0", "cuda:1", …; "auto" is the cpu.`);
  for (const [option, owner] of Object.entries(OWNERS)) {
    // False asks for nothing.
    if (options[option as keyof DeviceOptions] && owner !== kind) throw new OptionError(`openDevice: ${option} is an option of the device "${owner}", and "${name}" was asked for; leave it out`);
  }
  if (cuda) {
    if (!inNode) throw new DeviceError(`The device "${name}" can be had in Node only.`);
    const { CudaDevice } = await import("./cuda/device.ts");
    return CudaDevice.open(Number(cuda[1] ?? 0), { fmad: options.fmad, profile: options.profile, convolutions: options.convolutions });
  }
  if (kind === "webgpu") {
    const { WebGpuDevice } = await import("./webgpu/device.ts");
    return WebGpuDevice.open();
  }
  return CpuDevice.open(options.threads, { portable: options.portable, timeParallel: options.timeParallel, note: name === "auto" ? " (chosen by auto)" : "" });
}

function meant(name: string): string {
  const found = OTHER_NAMES.get(name.toLowerCase()) ?? nearest(name, NAMES);
  return found === undefined ? "" : `: did you mean ${found}?`;
}

/** The devices that can be opened here. */
export async function devices(): Promise<DeviceListing[]> {
  const device = await openDevice("cpu");
  await device.dispose();
  const cuda = inNode ? await (await import("./cuda/open.ts")).listCudaDevices() : [];
  const { listWebgpuDevices } = await import("./webgpu/open.ts");
  return [{ name: device.name, description: device.description }, ...(await listWebgpuDevices()), ...cuda];
}
