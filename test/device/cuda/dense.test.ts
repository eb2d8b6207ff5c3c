import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { CublasLt } from "../../../src/device/cuda/cublasLt.ts";
import { Cudnn } from "../../../src/device/cuda/cudnn.ts";
import type { CudaDevice } from "../../../src/device/cuda/device.ts";
import type { Device, Precision, Tensor } from "../../../src/device/device.ts";
import { openDevice } from "../../../src/device/index.ts";
import { DeviceError } from "../../../src/errors.ts";
import { sample } from "../../sample.ts";
import { normal, values } from "../reference.ts";
import { fromBf16, type Operation, operations, others, products, toBf16, type Types, typeOf, valuesOf } from "./operations.ts";
import { describeOnStandIn, openCuda } from "./standIn.ts";

/** Half a unit in the last place of bf16's 8 bits, of TF32's 11. */
const BF16 = 2 ** -8;
const TF32 = 2 ** -11;
const F32 = 1e-5;

describeOnStandIn("dense math on cuda", () => {
  let device: CudaDevice;
  let cpu: Device;
  beforeAll(async () => {
    [device, cpu] = await Promise.all([openCuda(), openDevice("cpu", { threads: 1 })]);
  });
  afterAll(() => Promise.all([device.dispose(), cpu.dispose()]));

  const upload = (on: Device, { inputs }: Operation, data: readonly (Float32Array | Int32Array)[], types: Types): Tensor[] => inputs.map(({ kind, shape }, i) => {
    const tensor = on.empty(shape, typeOf(kind, types));
    on.write(tensor, tensor.dtype === "bf16" ? toBf16(data[i] as Float32Array) : data[i]);
    return tensor;
  });
  const download = async (tensor: Tensor | undefined): Promise<Float32Array> => {
    const data = await tensor!.device.read(tensor!);
    return tensor!.dtype === "bf16" ? fromBf16(data as Uint16Array) : (data as Float32Array);
  };
  const f32: Types = { x: "f32", dy: "f32" };

  /** The results are those of the cpu device in f32 but for what is rounded, relative to the largest, and are of the types that they should be. */
  async function agrees(operation: Operation, precision: Precision, types: Types, sums = F32): Promise<void> {
    // cuDNN writes what it has summed in f32 as its factors' type, a gradient of weights too.
    const narrow = precision === "bfloat16" && operation.name.startsWith("conv");
    const rounded = (operation.roundings ?? 1) * BF16;
    const bounds = { f32: narrow ? rounded : sums, bf16: rounded };
    const data = valuesOf(operation);
    const inputs = upload(device, operation, data, types);
    const before = device.bytesInUse;
    const results = operation.run(device.denseFor(precision), inputs);
    expect(results.map((tensor) => tensor!.dtype)).toEqual(operation.results.map((kind) => typeOf(kind, types)));
    const expected = operation.run(cpu.dense, upload(cpu, operation, data, f32));
    for (const [i, tensor] of results.entries()) {
      const [actual, exact] = [await download(tensor), await download(expected[i])];
      const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
      const worst = actual.reduce((most, value, at) => Math.max(most, Math.abs(value - exact[at])), 0) / largest;
      expect(tensor!.shape).toEqual(expected[i]!.shape);
      expect(worst, `result ${i}`).toBeLessThan(bounds[tensor!.dtype as "f32" | "bf16"]);
    }
    for (const tensor of results) tensor!.dispose();
    expect(device.bytesInUse).toBe(before);
    for (const tensor of inputs) tensor.dispose();
  }

  describe("in bfloat16", () => {
    it.each(sample(operations, 16))("$name", (operation) => agrees(operation, "bfloat16", { x: "bf16", dy: "bf16" }));
    it.each(sample(operations, 8))("with gradients and seconds of f32: $name", (operation) => agrees(operation, "bfloat16", { x: "bf16", dy: "f32" }));
    it.each(sample(operations, 8))("of f32, with gradients and seconds of bf16: $name", (operation) => agrees(operation, "bfloat16", { x: "f32", dy: "bf16" }));
  });

  it.each(sample(products, 4))("reads factors of f32 with 10 bits in tf32: $name", (operation) => agrees(operation, "tf32", f32, 4 * TF32));
  it.each(sample(products, 4))("takes bf16 in float32, too: $name", (operation) => agrees(operation, "float32", { x: "bf16", dy: "bf16" }));
  it.each(sample(others, 8))("has the cpu's results in float32: $name", (operation) => agrees(operation, "float32", f32));

  it("differs between float32, tf32 and bfloat16 by what they round", async () => {
    const [x, w] = [device.tensor(Float32Array.of(1 + 2 ** -6, 1 + 2 ** -9, 1 + 2 ** -20), [3, 1]), device.tensor(Float32Array.of(1), [1, 1])];
    const result = async (precision: Precision) => values(device.denseFor(precision).linear(x, w));
    expect(await result("float32")).toEqual([1 + 2 ** -6, 1 + 2 ** -9, 1 + 2 ** -20]);
    expect(await result("tf32")).toEqual([1 + 2 ** -6, 1 + 2 ** -9, 1]);
    expect(await result("bfloat16")).toEqual([1 + 2 ** -6, 1, 1]);
  });

  it("casts to bf16 to nearest even, and back", async () => {
    const x = device.tensor(Float32Array.of(1 + 2 ** -8, 1 + 3 * 2 ** -8, -1 - 2 ** -7, 3e38 * 1.1, NaN, 2 ** -130, -0), [7]);
    using narrow = device.dense.cast(x, "bf16");
    using wide = device.dense.cast(narrow, "f32");
    expect(await values(wide)).toEqual([1, 1 + 2 ** -6, -1 - 2 ** -7, fromBf16(Uint16Array.of(0x7f78))[0], NaN, 2 ** -130, -0]);
  });

  it.each([-1, 3, 2 ** 31 - 1])("makes the loss not a number for the label %i, which is no class of 3", async (label) => {
    const { loss, correct } = device.dense.softmaxCrossEntropy(device.tensor(normal(6), [2, 3]), device.tensor(Int32Array.of(label, 0), [2]));
    expect(await values(loss)).toEqual([NaN]);
    expect((await values(correct))[0]).toBeLessThanOrEqual(1);
  });

  it("sums many terms well", async () => {
    const tenths = device.empty([400_000, 5]);
    device.write(tenths, new Float32Array(tenths.size).fill(0.1));
    const tenth = Math.fround(0.1);
    const { mean, variance } = device.dense.channelMoments(tenths);
    for (const sum of [device.dense.channelSums(tenths), device.dense.sumFirst(tenths, 1)]) for (const value of await values(sum)) expect(Math.abs(value / (4e5 * tenth) - 1)).toBeLessThan(1e-6);
    expect(Math.abs((await values(device.dense.sumOfSquares(tenths)))[0] / (2e6 * tenth ** 2) - 1)).toBeLessThan(1e-6);
    expect(await values(mean)).toEqual(Array.from({ length: 5 }, () => tenth));
    expect(await values(variance)).toEqual([0, 0, 0, 0, 0]);
  });

  describe.each(sample(operations, 8))("$name", (operation) => {
    const types: Types = { x: "bf16", dy: "f32" };
    /** Its results, byte for byte. */
    const bits = async (results: readonly (Tensor | undefined)[]) => Promise.all(results.map(async (tensor) => Buffer.from((await device.read(tensor!)).buffer).toString("hex")));

    it("replays as part of a graph, bit for bit", async () => {
      const inputs = upload(device, operation, valuesOf(operation), types);
      const dense = device.denseFor("bfloat16");
      const once = await bits(operation.run(dense, inputs));
      let results: (Tensor | undefined)[] = [];
      const graph = device.capture(() => { results = operation.run(dense, inputs); });
      for (let n = 0; n < 2; n++) {
        graph.launch();
        expect(await bits(results)).toEqual(once);
      }
      const other = valuesOf(operation);
      inputs.forEach((tensor, i) => device.write(tensor, tensor.dtype === "bf16" ? toBf16(other[i] as Float32Array) : other[i]));
      graph.launch();
      expect(await bits(results)).toEqual(await bits(operation.run(dense, inputs)));
      graph.dispose();
    });

    it("does not depend on the order of blocks", async () => {
      const inputs = upload(device, operation, valuesOf(operation), types);
      const once = await bits(operation.run(device.denseFor("bfloat16"), inputs));
      process.env.STAND_IN_ORDER = "reversed";
      try {
        expect(await bits(operation.run(device.denseFor("bfloat16"), inputs))).toEqual(once);
      } finally {
        delete process.env.STAND_IN_ORDER;
      }
    });
  });
});

