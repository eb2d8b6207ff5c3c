import { describe } from "vitest";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/index.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { describeOnStandIn, openCuda } from "./cuda/standIn.ts";

/** Runs the same tests on every device that is present. */
export function onEachDevice(tests: (open: () => Promise<Device>) => void): void {
  describe("on cpu", () => tests(() => openDevice("cpu", { threads: 2 })));
  describe.skipIf(!hasWebgpu)(needsWebgpu("on webgpu"), () => tests(() => openDevice("webgpu")));
  describeOnStandIn("on cuda", () => tests(() => openCuda()));
}
