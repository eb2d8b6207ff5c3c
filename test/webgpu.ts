import { existsSync } from "node:fs";

/** A Vulkan driver that computes on the CPU, where Debian's Chromium puts it. */
const SWIFTSHADER = "/usr/lib/chromium/vk_swiftshader_icd.json";

/**
 * Lets Node's WebGPU run without a GPU, unless a driver was chosen by VK_ICD_FILENAMES (a real GPU's, for example): call it before a device is opened.
 * @returns why there is no WebGPU in Node here, or null
 */
function prepareWebgpu(): string | null {
  if (process.env.VK_ICD_FILENAMES) return null;
  if (!existsSync(SWIFTSHADER)) return "needs a Vulkan driver: set VK_ICD_FILENAMES, or install Chromium with SwiftShader";
  if (!["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"].some((path) => existsSync(`${path}/libvulkan.so.1`))) {
    return "needs libvulkan.so.1 (Debian: libvulkan1)";
  }
  process.env.VK_ICD_FILENAMES = SWIFTSHADER;
  return null;
}

const missing = prepareWebgpu();

/** Whether Node can run WebGPU here. */
export const hasWebgpu = missing === null;

/** The name of tests on WebGPU in Node: says why they are skipped, where they are. */
export const needsWebgpu = (name: string): string => (missing === null ? name : `${name} (skipped: ${missing})`);
