import { readFileSync, writeFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { encodeTorch, exportTorch, FileFormatError, importTorch, leaky, lif, OptionError, type TorchLibrary } from "../../../src/index.ts";
import { batchNorm2d, conv2d, flatten, groupNorm, Layer, linear, type Model, rate, recurrent, residual, sequential, spiking, type Tape, type Variable } from "../../../src/nn/index.ts";
import { decodeForeignSafetensors, encodeSafetensors, type WritableTensor } from "../../../src/train/safetensors.ts";
import { buildModel, openTestDevice, product, read, uniform } from "../../nn/helpers.ts";
import { evaluate, shapeHere, smallCases, type StateDictCase } from "../../peers/stateDicts.ts";

let device: Device;
let directory: string;
beforeAll(async () => {
  device = await openTestDevice();
  directory = await mkdtemp(join(tmpdir(), "spikefold-torch-"));
});
afterAll(async () => {
  await device.dispose();
  await rm(directory, { recursive: true });
});

const modelOf = (given: StateDictCase, seed?: number): Model => buildModel(given.build(), device, shapeHere(given), given.steps, seed);
const named = smallCases.map((each) => [each.name, each] as const);
const valuesOf = (model: Model): Promise<Float32Array[]> => Promise.all([...model.parameters(), ...model.buffers()].map(({ value }) => read(value)));

describe("a state dict of a peer's", () => {
  it.each(named)("makes a network that spikes as there: %s", async (_, given) => {
    using model = modelOf(given);
    const { missing, unexpected } = await importTorch(model, given.file, { from: given.library, names: given.names });
    expect([missing, unexpected]).toEqual([[], []]);
    const { spikes, outputs } = await evaluate(model, given);
    expect(spikes).toEqual(given.spikes);
    expect(outputs).toEqual(given.outputs);
  });

  it.each(named)("comes back from bytes, in both formats, to the last bit: %s", async (_, given) => {
    const options = { names: given.names, prefix: "module." };
    for (const format of ["safetensors", "npz"] as const) {
      using model = modelOf(given, 1);
      using other = modelOf(given, 2);
      const { loaded } = await importTorch(other, await encodeTorch(model, { to: given.library, ...options, format }), { from: given.library, ...options });
      expect(loaded.length).toBeGreaterThanOrEqual(model.parameters().length);
      expect(await valuesOf(other)).toEqual(await valuesOf(model));
    }
  });

  it("has the names, shapes and types of the peer's own file", async () => {
    const describeAll = (bytes: Uint8Array): string[] => [...decodeForeignSafetensors(bytes, "")].map(([name, { shape, dtype }]) => `${name} [${shape}] ${dtype}`).sort();
    const files = smallCases.filter(({ file }) => file.endsWith(".safetensors"));
    expect(files.length).toBeGreaterThan(1);
    for (const given of files) {
      using model = modelOf(given);
      expect(describeAll(await encodeTorch(model, { to: given.library }))).toEqual(describeAll(readFileSync(given.file)));
    }
  });

  it("is written to a file by its ending, whole or not at all", async () => {
    const [given] = smallCases;
    using model = modelOf(given);
    for (const format of ["safetensors", "npz"] as const) {
      const path = join(directory, `net.${format}`);
      await exportTorch(model, path, { to: given.library });
      expect(new Uint8Array(readFileSync(path))).toEqual(await encodeTorch(model, { to: given.library, format }));
    }
    await expect(exportTorch(model, join(directory, "net.pt"), { to: "torch" })).rejects.toThrow(/ends in \.safetensors or \.npz/);
  });
});

/** Sets a model from tensors. */
const take = (model: Model, tensors: Record<string, WritableTensor>, options: object = {}) => importTorch(model, encodeSafetensors(tensors), { from: "torch", ...options });
const floats = (shape: number[], from = 0): WritableTensor => ({ shape, data: Float32Array.from({ length: product(shape) }, (_, i) => from + i) });

describe("the axes", () => {
  it("of a linear layer are the other way round, its inputs after a flatten with the channels first", async () => {
    using model = buildModel(sequential(flatten(), linear(12, 2, { bias: false })), device, [2, 3, 2], 1);
    await take(model, { "1.weight": floats([2, 12]) });
    const weight = await read(model.parameters()[0].value);
    // Input (h, w, c) is row h·6 + w·2 + c here and column c·6 + h·3 + w there.
    for (const [h, w, c, o] of [[0, 0, 1, 0], [1, 2, 0, 1], [1, 0, 1, 1], [0, 2, 0, 0]]) expect(weight[(h * 6 + w * 2 + c) * 2 + o]).toBe(o * 12 + c * 6 + h * 3 + w);
  });

  it("of what stands between a flatten and the linear layer are put in order as well", async () => {
    using model = buildModel(sequential(flatten(), batchNorm2d(12), spiking(leaky({ learnable: ["beta"] }), { perChannel: ["beta"] }), recurrent(leaky()), linear(12, 1)), device, [3, 2, 2], 1);
    await take(model, {
      "1.weight": floats([12]), "1.bias": floats([12]), "1.running_mean": floats([12]), "1.running_var": floats([12]), "2.beta": floats([12]), "3.recurrent.weight": floats([12, 12]), "3.recurrent.bias": floats([12]),
      "4.weight": floats([1, 12]), "4.bias": floats([1]),
    });
    const there = Array.from({ length: 12 }, (_, i) => (i % 2) * 6 + Math.floor(i / 2));
    const [gamma, beta, decay, weight, bias, last] = await Promise.all(model.parameters().map(({ value }) => read(value)));
    for (const each of [gamma, beta, decay, bias, last, await read(model.buffers()[1].value)]) expect([...each]).toEqual(there);
    expect(weight[3 * 12 + 7]).toBe(there[7] * 12 + there[3]);
  });

  it("of a flatten inside a function and a residual are found", async () => {
    const [flat, first, second] = [flatten(), linear(12, 12), linear(12, 3)];
    const graph = (tape: Tape, x: Variable): Variable => {
      const h = flat.forward(tape, x);
      return second.forward(tape, tape.add(first.forward(tape, h), first.forward(tape, h)));
    };
    using model = buildModel(sequential(residual(graph, { shortcut: sequential(conv2d(2, 1, { kernel: [2, 2] }), flatten(), linear(2, 3)) })), device, [2, 3, 2], 1);
    const names = { "0.body.0.1": "fc1", "0.body.0.2": "fc2", "0.shortcut": "past" };
    await take(model, {
      "fc1.weight": floats([12, 12]), "fc1.bias": floats([12]), "fc2.weight": floats([3, 12]), "fc2.bias": floats([3]),
      "past.0.weight": floats([1, 2, 2, 2]), "past.0.bias": floats([1]), "past.2.weight": floats([3, 2]), "past.2.bias": floats([3]),
    }, { names });
    const byName = new Map(await Promise.all(model.parameters().map(async ({ name, value }) => [name, await read(value)] as const)));
    expect(byName.get("0.body.0.1.weight")![1 * 12]).toBe(6);
    expect(byName.get("0.body.0.2.weight")![1 * 3]).toBe(1);
  });

  it("are refused where they cannot be known", async () => {
    using model = buildModel(sequential(flatten(), groupNorm(2, 12), linear(12, 1)), device, [3, 2, 2], 1);
    await expect(encodeTorch(model, { to: "torch" })).rejects.toThrow(/1: groupNorm\(2, 12\) comes after a flatten of \[3, 2, 2\]/);
    using mixed = buildModel(sequential(residual(flatten(), { shortcut: sequential(flatten(), linear(12, 12)) }), linear(12, 1)), device, [3, 2, 2], 1);
    await expect(encodeTorch(mixed, { to: "torch" })).rejects.toThrow(/two orders/);
    class Scale extends Layer {
      readonly kind = "scale";
      override parameters() {
        return [{ name: "0.factor", value: device.zeros([1]), gradient: null, decay: false }];
      }
      protected override setUp = (shape: readonly number[]) => shape;
      protected override run = (_: Tape, x: Variable) => x;
    }
    using own = buildModel(sequential(new Scale(), rate()), device, [3], 1);
    await expect(encodeTorch(own, { to: "torch" })).rejects.toThrow(/0: scale is a layer whose weights have no known place.*0\.factor/);
  });
});

const mlp = () => buildModel(sequential(linear(3, 4), spiking(leaky({ beta: 0.5 })), linear(4, 2)), device, [3], 1);
const state = (library: TorchLibrary): Record<string, WritableTensor> => ({
  "0.weight": floats([4, 3]), "0.bias": floats([4]), "2.weight": floats([2, 4]), "2.bias": floats([2]),
  ...(library === "snntorch" ? {
    "1.threshold": { shape: [], data: BigInt64Array.of(1n) }, "1.beta": { shape: [], data: Float32Array.of(0.5) },
    "1.graded_spikes_factor": floats([], 1), "1.reset_mechanism_val": { shape: [], data: BigInt64Array.of(0n) },
  } : {}),
});

describe("a file that does not fit", () => {
  it("is refused with all that is wrong at once, and nothing is written", async () => {
    using model = mlp();
    const before = await valuesOf(model);
    const { "0.bias": _, ...rest } = state("snntorch");
    const wrong = { ...rest, "2.weight": floats([4, 2]), "1.beta": { shape: [], data: Float32Array.of(0.25) }, "1.reset_mechanism_val": { shape: [], data: BigInt64Array.of(1n) }, "2.bias": { shape: [2], data: Float32Array.of(1, NaN) }, "9.weight": floats([1]) };
    const refusal = await importTorch(model, encodeSafetensors(wrong), { from: "snntorch", name: "net.safetensors" }).catch((error: Error) => error);
    expect(refusal).toBeInstanceOf(FileFormatError);
    expect((refusal as Error).message.split("\n").slice(0, 7)).toEqual([
      "net.safetensors does not fit the model:",
      "  missing: 0.bias [4]",
      "  unexpected: 9.weight [1]",
      "  value: 1.beta is 0.25, the neuron here has 0.5",
      "  value: 1.reset_mechanism_val is 1 (zero), the neuron here has 0 (subtract)",
      "  shape: 2.weight is [4, 2], expected [2, 4]",
      "  value: 2.bias[1] is NaN, expected finite values",
    ]);
    expect(await valuesOf(model)).toEqual(before);
  });

  it("is taken in part where strict is false, but never in another shape", async () => {
    using model = mlp();
    const { "2.bias": _, ...rest } = state("torch");
    const result = await take(model, { ...rest, "9.weight": floats([1]) }, { strict: false });
    expect(result).toMatchObject({ missing: ["2.bias"], unexpected: ["9.weight"], loaded: ["0.weight", "0.bias", "2.weight"] });
    await expect(take(model, { ...rest, "0.weight": floats([3, 4]) }, { strict: false })).rejects.toThrow("shape: 0.weight is [3, 4], expected [4, 3]");
    await expect(take(model, { "net.0.weight": floats([4, 3]) }, { strict: false })).rejects.toThrow(FileFormatError);
  });

  it("is told how its modules are called, and what to do", async () => {
    using model = mlp();
    const renamed = (from: (name: string) => string) => Object.fromEntries(Object.entries(state("torch")).map(([name, tensor]) => [from(name), tensor]));
    await expect(take(model, renamed((name) => `module.${name}`))).rejects.toThrow('give { prefix: "module." }');
    await take(model, renamed((name) => `module.${name}`), { prefix: "module." });
    const called = renamed((name) => name.replace("0.", "fc1.").replace("2.", "fc2."));
    await expect(take(model, called)).rejects.toThrow(/Modules are called fc1, fc2 there, and 0, 2 here/);
    await take(model, called, { names: ["fc1", "fc2"] });
    await take(model, called, { names: { 0: "fc1", 2: "fc2" } });
    await expect(take(model, called, { names: ["fc1"] })).rejects.toThrow(/1 names are given for 2 layers that have tensors: 0: linear\(3, 4\), 2: linear\(4, 2\)/);
    await expect(take(model, called, { names: { 1: "fc1" } })).rejects.toThrow(/no layer with tensors at "1"/);
    await expect(take(model, called, { names: ["fc1", "fc1"] })).rejects.toThrow(/two layers would have the tensor fc1.weight/);
  });

  it("that is a pickle is answered with the lines that convert it", async () => {
    using model = mlp();
    const pickle = join(directory, "net.pt");
    writeFileSync(pickle, Uint8Array.of(0x80, 2, 0x8a, 0x0a));
    const refusal = await importTorch(model, pickle, { from: "torch" }).catch((error: Error) => error);
    expect((refusal as Error).message).toMatch(/import safetensors\.torch, torch\n.*save_file\(.*net\.pt.*net\.safetensors/s);
    await expect(importTorch(model, join(directory, "none.safetensors"), { from: "torch" })).rejects.toThrow(/none\.safetensors cannot be read/);
  });
});

describe("values", () => {
  it("of halves, doubles and scalars for all channels are taken", async () => {
    using model = buildModel(sequential(linear(2, 3, { bias: false }), spiking(leaky({ learnable: ["beta"] }), { perChannel: ["beta"] })), device, [2], 1);
    const header = JSON.stringify({ "0.weight": { dtype: "BF16", shape: [3, 2], data_offsets: [8, 20] }, "1.beta": { dtype: "F64", shape: [], data_offsets: [0, 8] } });
    const bytes = new Uint8Array(8 + header.length + 20);
    const view = new DataView(bytes.buffer);
    view.setBigUint64(0, BigInt(header.length), true);
    bytes.set(new TextEncoder().encode(header), 8);
    view.setFloat64(8 + header.length, 0.1, true);
    for (let i = 0; i < 6; i++) view.setUint16(8 + header.length + 8 + 2 * i, 0x3f80 + i, true);
    const result = await importTorch(model, bytes, { from: "torch" });
    expect(result.rounded).toEqual(["1.beta"]);
    const [weight, beta] = await valuesOf(model);
    expect([...weight]).toEqual([0, 2, 4, 1, 3, 5].map((i) => 1 + i / 128));
    expect([...beta]).toEqual([0.1, 0.1, 0.1].map(Math.fround));
  });

  it("are read from a file whose first bytes are by chance those of a pickle or a zip archive", async () => {
    using model = buildModel(linear(1, 1, { bias: false }), device, [1], 1);
    for (const length of [0x0280, 0x4b50]) {
      const header = JSON.stringify({ weight: { dtype: "F32", shape: [1, 1], data_offsets: [0, 4] } }).padEnd(length);
      const bytes = new Uint8Array(8 + length + 4);
      new DataView(bytes.buffer).setBigUint64(0, BigInt(length), true);
      bytes.set(new TextEncoder().encode(header), 8);
      expect((await importTorch(model, bytes, { from: "torch" })).loaded).toEqual(["weight"]);
    }
  });

  it("that are not finite are not written", async () => {
    using model = mlp();
    device.write(model.parameters()[0].value, uniform(12, 1).fill(Infinity));
    await expect(encodeTorch(model, { to: "torch" })).rejects.toThrow(/0\.weight\[0, 0\] is Infinity/);
  });
});

describe("neurons", () => {
  it.each([
    [sequential(linear(3, 3), recurrent(leaky({ reset: "zero" }))), "snntorch", /RLeaky with the reset "zero" clears the new input too/],
    [sequential(linear(3, 3), recurrent(leaky(), { weights: "elementwise" })), "snntorch", /have no bias: build the layer with \{ bias: false \}/],
    [sequential(linear(3, 3), recurrent(lif())), "spikingjelly", /LinearRecurrentContainer/],
  ] as const)("without a counterpart are refused: %#", async (body, to, message) => {
    using model = buildModel(body, device, [3], 1);
    await expect(encodeTorch(model, { to })).rejects.toThrow(OptionError);
    await expect(encodeTorch(model, { to })).rejects.toThrow(message);
  });
});
