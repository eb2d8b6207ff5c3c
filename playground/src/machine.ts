import { findAdapter } from "./compute/adapter.ts";
import { h } from "./ui/dom.ts";

/** Says what the visitor's machine offers: the GPU, threads, and whether they can share memory. */
export async function showMachine(list: HTMLElement): Promise<void> {
  const gpu = await findAdapter();
  const cores = navigator.hardwareConcurrency ?? 1;
  const threads = crossOriginIsolated ? cores : 1;
  const item = (state: string, text: string, title: string) => h("li", { class: state, title }, text);
  list.replaceChildren(
    gpu === null ? item("off", "no WebGPU: runs on WebAssembly", "The browser offers no WebGPU adapter")
    : gpu.software ? item("off", `WebGPU in software: ${gpu.name}`, "The WebGPU adapter is a program on the processor: WebAssembly is faster")
    : item("on", `WebGPU: ${gpu.name}`, "The WebGPU adapter"),
    item(threads === cores ? "on" : "off", `${threads}${threads < cores ? ` of ${cores}` : ""} thread${cores === 1 ? "" : "s"}`, "Threads that WebAssembly computes with, of the cores that the browser reports"),
    crossOriginIsolated
      ? item("on", "isolated", "Cross-origin isolated: WebAssembly threads can share memory")
      : item("off", "not isolated", "Not cross-origin isolated: one WebAssembly thread. The server must send COOP and COEP headers"),
  );
}
