import "../jax/workers.ts";
import { getWebGPUDevice, init } from "@jax-js/jax";
import "../jax/probe.ts";
import { DeviceError } from "../../errors.ts";
import { inNode } from "../../runtime.ts";

/** What Node's `webgpu` package gives the global scope, and the entry to it. */
interface NodeGpu {
  create(flags: string[]): GPU;
  globals: object;
}

/**
 * jax-js's own GPUDevice, made on the first call: one for the whole process, so that jax arrays and fused kernels share memory and a queue.
 * @throws DeviceError that says what is missing: the npm package webgpu (Node), WebGPU in this browser, or an adapter.
 */
export async function openGpu(): Promise<GPUDevice> {
  if (inNode) await provideGpu();
  if (!navigator.gpu) {
    throw new DeviceError('The device "webgpu" needs a browser with WebGPU, on a page served over https or from localhost: navigator.gpu is missing here. The device "cpu" runs without it.');
  }
  // jax-js answers the same where there is no adapter and where one gives no device.
  const ready = await init("webgpu");
  if (!ready.includes("webgpu")) {
    throw new DeviceError(`The device "webgpu" found no adapter: ${inNode ? "install a driver with Vulkan (Linux), Direct3D 12 (Windows) or Metal (macOS); VK_ICD_FILENAMES chooses among Vulkan's drivers" : "this browser has WebGPU, but it is off for this machine's GPU"}. The device "cpu" runs without it.`);
  }
  return getWebGPUDevice();
}

/** What people call the GPU, as far as the adapter tells. */
export function describeGpu({ adapterInfo }: GPUDevice): string {
  const { vendor = "", architecture = "", device = "", description = "" } = adapterInfo ?? {};
  return [...new Set([vendor, architecture, device, description].filter((part) => part !== ""))].join(", ") || "an adapter that does not tell its name";
}

/** Whether the adapter computes on the CPU, as SwiftShader does: it has no registers and no thousands of threads to fill. */
export const isSoftware = ({ adapterInfo }: GPUDevice): boolean => adapterInfo?.isFallbackAdapter === true;

let provided: Promise<void> | undefined;

/** Puts WebGPU where browsers have it. */
function provideGpu(): Promise<void> {
  provided ??= loadGpu();
  provided.catch(() => (provided = undefined));
  return provided;
}

async function loadGpu(): Promise<void> {
  if (navigator.gpu) return;
  // Not to be bundled: it is native code.
  const name = "webgpu";
  let dawn: NodeGpu;
  try {
    dawn = (await import(/* webpackIgnore: true */ /* @vite-ignore */ name)) as NodeGpu;
  } catch (cause) {
    throw new DeviceError(`The device "webgpu" needs the npm package webgpu in Node: npm install webgpu (${(cause as Error).message})`, { cause });
  }
  for (const [key, value] of Object.entries(dawn.globals)) if (!(key in globalThis)) Object.defineProperty(globalThis, key, { value, configurable: true, writable: true });
  Object.defineProperty(navigator, "gpu", { value: dawn.create([]), configurable: true });
}
