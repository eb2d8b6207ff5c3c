import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Tensor } from "../../../src/device/device.ts";
import { WebGpuDevice } from "../../../src/device/webgpu/device.ts";
import { plan, type PlanRequest } from "../../../src/fusion/plan.ts";
import { lif } from "../../../src/neuron/index.ts";
import { defineStep } from "../../../src/neuron/define.ts";
import { recurrentOf } from "../../conformance/cases.ts";
import { conform, difference } from "../../conformance/suite.ts";
import { adaptiveLif } from "../../conformance/neurons.ts";
import { hasWebgpu, needsWebgpu } from "../../webgpu.ts";
import { countBuffers } from "./buffers.ts";
import { sample, thorough } from "../../sample.ts";

const LAUNCHES = thorough ? 1000 : 200;

const allOf = { gradients: ["x", "decay", "rho", "beta", "state.v", "state.a"], record: ["v"], finalState: true };

describe.skipIf(!hasWebgpu)(needsWebgpu("fused kernels on webgpu"), () => {
  const devices: WebGpuDevice[] = [];
  const open = async (limits = {}): Promise<WebGpuDevice> => {
    const device = await WebGpuDevice.open(limits);
    devices.push(device);
    return device;
  };
  let device: WebGpuDevice;
  beforeAll(async () => { device = await open(); });
  afterAll(() => Promise.all(devices.map((each) => each.dispose())));

  async function expectEqual(on: WebGpuDevice, request: PlanRequest, size: number, channels: number): Promise<void> {
    const { plan: kernels, expected, actual } = await conform(on, request, size, channels);
    for (const spec of [...kernels.forward.buffers, ...kernels.backward!.buffers]) {
      if (spec.direction === "out") expect(difference(spec, request.steps, actual[spec.name], expected[spec.name]), spec.name).toBeLessThan(1e-4);
    }
  }

  it("run a population that is larger than a binding in strips", async () => {
    const small = await open({ bindingBytes: 4096 });
    for (const steps of sample([1, 20, 70], 1)) await expectEqual(small, { neuron: adaptiveLif, steps, ...allOf }, 1004, 1004);
    await expectEqual(small, { neuron: adaptiveLif, steps: 20, ...allOf, params: { decay: "channel", beta: "channel" } }, 1001, 7);
  });

  it("cut a population whose neurons read one another between its samples", async () => {
    const small = await open({ bindingBytes: 4096 });
    await expectEqual(small, { ...recurrentOf(adaptiveLif), steps: 5 }, 15 * 24, 15);
    await expectEqual(small, { ...recurrentOf(adaptiveLif), steps: 5, params: { beta: "channel" } }, 15 * 24, 15);
    await expect(conform(small, { ...recurrentOf(adaptiveLif), steps: 100 }, 30, 30)).rejects.toThrow(/use fewer time steps or channels/);
  });

  it("hold as many neurons that read one another as a workgroup can, and say how many those are", async () => {
    const small = await open({ threads: 64 });
    await expectEqual(small, { ...recurrentOf(adaptiveLif), steps: 4 }, 2 * 250, 250);
    await expect(conform(small, { ...recurrentOf(adaptiveLif), steps: 4 }, 257, 257)).rejects.toThrow(/257 neurons that are connected all to all exceed the 256 that a workgroup of this GPU can hold; make the recurrent layer smaller/);
    const narrow = await open({ sharedBytes: 1024 });
    await expect(conform(narrow, { ...recurrentOf(adaptiveLif), steps: 4 }, 128, 128)).rejects.toThrow(/128 neurons .* exceed the 96/);
    const rows = await open({ workgroups: 6 });
    await expectEqual(rows, { ...recurrentOf(adaptiveLif), steps: 3 }, 10 * 40, 40);
  });

  it("say what to do where strips cannot help", async () => {
    const small = await open({ bindingBytes: 4096 });
    await expect(conform(small, { neuron: lif(), steps: 2000 }, 100, 100)).rejects.toThrow(/use fewer time steps or channels/);
    await expect(conform(small, { neuron: lif(), steps: 40, outputs: { spike: "u8" } }, 1001, 1001)).rejects.toThrow(/make the number of neurons a multiple of 4/);
  });

  it("run a population that is larger than a row of the grid", async () => {
    const narrow = await open({ workgroups: 5 });
    await expectEqual(narrow, { neuron: adaptiveLif, steps: 3, ...allOf }, 1501, 1501);
    await expect(conform(narrow, { neuron: lif(), steps: 1 }, 100_001, 1)).rejects.toThrow(/exceed this GPU's grid/);
  });

  it("update in place, over one step only", async () => {
    const neuron = defineStep({ name: "halve", state: { v: 0 }, step: ({ v }, { x }) => ({ v: v.mul(0.5).add(x) }) });
    const kernel = device.kernel(plan({ neuron, steps: 1, initialState: true, finalState: true, }));
    using x = device.tensor(Float32Array.of(1, 2, 3, 4, 5), [5]);
    using v = device.tensor(Float32Array.of(2, 4, 6, 8, 10), [5]);
    kernel.forward({ steps: 1, size: 5, buffers: { x, "state.v": v, "final.v": v } });
    expect(await device.read(v)).toEqual(Float32Array.of(2, 4, 6, 8, 10));
    kernel.forward({ steps: 1, size: 5, buffers: { x, "state.v": v, "final.v": v } });
    kernel.forward({ steps: 1, size: 5, buffers: { x: v, "state.v": v, "final.v": v } });
    expect(await device.read(v)).toEqual(Float32Array.of(3, 6, 9, 12, 15));
    using two = device.zeros([10]);
    const more = device.kernel(plan({ neuron: lif(), steps: 2 }));
    expect(() => more.forward({ steps: 2, size: 5, buffers: { x: two, spike: two } })).toThrow(/shares its memory/);
  });

  it(`keep device memory flat over ${LAUNCHES} forward and backward launches`, async () => {
    const count = countBuffers(device.gpu);
    const [steps, size] = [8, 640];
    const kernel = device.kernel(plan({ neuron: adaptiveLif, steps, gradients: ["x", "decay"] }));
    const launch = async (): Promise<void> => {
      const owned: Tensor[] = [];
      const own = (tensor: Tensor): Tensor => { owned.push(tensor); return tensor; };
      const shared = { x: own(device.tensor(new Float32Array(steps * size).fill(0.7), [steps, size])), ...Object.fromEntries(["decay", "rho", "beta"].map((name) => [name, own(device.tensor(Float32Array.of(0.9), [1]))])) };
      kernel.forward({ steps, size, buffers: { ...shared, spike: own(device.empty([steps, size])) } });
      kernel.backward({ steps, size, buffers: { ...shared, "d.spike": own(device.zeros([steps, size])), "grad.x": own(device.empty([steps, size])), "grad.decay": own(device.empty([1])) } });
      for (const tensor of owned) tensor.dispose();
    };
    for (let i = 0; i < 5; i++) await launch();
    await device.synchronize();
    const before = { ...count };
    const bytes = device.bytesInUse;
    for (let i = 0; i < LAUNCHES; i++) await launch();
    await device.synchronize();
    expect(count).toEqual(before);
    expect(device.bytesInUse).toBe(bytes);
  });

  it("report a kernel that fails with the next synchronisation", async () => {
    const broken = await open();
    broken.pipelines.get("broken", "this is no WGSL", "main");
    await expect(broken.synchronize()).rejects.toThrow(/work that was queued before this synchronize failed/);
    await broken.synchronize();
  });
});
