import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Device, simulate } from "../../../src/device/index.ts";
import { lif, parametricLif } from "../../../src/neuron/index.ts";
import { type Layer, type Model, Recorder, type ResnetOptions, sewResnet18, spikingResnet18, spikingResnet50, spikingVgg11, Tape } from "../../../src/nn/index.ts";
import { temporalFusionLif } from "../../../src/nn/models/neuron.ts";
import { buildModel, openTestDevice, product, read, uniform } from "../helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

/** Logits [2, classes] of two random inputs, in training. */
async function logits(model: Model, recorder?: Recorder): Promise<Float32Array> {
  const { inputShape, steps } = model;
  using x = device.tensor(uniform(2 * product(inputShape), 3, 0, 1), [1, 2, ...inputShape]);
  using tape = new Tape(device, { steps, training: true, recorder });
  return read(model.forward(tape, tape.input(x, { timeConstant: true })).value);
}

const outputOf = (model: Model, kind: string) => model.summary().find((row) => row.kind === kind)!.outputShape;

describe("sizes", () => {
  it.each<[string, () => Layer, number[], number[]]>([
    ["spikingResnet18", () => spikingResnet18({ classes: 7, inputChannels: 1 }), [28, 28, 1], [14, 14, 64]],
    ["sewResnet18, with a small stem", () => sewResnet18({ classes: 7, stem: "small" }), [9, 14, 3], [9, 14, 64]],
    ["spikingVgg11 of one linear layer", () => spikingVgg11({ classes: 7, grid: 1, hidden: [] }), [32, 47, 2], [32, 47, 64]],
  ])("%s takes images of any size, and has as many outputs as there are classes", async (_, make, inputShape, first) => {
    using model = buildModel(make(), device, inputShape, 2);
    expect(outputOf(model, "spiking")).toEqual(first);
    const values = await logits(model);
    expect(values).toHaveLength(2 * 7);
    expect(values.every(Number.isFinite)).toBe(true);
  });

  it("fit the input", () => {
    expect(() => buildModel(sewResnet18({ classes: 10 }), device, [28, 28, 1], 2)).toThrow(/0: conv2d\(3, 64.*got \[28, 28, 1\]/);
    expect(() => buildModel(spikingVgg11({ classes: 10 }), device, [28, 28, 2], 2)).toThrow(/the window 2×2 does not fit/);
  });
});

describe("how weights start", () => {
  /** Root of the mean square of a parameter, with its relative standard error. */
  async function deviations(model: Model): Promise<[name: string, shape: readonly number[], deviation: number, error: number][]> {
    const weights = model.parameters().filter(({ value }) => value.shape.length > 1);
    return Promise.all(weights.map(async ({ name, value }) => [name, value.shape, Math.sqrt((await read(value)).reduce((sum, x) => sum + x * x, 0) / value.size), 1 / Math.sqrt(2 * value.size)]));
  }

  it("ResNet: √(2/fan-out) of convolutions, PyTorch's uniform of the last layer, γ = 1", async () => {
    using model = buildModel(spikingResnet18({ classes: 10 }), device, [32, 32, 3], 2);
    const found = await deviations(model);
    expect(found).toHaveLength(21);
    for (const [name, shape, deviation, error] of found) {
      const expected = shape.length === 4 ? Math.sqrt(2 / (shape[0] * shape[1] * shape[3])) : 1 / Math.sqrt(3 * 512);
      expect(Math.abs(deviation / expected - 1), name).toBeLessThan(5 * error);
    }
    const gammas = model.parameters().filter(({ name, value }) => name.endsWith("weight") && value.shape.length === 1);
    for (const { value } of gammas) expect((await read(value)).every((x) => x === 1)).toBe(true);
  });

  it("VGG: √(2/fan-out) of convolutions, 0.01 of linear layers, biases 0", async () => {
    using model = buildModel(spikingVgg11({ classes: 11, grid: 2, hidden: [64] }), device, [32, 32, 2], 2);
    for (const [name, shape, deviation, error] of await deviations(model)) {
      const expected = shape.length === 4 ? Math.sqrt(2 / (9 * shape[3])) : 0.01;
      expect(Math.abs(deviation / expected - 1), name).toBeLessThan(5 * error);
    }
    for (const { name, value } of model.parameters()) if (name.endsWith("bias")) expect((await read(value)).every((x) => x === 0), name).toBe(true);
  });

  it.each<[string, (options: ResnetOptions) => Layer]>([["sewResnet18", sewResnet18], ["spikingResnet50", spikingResnet50]])("%s with zeroInitResidual: what each block adds is 0 at first", async (_, make) => {
    using model = buildModel(make({ classes: 10, zeroInitResidual: true, neuron: lif({ tau: 1.25, decayInput: false, threshold: 0.3 }) }), device, [32, 32, 3], 2);
    const zero: string[] = [];
    for (const { name, value } of model.parameters()) if (name.endsWith("weight") && value.shape.length === 1 && (await read(value)).every((x) => x === 0)) zero.push(name);
    const lastNorm = /^(.*\.body)\.(\d+)\.weight$/;
    const last = model.parameters().filter(({ name, value }) => value.shape.length === 1 && lastNorm.test(name)).map(({ name }) => name)
      .filter((name, _i, all) => !all.some((other) => lastNorm.exec(other)![1] === lastNorm.exec(name)![1] && Number(lastNorm.exec(other)![2]) > Number(lastNorm.exec(name)![2])));
    expect(zero).toEqual(last);
    expect(zero).toHaveLength(make === sewResnet18 ? 8 : 16);
    if (make !== sewResnet18) return;
    using recorder = new Recorder();
    await logits(model, recorder);
    for (const { layer, rate } of await recorder.firingRates()) expect(rate > 0, layer).toBe(!layer.includes("body.5"));
  });
});

describe("neurons", () => {
  it("any can be given; what it learns, each layer learns on its own", () => {
    using model = buildModel(sewResnet18({ classes: 10, neuron: parametricLif() }), device, [32, 32, 3], 2);
    expect(model.parameters().filter(({ name }) => name.endsWith(".w"))).toHaveLength(20);
  });

  it("the default of temporal fusion decays by 0.2, fires at 0.3 and is reset to 0", async () => {
    const input = [0.2, 0.2, 0.25, 0.25, 1, 0.29];
    const { spikes, traces } = await simulate(temporalFusionLif(), Float32Array.from(input), { steps: input.length, device, record: ["v"] });
    let v = 0;
    input.forEach((x, t) => {
      const charged = 0.2 * v + x;
      v = charged < 0.3 ? charged : 0;
      expect(spikes[t]).toBe(charged < 0.3 ? 0 : 1);
      expect(traces.v[t]).toBeCloseTo(v, 6);
    });
    expect(spikes.reduce((a, b) => a + b)).toBe(2);
  });
});
