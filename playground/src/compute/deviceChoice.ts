import { type Control, choice } from "../ui/controls.ts";
import { h } from "../ui/dom.ts";
import { findAdapter } from "./adapter.ts";
import type { DeviceChoice } from "./protocol.ts";

export interface DeviceControl extends Control<DeviceChoice> {
  /** Says something of the device below the choice. */
  say(text: string): void;
}

/** The choice of a device. Where the browser has no GPU for WebGPU it turns to WebAssembly, tells `change`, and says so. */
export function deviceChoice(change: (value: DeviceChoice) => void): DeviceControl {
  const line = h("p", { class: "message where", role: "status" });
  let touched = false;
  const control = choice<DeviceChoice>({
    label: "Device", choices: [["webgpu", "GPU (WebGPU)"], ["cpu", "processor (WebAssembly)"]],
    change(value) {
      touched = true;
      line.textContent = "";
      change(value);
    },
  });
  const say = (text: string): void => { line.textContent = text; };
  void adapterProblem().then((problem) => {
    if (problem === null || touched) return;
    control.set("cpu");
    change("cpu");
    say(`${problem}: it runs on WebAssembly.`);
  });
  return { element: h("div", { class: "device" }, control.element, line), set: control.set, say };
}

async function adapterProblem(): Promise<string | null> {
  if (!navigator.gpu) return isSecureContext ? "No WebGPU in this browser" : "No WebGPU on a page without https";
  const adapter = await findAdapter();
  if (!adapter) return "No WebGPU adapter for this machine's GPU";
  return adapter.software ? `WebGPU is software here (${adapter.name}), and slower` : null;
}
