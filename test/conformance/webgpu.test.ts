import { describe } from "vitest";
import { openDevice } from "../../src/device/index.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { describeConformance } from "./describe.ts";

describe.skipIf(!hasWebgpu)(needsWebgpu("on WebGPU in Node"), () => {
  describeConformance("the WGSL kernels equal the interpreter", () => openDevice("webgpu"), { tolerateTies: true, lengths: [33, 100], elements: ["bf16", "f16"] });
});
