import { h } from "./ui/dom.ts";

/** Says what the visitor's machine offers: the GPU, cores, and whether threads can share memory. */
export async function showMachine(list: HTMLElement): Promise<void> {
  const gpu = await gpuName();
  const threads = navigator.hardwareConcurrency ?? 1;
  const item = (state: string, text: string, title: string) => h("li", { class: state, title }, text);
  list.replaceChildren(
    gpu === null ? item("off", "no WebGPU: runs on WebAssembly", "The browser offers no WebGPU adapter") : item("on", `WebGPU: ${gpu}`, "The WebGPU adapter"),
    item("on", `${threads} thread${threads === 1 ? "" : "s"}`, "Cores that the browser reports"),
    crossOriginIsolated
      ? item("on", "isolated", "Cross-origin isolated: WebAssembly threads can share memory")
      : item("off", "not isolated", "Not cross-origin isolated: one WebAssembly thread. The server must send COOP and COEP headers"),
  );
}

async function gpuName(): Promise<string | null> {
  try {
    const adapter = await navigator.gpu?.requestAdapter();
    if (!adapter) return null;
    const { vendor, architecture, description } = adapter.info;
    return description || [vendor, architecture].filter(Boolean).join(" ") || "adapter without a name";
  } catch {
    return null;
  }
}
