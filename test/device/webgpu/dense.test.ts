import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DenseMath, Device, Tensor, Window2d } from "../../../src/device/device.ts";
import { openDevice } from "../../../src/device/index.ts";
import { WebGpuDevice } from "../../../src/device/webgpu/device.ts";
import { DeviceError } from "../../../src/errors.ts";
import { normal, size, spikes, values } from "../reference.ts";
import { hasWebgpu, needsWebgpu } from "../../webgpu.ts";
import { countBuffers } from "./buffers.ts";
// After the device, which gives jax-js its workers.
import { lax, numpy as np, vjp } from "@jax-js/jax";
import { sample, thorough } from "../../sample.ts";

const same: Window2d = { size: [3, 3], stride: [1, 1], padding: [1, 1] };
const halves: Window2d = { size: [2, 2], stride: [2, 2], padding: [0, 0] };
const overlapping: Window2d = { size: [3, 3], stride: [2, 2], padding: [1, 1] };
const REPETITIONS = thorough ? 200 : 30;
const need = { input: true, bias: true };

/** Every operation that returns something. */
const operations: Record<string, (dense: DenseMath, t: (name: string) => Tensor) => Tensor | Record<string, Tensor | undefined>> = {
  linear: (dense, t) => dense.linear(t("x"), t("w"), t("b")),
  linearBackward: (dense, t) => dense.linearBackward(t("x"), t("w"), t("dy"), need),
  conv2d: (dense, t) => dense.conv2d(t("images"), t("kernel"), t("b"), same),
  conv2dBackward: (dense, t) => dense.conv2dBackward(t("images"), t("kernel"), t("slopes"), same, need),
  maxPool2d: (dense, t) => dense.maxPool2d(t("images"), overlapping),
  maxPool2dBackward: (dense, t) => dense.maxPool2dBackward(t("images"), t("pooled"), halves),
  maxPool2dBackwardOverlapping: (dense, t) => dense.maxPool2dBackward(t("images"), t("pooled"), overlapping),
  avgPool2d: (dense, t) => dense.avgPool2d(t("images"), halves),
  avgPool2dBackward: (dense, t) => dense.avgPool2dBackward(t("images").shape, t("pooled"), halves),
  channelMoments: (dense, t) => dense.channelMoments(t("images")),
  channelSums: (dense, t) => dense.channelSums(t("x")),
  channelDots: (dense, t) => dense.channelDots(t("dy"), t("dy")),
  channelAffine: (dense, t) => dense.channelAffine(t("dy"), t("b"), t("b"), t("dy"), t("b")),
  sumFirst: (dense, t) => dense.sumFirst(t("images"), 0.5),
  repeatFirst: (dense, t) => dense.repeatFirst(t("x"), 3, 2),
  sumOfSquares: (dense, t) => dense.sumOfSquares(t("w")),
  softmaxCrossEntropy: (dense, t) => dense.softmaxCrossEntropy(t("dy"), t("labels")),
  meanSquaredError: (dense, t) => dense.meanSquaredError(t("dy"), t("y")),
  weightedCrossEntropy: (dense, t) => dense.softmaxCrossEntropy(t("dy"), t("labels"), t("weights")),
  weightedSquaredError: (dense, t) => dense.meanSquaredError(t("dy"), t("y"), t("weights")),
};

const shapes: Readonly<Record<string, readonly number[]>> = {
  x: [96, 70], w: [70, 24], b: [24], dy: [96, 24], y: [96, 24], images: [3, 10, 6, 12], kernel: [3, 3, 12, 24], slopes: [3, 10, 6, 24], pooled: [3, 5, 3, 12], weights: [96],
};

const inputs = (make: (length: number) => Float32Array) => ({
  ...Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, (name === "x" || name === "images" ? make : normal)(size(shape))])),
  labels: Int32Array.from({ length: 96 }, (_, i) => i % 24),
});

function upload(device: Device, data: Record<string, Float32Array | Int32Array>): Record<string, Tensor> {
  return Object.fromEntries(Object.entries(data).map(([name, each]) => [name, device.tensor(each, shapes[name] ?? [each.length])]));
}

const listed = (result: Tensor | Record<string, Tensor | undefined>): Tensor[] => ("shape" in result ? [result as Tensor] : Object.values(result).filter((each) => each !== undefined));

