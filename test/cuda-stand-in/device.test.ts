import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { CudaDevice } from "../../src/device/cuda/device.ts";
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

  const at = (index: number, x: number, y: number): void => device.context.launch(device.context.function("touch", touch, "touch"), 1, [y, x, index]);

  it("have an end, though the pool's blocks are larger", async () => {
    const [x, y] = [device.zeros([10]), device.zeros([1])];
    at(9, device.context.ptr(x, ""), device.context.ptr(y, ""));
    expect(await device.read(y)).toEqual(Float32Array.of(0));
    at(10, device.context.ptr(x, ""), device.context.ptr(y, ""));
    await expect(device.synchronize()).rejects.toThrow(/ILLEGAL_ADDRESS/);
    expect(cuda.lastFault()).toMatch(/kernel touch: read of 4 bytes at offset 40 of device 0, block \d+ of 512 bytes, past the end of the 40 bytes of it that are in use/);
    await device.dispose();
  });

  it("have an end in graphs, too, at each launch", async () => {
    const y = device.zeros([1]);
    device.zeros([10]).dispose();
    const graphOf = (index: number) => device.capture(() => {
      using x = device.zeros([10]);
      at(index, device.context.ptr(x, ""), device.context.ptr(y, ""));
    });
    at(0, device.context.ptr(y, ""), device.context.ptr(y, ""));
    const inside = graphOf(9);
    inside.launch();
    inside.launch();
    await device.synchronize();
    inside.dispose();
    graphOf(10).launch();
    await expect(device.synchronize()).rejects.toThrow(/ILLEGAL_ADDRESS/);
    expect(cuda.lastFault()).toMatch(/past the end of the 40 bytes of it that are in use/);
    await device.dispose();
  });

  it("are gone once disposed, though the pool keeps the block; a kernel queued before still finds them", async () => {
    const [x, y] = [device.zeros([10]), device.zeros([1])];
    const address = device.context.ptr(x, "");
    at(0, address, device.context.ptr(y, ""));
    x.dispose();
    await device.synchronize();
    at(0, address, device.context.ptr(y, ""));
    await expect(device.synchronize()).rejects.toThrow(/ILLEGAL_ADDRESS/);
    expect(cuda.lastFault()).toContain("which is not in use");
    await device.dispose();
  });

  it("do not find the values of those before them", async () => {
    device.zeros([10]).dispose();
    expect(await device.read(device.empty([1]))).toEqual(Float32Array.of(NaN));
    await device.dispose();
  });
});
