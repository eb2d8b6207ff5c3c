import { describe, vi } from "vitest";
import { openDevice } from "../../src/device/index.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { describeConformance } from "./describe.ts";

// Without a GPU, compiling a long kernel takes seconds.
vi.setConfig({ testTimeout: 300_000 });

describe.skipIf(!hasWebgpu)(needsWebgpu("on WebGPU in Node"), () => {
  describeConformance("the WGSL kernels equal the interpreter", () => openDevice("webgpu"), { tolerateTies: true, lengths: [33, 100], elements: ["bf16", "f16"] });
});