describe.skipIf(!hasWebgpu)(needsWebgpu("dense math on webgpu"), () => {
  const devices: Device[] = [];
  const open = async (limits = {}): Promise<WebGpuDevice> => {
    const device = await WebGpuDevice.open(limits);
    devices.push(device);
    return device;
  };
  let device: WebGpuDevice;
  let narrow: WebGpuDevice;
  let dense: DenseMath;
  let cpu: Device;
  beforeAll(async () => {
    device = await open();
    narrow = await open({ workgroups: 30 });
    // As on a real GPU, which is filled by splitting products.
    Object.defineProperty(narrow, "software", { value: false });
    ({ dense } = device);
    devices.push((cpu = await openDevice("cpu", { threads: 2 })));
  });
  afterAll(() => Promise.all(devices.map((each) => each.dispose())));

  /** The results of all operations, by name. */
  async function results(on: Device, data: ReturnType<typeof inputs>): Promise<Record<string, number[][]>> {
    const tensors = upload(on, data);
    const all: Record<string, number[][]> = {};
    for (const [name, run] of Object.entries(operations)) {
      const outputs = listed(run(on.dense, (input) => tensors[input]));
      all[name] = await Promise.all(outputs.map(values));
      for (const tensor of outputs) tensor.dispose();
    }
    for (const tensor of Object.values(tensors)) tensor.dispose();
    return all;
  }

  it.each(sample([["random", normal], ["spiking", spikes(0.15)], ["silent", spikes(0)]] as const, 1))("agrees with the cpu on %s inputs, also through a grid of few workgroups", async (_, make) => {
    const data = inputs(make);
    const expected = await results(cpu, data);
    for (const on of [device, narrow]) {
      for (const [name, tensors] of Object.entries(await results(on, data))) {
        tensors.forEach((actual, i) => {
          const wanted = expected[name][i];
          const scale = wanted.reduce((largest, value) => Math.max(largest, Math.abs(value)), 1e-3);
          const worst = actual.reduce((error, value, k) => Math.max(error, Math.abs(value - wanted[k])), 0);
          expect(worst / scale, `${name}, result ${i}`).toBeLessThan(1e-5);
        });
      }
    }
  });

  it("differentiates as jax-js does", async () => {
    const tensors = upload(device, inputs(normal));
    const lent = (...names: string[]) => names.map((name) => device.lend(tensors[name], "test"));
    const images = (x: np.Array): np.Array => np.transpose(x, [0, 3, 1, 2]);
    const convolve = (x: np.Array, w: np.Array): np.Array => np.transpose(lax.convGeneralDilated(images(x), np.transpose(w, [3, 2, 0, 1]), [1, 1], [[1, 1], [1, 1]]), [0, 2, 3, 1]);
    const cases = [
      { f: np.matmul, primals: ["x", "w"], cotangent: "dy", own: dense.linearBackward(tensors.x, tensors.w, tensors.dy, need) },
      { f: convolve, primals: ["images", "kernel"], cotangent: "slopes", own: dense.conv2dBackward(tensors.images, tensors.kernel, tensors.slopes, same, need) },
    ];
    for (const { f, primals, cotangent, own } of cases) {
      const [y, transpose] = vjp(f as (...primals: np.Array[]) => np.Array, lent(...primals)) as unknown as [np.Array, (dy: np.Array) => np.Array[]];
      y.dispose();
      const gradients = transpose(lent(cotangent)[0]);
      for (const [i, gradient] of gradients.entries()) {
        const [expected, actual] = [(await gradient.data()) as Float32Array, await values([own.dx!, own.dw][i])];
        const worst = actual.reduce((error, value, k) => Math.max(error, Math.abs(value - expected[k])), 0);
        expect(worst).toBeLessThan(1e-5 * expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0));
      }
      for (const tensor of Object.values(own)) tensor?.dispose();
    }
    for (const tensor of Object.values(tensors)) tensor.dispose();
  });

  it("gives the same bits again", async () => {
    const data = inputs(spikes(0.2));
    expect(await results(device, data)).toEqual(await results(device, data));
  });

  it("returns memory of its own, also where the values stay the same", async () => {
    using x = device.tensor(Float32Array.of(1, 2, 3, 4), [1, 4]);
    using one = device.tensor(Float32Array.of(1), [1, 1]);
    using row = x.reshape([4]);
    using column = x.reshape([4, 1]);
    using image = x.reshape([1, 2, 2, 1]);
    const pixel: Window2d = { size: [1, 1], stride: [1, 1], padding: [0, 0] };
    const copies = [dense.repeatFirst(row, 1, 1), dense.sumFirst(x, 1), dense.channelSums(x), dense.linear(column, one), dense.avgPool2d(image, pixel)];
    dense.scale(x, 10);
    for (const copy of copies) {
      expect(await values(copy)).toEqual([1, 2, 3, 4]);
      dense.scale(copy, 0);
      copy.dispose();
    }
    expect(await values(row)).toEqual([10, 20, 30, 40]);
  });

  it("updates a tensor through its views, and by itself", async () => {
    using x = device.tensor(Float32Array.of(1, 2, 3, 4), [4]);
    using view = x.reshape([2, 2]);
    dense.addInto(view, view, 0.5);
    expect(await values(x)).toEqual([1.5, 3, 4.5, 6]);
    using other = x.reshape([4]);
    dense.addInto(x, other, -1);
    expect(await values(view)).toEqual([0, 0, 0, 0]);
  });

  it("takes factors of any number", async () => {
    using x = device.tensor(Float32Array.of(0), [1]);
    using one = device.tensor(Float32Array.of(1), [1]);
    for (let i = 0; i < 600; i++) dense.addInto(x, one, i);
    expect(await values(x)).toEqual([(599 * 600) / 2]);
  });

  it("makes the loss not a number where a label is no class", async () => {
    using logits = device.tensor(normal(6), [2, 3]);
    for (const wrong of [3, -1]) {
      using labels = device.tensor(Int32Array.of(0, wrong), [2]);
      const { loss, gradient, correct } = dense.softmaxCrossEntropy(logits, labels);
      expect(await values(loss)).toEqual([Number.NaN]);
      expect((await values(correct))[0]).toBeLessThanOrEqual(1);
      for (const tensor of [loss, gradient, correct]) tensor.dispose();
    }
  });

  it("says what to do where a tensor is larger than a binding, and keeps nothing", async () => {
    const small = await open({ bindingBytes: 4096 });
    using x = small.zeros([16, 64]);
    using w = small.zeros([64, 16]);
    using wide = small.zeros([64, 17]);
    const before = small.bytesInUse;
    expect(() => small.dense.linear(x, wide)).toThrow(/linear: a tensor \[64,17\] takes 4352 bytes, a kernel of this GPU can bind 4096; use smaller batches/);
    expect(() => small.dense.repeatFirst(w, 2, 1)).toThrow(DeviceError);
    small.dense.linear(x, w).dispose();
    expect(small.bytesInUse).toBe(before);
  });

  it("frees what an operation has made when it fails", async () => {
    const tiny = await open({ workgroups: 1 });
    using x = tiny.zeros([16, 64]);
    const before = tiny.bytesInUse;
    expect(() => tiny.dense.repeatFirst(x, 4, 1)).toThrow(/exceed this GPU's grid/);
    expect(() => tiny.dense.channelMoments(x)).toThrow(/exceed this GPU's grid/);
    expect(tiny.bytesInUse).toBe(before);
  });

  it(`keeps memory flat over ${REPETITIONS} repetitions of everything`, async () => {
    const count = countBuffers(device.gpu);
    const tensors = upload(device, inputs(spikes(0.2)));
    const everything = (): void => {
      for (const run of Object.values(operations)) for (const tensor of listed(run(dense, (name) => tensors[name]))) tensor.dispose();
      dense.addInto(tensors.dy, tensors.y, 0.5);
      dense.scale(tensors.dy, 0.5);
    };
    for (let i = 0; i < 3; i++) everything();
    await device.synchronize();
    const before = { ...count };
    const bytes = device.bytesInUse;
    for (let i = 0; i < REPETITIONS; i++) {
      everything();
      if (i % 10 === 0) await device.synchronize();
    }
    await device.synchronize();
    expect(count).toEqual(before);
    expect(device.bytesInUse).toBe(bytes);
  });
});
