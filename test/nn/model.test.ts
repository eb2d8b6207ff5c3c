import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/index.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";
import { defineNeuron, lif, parametricLif, spike, surrogate } from "../../src/neuron/index.ts";
import {
  batchNorm2d, clearGradients, conv2d, dropout, flatten, lastMembrane, type Layer, type LayerLike, linear, maxPool2d, Model, rate, Recorder, residual, sequential, spikeCount, spiking, Tape, type Variable,
} from "../../src/nn/index.ts";
import { buildModel, openTestDevice, pass, read, relativeError, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const firing = lif({ threshold: 0.3 });

describe("building a model", () => {
  const free = (layer: Layer) => (tape: Tape, x: Variable): Variable => tape.add(x, layer.forward(tape, x));
  const refused: [string, () => LayerLike, number[], RegExp][] = [
    ["linear", () => sequential(linear(8, 4), spiking(lif()), linear(5, 2)), [8], /^2: linear\(5, 2\): expected .*\[5\].*got \[4\]/],
    ["linear on images", () => linear(8, 4), [2, 2, 2], /^linear\(8, 4\): expected .*\[8\].*got \[2, 2, 2\]/],
    ["conv2d", () => sequential(flatten(), conv2d(1, 4, { kernel: 3 })), [5, 5, 1], /^1: conv2d\(1, 4, 3×3\): expected .*\[height, width, 1\].*got \[25\]/],
    ["conv2d larger than its input", () => conv2d(1, 4, { kernel: 6 }), [5, 5, 1], /window 6×6 does not fit into the input \[5, 5, 1\]/],
    ["batchNorm2d", () => batchNorm2d(3), [5, 5, 2], /^batchNorm2d\(3\): expected .*\[5, 5, 3\].*got \[5, 5, 2\]/],
    ["maxPool2d", () => maxPool2d(2), [4], /maxPool2d\(2×2\): expected .*\[height, width, channels\].*got \[4\]/],
    ["residual", () => sequential(residual(linear(4, 3))), [4], /^0: residual: the body turns \[4\] into \[3\].*\[4\] cannot be added.*shortcut/],
    ["inside a residual", () => residual(linear(4, 3), linear(4, 4)), [4], /^body\.1: linear\(4, 4\): expected .*\[4\].*got \[3\]/],
    ["tape.add", () => free(linear(6, 2)), [6], /add: .*\[6\] and \[2\]/],
  ];

  it.each(refused)("names the layer that does not fit, and leaves nothing behind: %s", (_, make, shape, message) => {
    const before = device.bytesInUse;
    expect(() => buildModel(make(), device, shape, 4)).toThrow(ShapeError);
    expect(() => buildModel(make(), device, shape, 4)).toThrow(message);
    expect(device.bytesInUse).toBe(before);
  });

  it("refuses options out of range", () => {
    for (const make of [
      () => linear(0, 3), () => linear(3, 2.5), () => conv2d(1, 0, { kernel: 3 }), () => conv2d(1, 1, { kernel: 0 }), () => conv2d(1, 1, { kernel: 3, padding: 3 }),
      () => maxPool2d(2, { stride: 0 }), () => dropout(1), () => dropout(-0.1), () => batchNorm2d(3, { eps: 0 }), () => batchNorm2d(3, { momentum: 2 }), () => batchNorm2d(0),
      () => residual(), () => spiking(lif(), { learn: ["tau" as never] }), () => spiking(parametricLif(), { learn: false, perChannel: ["w"] }),
      () => buildModel(linear(3, 3), device, [3], 0),
    ]) expect(make).toThrow(OptionError);
    const twoInputs = defineNeuron({ name: "two", state: { v: 0 }, inputs: ["a", "b"], step: ({ v }, { a, b }) => ({ v: v.add(a), spike: spike(b, surrogate.atan()) }) });
    expect(() => spiking(twoInputs)).toThrow(/one input.*a, b/);
    expect(() => buildModel(linear(3, 3), device, [], 2)).toThrow(/inputShape is \[\]: expected a list of integers ≥ 1/);
  });

  it("refuses a layer of another model, or of none", () => {
    const shared = linear(3, 3);
    using _model = buildModel(shared, device, [3], 2);
    expect(() => buildModel(sequential(shared), device, [3], 2)).toThrow(/belongs to another model/);
    const tape = new Tape(device, { steps: 2, training: false });
    using x = device.zeros([2, 1, 3]);
    expect(() => linear(3, 3).forward(tape, tape.input(x))).toThrow(/linear\(3, 3\) is not part of a model/);
  });

  it("refuses a layer of another model that was built with the same random numbers, and leaves that model whole", async () => {
    const shared = linear(3, 3);
    const options = { device, inputShape: [3], steps: 2, random: new Random(1) };
    using model = Model.build(sequential(shared), options);
    const before = device.bytesInUse;
    expect(() => Model.build(sequential(linear(3, 3), shared), options)).toThrow(/belongs to another model/);
    expect(() => Model.build(shared, options)).toThrow(OptionError);
    expect(device.bytesInUse).toBe(before);
    expect(await read(model.parameters()[0].value)).toHaveLength(9);
  });

  it("starts from PyTorch's bounds, and from the same values for the same seed and place", async () => {
    using a = buildModel(sequential(linear(400, 50), linear(50, 3)), device, [400], 2);
    using b = buildModel(sequential(linear(400, 50), linear(50, 3)), device, [400], 2);
    using c = buildModel(sequential(linear(400, 50), linear(50, 3)), device, [400], 2, 2);
    expect(a.parameters().map(({ name }) => name)).toEqual(["0.weight", "0.bias", "1.weight", "1.bias"]);
    expect(a.parameters().map(({ decay }) => decay)).toEqual([true, false, true, false]);
    const [first, same, other] = await Promise.all([a, b, c].map((model) => read(model.parameters()[0].value)));
    expect(first).toEqual(same);
    expect(first).not.toEqual(other);
    const largest = Math.max(...first.map(Math.abs));
    expect(largest).toBeLessThanOrEqual(0.05);
    expect(largest).toBeGreaterThan(0.0499);
    expect(Math.abs(first.reduce((sum, w) => sum + w, 0) / first.length)).toBeLessThan(1e-3);
  });

  it("lists its layers", () => {
    using model = buildModel(sequential(residual(linear(6, 6), spiking(parametricLif(), { perChannel: ["w"] })), flatten(), linear(6, 2), rate()), device, [6], 2);
    expect(model.summary()).toEqual([
      { name: "0.body.0: linear(6, 6)", kind: "linear", outputShape: [6], parameters: 42 },
      { name: "0.body.1: spiking(parametricLif)", kind: "spiking", outputShape: [6], parameters: 6 },
      { name: "1: flatten", kind: "flatten", outputShape: [6], parameters: 0 },
      { name: "2: linear(6, 2)", kind: "linear", outputShape: [2], parameters: 14 },
      { name: "3: rate", kind: "rate", outputShape: [2], parameters: 0 },
    ]);
    expect(model.outputShape).toEqual([2]);
  });

  it("refuses inputs of another shape", () => {
    using model = buildModel(sequential(linear(3, 2), rate()), device, [3], 2);
    using tape = new Tape(device, { steps: 2, training: false });
    using wrong = device.zeros([2, 1, 4]);
    using late = device.zeros([3, 1, 3]);
    expect(() => model.forward(tape, tape.input(wrong))).toThrow(/\[3\].*got \[4\]/);
    expect(() => tape.input(late)).toThrow(/expected \[T = 2, B, ...\], got \[3,1,3\]/);
    expect(() => tape.input(late, { timeConstant: true })).toThrow(/expected \[1, B, ...\]/);
  });
});

describe("free form", () => {
  it("equals the same network of residual and sequential, with shared layers used twice", async () => {
    const [steps, batch] = [4, 3];
    const make = () => ({ first: linear(6, 6), fire: spiking(firing), again: spiking(firing), last: linear(6, 2), read: rate() });
    const a = make();
    using free = buildModel((tape, x) => {
      const h = a.fire.forward(tape, a.first.forward(tape, x));
      const sum = tape.add(h, a.first.forward(tape, h));
      return a.read.forward(tape, a.last.forward(tape, a.again.forward(tape, sum)));
    }, device, [6], steps);
    const b = make();
    using nested = buildModel(sequential(b.first, b.fire, residual(b.first), b.again, b.last, b.read), device, [6], steps);
    expect(free.summary().map(({ kind }) => kind)).toEqual(["linear", "spiking", "spiking", "linear", "rate"]);
    for (const [i, { value }] of free.parameters().entries()) device.write(nested.parameters()[i].value, await read(value));
    const input = uniform(steps * batch * 6, 3, 0, 3);
    const [x, y] = [await pass(free, { steps, shape: [6], batch, input }), await pass(nested, { steps, shape: [6], batch, input })];
    expect(x.output).toEqual(y.output);
    expect(x.output.some((value) => value !== 0)).toBe(true);
    expect(Object.values(x.parameters)).toEqual(Object.values(y.parameters));
  });
});

describe("memory", () => {
  const body = () => sequential(
    residual(linear(12, 12), batchNorm2d(12)), spiking(parametricLif({ threshold: 0.3 })), dropout(0.2),
    residual(linear(12, 12), spiking(firing)), residual(linear(12, 12), batchNorm2d(12), dropout(0.1)), spiking(firing), linear(12, 5), spiking(firing), rate(),
  );

  it("is flat over training steps and all given back", async () => {
    const start = device.bytesInUse;
    const steps = 66;
    const model = buildModel(body(), device, [12], steps);
    const built = device.bytesInUse;
    const input = uniform(4 * 12, 1, 0, 2);
    for (let i = 0; i < 3; i++) {
      await pass(model, { steps, shape: [12], batch: 4, input, timeConstant: i % 2 === 0, ...(i % 2 === 0 ? {} : { input: uniform(steps * 48, i) }) });
      expect(device.bytesInUse).toBe(built);
    }
    using x = device.tensor(input, [1, 4, 12]);
    for (const training of [false, true]) {
      const tape = new Tape(device, { steps, training, random: new Random(1) });
      model.forward(tape, tape.input(x, { timeConstant: true }));
      tape.dispose();
      tape.dispose();
      expect(device.bytesInUse).toBe(built + x.size * 4);
    }
    model.dispose();
    expect(device.bytesInUse).toBe(start + x.size * 4);
  });

  it("is given back when a layer fails in the middle, forward or backward", () => {
    const start = device.bytesInUse;
    const failing = (where: "forward" | "backward") => (tape: Tape, x: Variable): Variable => {
      if (tape.building) return x;
      if (where === "forward") throw new Error(where);
      const value = x.value.reshape(x.value.shape);
      return tape.record({ inputs: [x], outputs: [{ value, shape: x.shape, time: x.time }], backward: () => { throw new Error(where); } })[0];
    };
    for (const where of ["forward", "backward"] as const) {
      using model = buildModel(sequential(linear(4, 4), failing(where), linear(4, 4), spiking(firing), rate()), device, [4], 3);
      using x = device.tensor(uniform(8, 1), [1, 2, 4]);
      using seed = device.zeros([2, 4]);
      using tape = new Tape(device, { steps: 3, training: true });
      expect(() => tape.backward(model.forward(tape, tape.input(x, { timeConstant: true })), seed)).toThrow(where);
    }
    expect(device.bytesInUse).toBe(start);
  });

  it("runs backward once", () => {
    using model = buildModel(sequential(linear(4, 4), rate()), device, [4], 3);
    using x = device.tensor(uniform(8, 1), [1, 2, 4]);
    using seed = device.zeros([2, 4]);
    using tape = new Tape(device, { steps: 3, training: true });
    const y = model.forward(tape, tape.input(x, { timeConstant: true }));
    tape.backward(y, seed);
    expect(() => tape.backward(y, seed)).toThrow(/already/);
    using wrong = device.zeros([4, 4]);
    using evaluation = new Tape(device, { steps: 3, training: false });
    const z = model.forward(evaluation, evaluation.input(x, { timeConstant: true }));
    expect(() => evaluation.backward(z, seed)).toThrow(/training: true/);
    using other = new Tape(device, { steps: 3, training: true });
    expect(() => other.backward(model.forward(other, other.input(x, { timeConstant: true })), wrong)).toThrow(/\[4,4\].*\[2,4\]/);
  });

  it("hardly grows with depth in evaluation", () => {
    const left = (depth: number): number => {
      const layers = Array.from({ length: depth }, () => [linear(64, 64), batchNorm2d(64), dropout(0.5), spiking(firing), linear(64, 64), flatten()]).flat();
      using model = buildModel(sequential(...layers, rate()), device, [64], 8);
      const built = device.bytesInUse;
      using x = device.tensor(uniform(8 * 32 * 64, 1), [8, 32, 64]);
      using tape = new Tape(device, { steps: 8, training: false });
      model.forward(tape, tape.input(x));
      return device.bytesInUse - built;
    };
    expect(left(6)).toBeLessThan(1.5 * left(1));
  });

  it("keeps what a function saw, in evaluation too", async () => {
    let skip: Variable;
    const remember = (_: Tape, x: Variable): Variable => (skip = x);
    using model = buildModel(sequential(linear(4, 4), remember, linear(4, 4), (tape: Tape, x: Variable) => tape.add(x, skip), rate()), device, [4], 2);
    using x = device.tensor(uniform(16, 1), [2, 2, 4]);
    const outputs = [false, true].map((training) => {
      using tape = new Tape(device, { steps: 2, training });
      return read(model.forward(tape, tape.input(x)).value);
    });
    const [evaluated, trained] = await Promise.all(outputs);
    expect(evaluated).toEqual(trained);
  });

  it("keeps the sum of gradients until they are cleared", async () => {
    using model = buildModel(sequential(linear(4, 3), spikeCount()), device, [4], 2);
    using x = device.tensor(uniform(8, 1), [1, 2, 4]);
    using seed = device.tensor(uniform(6, 2), [2, 3]);
    const run = async (): Promise<Float32Array> => {
      using tape = new Tape(device, { steps: 2, training: true });
      tape.backward(model.forward(tape, tape.input(x, { timeConstant: true })), seed);
      return read(model.parameters()[0].gradient!);
    };
    const once = await run();
    expect(relativeError(await run(), once.map((g) => 2 * g))).toBeLessThan(1e-6);
    clearGradients(model.parameters());
    expect(await run()).toEqual(once);
  });
});

describe("training and evaluation", () => {
  it("use batch statistics and running ones, as PyTorch does", async () => {
    const [steps, batch] = [3, 4];
    using model = buildModel(sequential(batchNorm2d(2, { momentum: 0.25, eps: 1e-3 }), rate()), device, [2], steps);
    const [gamma, beta] = model.parameters();
    device.write(gamma.value, Float32Array.of(2, 0.5));
    device.write(beta.value, Float32Array.of(-1, 3));
    const input = uniform(steps * batch * 2, 6, 0, 5);
    const { output } = await pass(model, { steps, shape: [2], batch, input });
    const [mean, variance] = await Promise.all(model.buffers().map(({ value }) => read(value)));
    using x = device.tensor(input, [steps, batch, 2]);
    using tape = new Tape(device, { steps, training: false });
    const evaluated = await read(model.forward(tape, tape.input(x)).value);
    for (const c of [0, 1]) {
      const values = Array.from(input).filter((_, i) => i % 2 === c);
      const m = values.reduce((a, b) => a + b) / values.length;
      const v = values.reduce((a, y) => a + (y - m) ** 2, 0) / values.length;
      expect(mean[c]).toBeCloseTo(0.25 * m, 5);
      expect(variance[c]).toBeCloseTo(0.75 + (0.25 * v * values.length) / (values.length - 1), 4);
      for (let b = 0; b < batch; b++) {
        const rateOf = (centre: number, spread: number): number =>
          [0, 1, 2].reduce((sum, t) => sum + ([2, 0.5][c] * (input[t * batch * 2 + b * 2 + c] - centre)) / Math.sqrt(spread + 1e-3) + [-1, 3][c], 0) / steps;
        expect(output[b * 2 + c]).toBeCloseTo(rateOf(m, v), 4);
        expect(evaluated[b * 2 + c]).toBeCloseTo(rateOf(mean[c], variance[c]), 4);
      }
    }
  });

  it("normalise batches of all sizes with the same kernels", async () => {
    const kernel = vi.spyOn(device, "kernel");
    using model = buildModel(sequential(linear(3, 3), batchNorm2d(3), rate()), device, [3], 2);
    const keys = async (batch: number): Promise<string[]> => {
      kernel.mockClear();
      for (const timeConstant of [false, true]) await pass(model, { steps: 2, shape: [3], batch, timeConstant, input: uniform((timeConstant ? 1 : 2) * batch * 3, 1) });
      return kernel.mock.calls.map(([{ key }]) => key);
    };
    try {
      expect((await keys(4)).length).toBeGreaterThan(0);
      for (const batch of [1, 5, 6]) expect(await keys(batch)).toEqual([]);
    } finally {
      kernel.mockRestore();
    }
  });

  it("drop out with one mask for all steps, and nothing in evaluation", async () => {
    const [steps, size] = [5, 4000];
    using model = buildModel(sequential(dropout(0.25)), device, [size], steps);
    using x = device.tensor(new Float32Array(steps * size).fill(3), [steps, 1, size]);
    const run = async (training: boolean, seed = 1): Promise<Float32Array> => {
      using tape = new Tape(device, { steps, training, random: new Random(seed) });
      return await read(model.forward(tape, tape.input(x)).value);
    };
    const dropped = await run(true);
    const kept = dropped.subarray(0, size).filter((value) => value !== 0);
    expect(kept.every((value) => value === 4)).toBe(true);
    expect(Math.abs(kept.length / size - 0.75)).toBeLessThan(0.03);
    for (let t = 1; t < steps; t++) expect(dropped.slice(t * size, (t + 1) * size)).toEqual(dropped.slice(0, size));
    expect(await run(true)).toEqual(dropped);
    expect(await run(true, 2)).not.toEqual(dropped);
    expect((await run(false)).every((value) => value === 3)).toBe(true);
    using tape = new Tape(device, { steps, training: true });
    expect(() => model.forward(tape, tape.input(x))).toThrow(/give the tape a `random`/);
  });
});

describe("a recorder", () => {
  it("sees every layer's spikes and membranes, also behind a membrane read-out", async () => {
    const [steps, batch] = [6, 2];
    using model = buildModel(sequential(linear(5, 8), spiking(firing), linear(8, 3), spiking(firing), lastMembrane()), device, [5], steps);
    using x = device.tensor(uniform(batch * 5, 3, 0, 3), [1, batch, 5]);
    using recorder = new Recorder({ spikes: true, membrane: "v" });
    let output: Float32Array;
    {
      using tape = new Tape(device, { steps, training: false, recorder });
      output = await read(model.forward(tape, tape.input(x, { timeConstant: true })).value);
    }
    const records = await recorder.records();
    expect(records.map(({ layer, steps: T, batch: B, shape }) => [layer, T, B, shape])).toEqual([["1: spiking(lif)", steps, batch, [8]], ["3: spiking(lif)", steps, batch, [3]]]);
    expect(output).toEqual(records[1].membrane!.slice(-output.length));
    for (const { spikes, membrane } of records) spikes.forEach((s, i) => expect(s === 1 ? membrane![i] === 0 : membrane![i] < 0.3).toBe(true));
    expect(records[0].spikes.some((s) => s === 1)).toBe(true);
    for (const [i, { rate: firingRate }] of (await recorder.firingRates()).entries()) {
      expect(firingRate).toBeCloseTo(records[i].spikes.reduce((a, b) => a + b) / records[i].spikes.length, 6);
    }
  });
});

it("a model is built by Model.build alone", () => {
  using model = Model.build(linear(2, 2), { device, inputShape: [2], steps: 1, random: new Random(0) });
  expect(model.body.kind).toBe("linear");
});