describeOnStandIn("libraries of dense math on cuda", () => {
  const window = { size: [3, 3], stride: [1, 1], padding: [1, 1] } as const;

  it("are opened when something needs them, and closed with the device", async () => {
    const opened = [vi.spyOn(CublasLt, "open"), vi.spyOn(Cudnn, "open")];
    try {
      const device = await openCuda();
      const [x, w] = [device.zeros([4, 5]), device.zeros([5, 3])];
      device.dense.channelSums(x);
      expect(opened.map((open) => open.mock.calls.length)).toEqual([0, 0]);
      device.dense.linearBackward(x, w, device.dense.linear(x, w), { input: true, bias: true });
      device.denseFor("bfloat16").linear(x, w);
      device.dense.conv2d(x.reshape([1, 2, 2, 5]), w.reshape([1, 1, 5, 3]), undefined, { size: [1, 1], stride: [1, 1], padding: [0, 0] });
      expect(opened.map((open) => open.mock.calls.length)).toEqual([1, 0]);
      for (const precision of ["float32", "tf32"] as const) device.denseFor(precision).conv2d(device.zeros([1, 4, 4, 5]), device.zeros([3, 3, 5, 8]), undefined, window);
      expect(opened.map((open) => open.mock.calls.length)).toEqual([1, 1]);
      await device.dispose();
    } finally {
      for (const open of opened) open.mockRestore();
    }
  });

  it("that are missing are an error of what needs them, which leaves nothing allocated", async () => {
    const device = await openCuda();
    const open = vi.spyOn(Cudnn, "open").mockImplementation(() => { throw new DeviceError("cuda: cuDNN 9 was not found. Install it with pip install nvidia-cudnn-cu13."); });
    const [x, w, dy] = [device.zeros([1, 4, 4, 5], "bf16"), device.zeros([3, 3, 5, 8]), device.zeros([1, 4, 4, 8])];
    const before = device.bytesInUse;
    expect(() => device.denseFor("bfloat16").conv2d(x, w, undefined, window)).toThrow(/pip install nvidia-cudnn-cu13/);
    expect(() => device.denseFor("bfloat16").conv2dBackward(x, w, dy, window, { input: true, bias: true })).toThrow(/pip install nvidia-cudnn-cu13/);
    expect(device.bytesInUse).toBe(before);
    device.dense.linear(x.reshape([16, 5]), device.zeros([5, 3])).dispose();
    open.mockRestore();
    device.denseFor("bfloat16").conv2d(x, w, undefined, window).dispose();
    await device.dispose();
  });

  it("cannot be opened by what a graph records", async () => {
    const device = await openCuda();
    const [x, w] = [device.zeros([4, 5]), device.zeros([5, 3])];
    expect(() => device.capture(() => device.dense.linear(x, w))).toThrow(/opening cuBLASLt cannot be part of a graph; do it before/);
    device.dense.linear(x, w);
    device.capture(() => device.dense.linear(x, w)).dispose();
    await device.dispose();
  });

  it("count as dense in a profile, all else as the rest", async () => {
    const device = await openCuda("cuda", { profile: true });
    const x = device.zeros([64, 64]);
    const { rest } = device.time;
    device.dense.linear(x, x);
    expect(device.time).toMatchObject({ neuron: 0, rest });
    const { dense } = device.time;
    expect(dense).toBeGreaterThan(0);
    device.dense.channelSums(x);
    expect(device.time.dense).toBe(dense);
    expect(device.time.rest).toBeGreaterThan(rest);
    await device.dispose();
  });
});
