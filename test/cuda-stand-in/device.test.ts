import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CudaDevice } from "../../src/device/cuda/device.ts";
import { type BufferSpec, plan } from "../../src/fusion/plan.ts";
import { elementsOf } from "../../src/codegen/formats.ts";
import { lif } from "../../src/neuron/index.ts";
import { adaptiveLif } from "../conformance/neurons.ts";
import { noise } from "../conformance/suite.ts";
import { library, openCuda, useStandIn } from "../device/cuda/standIn.ts";
import { bind, type Cuda } from "./bindings.ts";
import { exactTensors } from "./exactTensors.ts";

const touch = `extern "C" __global__ void __launch_bounds__(256) touch(float* y, const float* x, const long long at) { y[0] = x[at]; }`;

describe.skipIf(library === null)("tensors of a cuda device on the stand-in", () => {
  let cuda: Cuda;
  let device: CudaDevice;
  beforeAll(() => {
    useStandIn();
    exactTensors(library!);
    cuda = bind(library!);
  });
  beforeEach(async () => { device = await openCuda(); });

  const at = (index: number, x: number, y: number): void => device.launch(device.function("touch", touch, "touch"), 1, [y, x, index]);

  it("have an end, though the pool's blocks are larger", async () => {
    const [x, y] = [device.zeros([10]), device.zeros([1])];
    at(9, device.ptr(x, ""), device.ptr(y, ""));
    expect(await device.read(y)).toEqual(Float32Array.of(0));
    at(10, device.ptr(x, ""), device.ptr(y, ""));
    await expect(device.synchronize()).rejects.toThrow(/ILLEGAL_ADDRESS/);
    expect(cuda.lastFault()).toMatch(/kernel touch: read of 4 bytes at offset 40 of device 0, block \d+ of 512 bytes, past the end of the 40 bytes of it that are in use/);
    await device.dispose();
  });

  it("are gone once disposed, though the pool keeps the block; a kernel queued before still finds them", async () => {
    const [x, y] = [device.zeros([10]), device.zeros([1])];
    const address = device.ptr(x, "");
    at(0, address, device.ptr(y, ""));
    x.dispose();
    await device.synchronize();
    at(0, address, device.ptr(y, ""));
    await expect(device.synchronize()).rejects.toThrow(/ILLEGAL_ADDRESS/);
    expect(cuda.lastFault()).toContain("which is not in use");
    await device.dispose();
  });

  it("do not find the values of those before them", async () => {
    device.zeros([10]).dispose();
    expect(await device.read(device.empty([1]))).toEqual(Float32Array.of(NaN));
    await device.dispose();
  });

  it("stay within their bounds over 10 000 launches of odd sizes, and none is left", async () => {
    const random = noise(11);
    const integer = (below: number): number => Math.floor(((random() + 1) / 2) * below);
    const kinds = [
      plan({ neuron: lif(), steps: 1 }), plan({ neuron: lif(), steps: 1, outputs: { spike: "bits" } }), plan({ neuron: lif(), steps: 1, outputs: { spike: "u8" } }),
      plan({ neuron: adaptiveLif, steps: 7, gradients: ["x", "beta"], params: { beta: "channel" }, finalState: true }),
      plan({ neuron: adaptiveLif, steps: 90, gradients: ["x", "decay"] }),
    ].map((kernels) => device.kernel(kernels));
    let launches = 0;
    while (launches < 10_000) {
      const kernel = kinds[integer(kinds.length)];
      const { forward, backward, checkpointEvery } = kernel.plan;
      const channels = 1 + integer(40);
      const size = channels * (1 + integer(8));
      const steps = checkpointEvery === null ? 1 + integer(kernel.plan.steps) : kernel.plan.steps;
      const length = ({ time, extent, format }: BufferSpec): number => {
        const row = extent === "layer" ? 1 : extent === "channel" ? channels : size;
        return time === "varying" ? elementsOf(format, steps, row) : time === "constant" ? row : (Math.ceil(steps / checkpointEvery!) - 1) * row;
      };
      const dtype = { f32: "f32", f16: "u16", bf16: "u16", u8: "u8", bits: "u32" } as const;
      const specs = new Map([...forward.buffers, ...(backward?.buffers ?? [])].map((spec) => [spec.name, spec]));
      const buffers = Object.fromEntries([...specs].map(([name, spec]) => [name, device.empty([length(spec)], dtype[spec.format])]));
      kernel.forward({ steps, size, channels, buffers });
      if (backward) kernel.backward({ steps, size, channels, buffers });
      launches += backward ? 2 : 1;
      Object.values(buffers).forEach((tensor) => tensor.dispose());
    }
    await device.synchronize();
    expect(device.bytesInUse).toBe(0);
    await device.dispose();
    expect(cuda.bytesInUse(0)).toBe(0);
    expect(cuda.leaks()).toBe("");
  });
});
