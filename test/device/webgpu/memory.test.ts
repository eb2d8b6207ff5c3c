import { describe } from "vitest";
import { openDevice } from "../../../src/device/index.ts";
import { hasWebgpu, needsWebgpu } from "../../webgpu.ts";
import { deviceContract } from "../contract.ts";

describe.skipIf(!hasWebgpu)(needsWebgpu("the webgpu device"), () => {
  deviceContract("webgpu", () => openDevice("webgpu"));
});
