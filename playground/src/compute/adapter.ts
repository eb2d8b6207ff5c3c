/** The browser's WebGPU adapter. */
export interface Adapter {
  /** For people. */
  name: string;
  /** Whether it is no GPU but a program on the processor, which WebAssembly outruns. */
  software: boolean;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|basic render|software/i;

/** Null where the browser has no adapter. */
export async function findAdapter(): Promise<Adapter | null> {
  const found = await navigator.gpu?.requestAdapter().catch(() => null);
  if (!found) return null;
  const { vendor, architecture, description, device, isFallbackAdapter } = found.info as GPUAdapterInfo & { isFallbackAdapter?: boolean };
  const names = [vendor, architecture].filter(Boolean).join(" ");
  return { name: description || names || "adapter without a name", software: isFallbackAdapter === true || SOFTWARE.test([names, device, description].join(" ")) };
}
