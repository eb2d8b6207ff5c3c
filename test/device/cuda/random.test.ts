import koffi from "koffi";
import { expect, it } from "vitest";
import { plan, type Plan, type PlanRequest } from "../../../src/fusion/plan.ts";
import { elementsOf } from "../../../src/codegen/formats.ts";
import { bufferTypes } from "../../../src/device/launch.ts";
import { arrayTypes } from "../../../src/device/tensor.ts";
import type { DType, Tensor } from "../../../src/device/index.ts";
import { lif } from "../../../src/neuron/index.ts";
import { adaptiveLif } from "../../conformance/neurons.ts";
import { noise } from "../../conformance/suite.ts";
import { describeOnStandIn, library, openCuda } from "./standIn.ts";
import { thorough } from "../../sample.ts";

const LAUNCHES = thorough ? 10_000 : 2_000;
const MAX_STEPS = 12;

const requests: Omit<PlanRequest, "steps">[] = [
  { neuron: lif(), gradients: ["x"] },
  { neuron: lif(), outputs: { spike: "bits" }, finalState: true, initialState: true },
  { neuron: lif(), outputs: { spike: "u8" }, record: ["v"] },
  { neuron: adaptiveLif, params: { decay: "channel" }, gradients: ["x", "decay", "beta", "state.v"] },
];

describeOnStandIn("launches of random sizes", () => {
  it(`stay within their buffers and leave nothing behind, ${LAUNCHES} times`, async () => {
    const standIn = koffi.load(library!);
    const [bytesInUse, launches, leaks] = ["size_t standInBytesInUse(int device)", "uint64_t standInLaunches()", "const char *standInLeaks()"].map((signature) => standIn.func(signature));
    const device = await openCuda();
    const random = noise(11);
    const upTo = (limit: number): number => 1 + Math.floor(((random() + 1) / 2) * limit);

    // Blocks of exactly what is asked for, freed at once: an access past an end or after the end of a life is a fault.
    device.context.memory.allocate = (bytes) => ({ address: device.context.driver.get("cuMemAllocAsync", bytes, device.context.stream), bytes, arena: device.context.memory.newArena(), ordered: true, holders: 1, idle: false });
    device.context.memory.release = ({ address }) => device.context.driver.call("cuMemFreeAsync", address, device.context.stream);

    const run = (kernels: Plan, direction: "forward" | "backward", steps: number, channels: number, size: number): void => {
      const fresh = (elements: number, dtype: DType): Tensor => device.tensor(new arrayTypes[dtype](elements), [elements]);
      const buffers = Object.fromEntries(kernels[direction]!.buffers.map(({ name, time, extent, format }) => {
        const row = extent === "neuron" ? size : extent === "channel" ? channels : 1;
        return [name, fresh(time === "varying" ? elementsOf(format, steps, row) : row, bufferTypes[format])];
      }));
      device.kernel(kernels)[direction]({ steps, size, channels, buffers });
      for (const tensor of Object.values(buffers)) tensor.dispose();
    };

    const before = Number(launches());
    for (let i = 0; Number(launches()) - before < LAUNCHES; i++) {
      const steps = upTo(MAX_STEPS);
      const channels = upTo(20);
      const kernels = plan({ ...requests[i % requests.length], steps });
      const size = channels * upTo(40);
      run(kernels, "forward", steps, channels, size);
      if (kernels.backward) run(kernels, "backward", steps, channels, size);
      if (i % 100 === 0) await device.synchronize();
    }
    await device.synchronize();
    await device.dispose();
    expect(bytesInUse(0)).toBe(0);
    expect(leaks()).toBe("");
  });
});
