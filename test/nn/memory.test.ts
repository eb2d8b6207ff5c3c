import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { type Device, openDevice } from "../../src/device/index.ts";
import { integrateAndFire, lif, parametricLif } from "../../src/neuron/index.ts";
import { avgPool2d, batchNorm2d, clearGradients, conv2d, dropout, flatten, globalAvgPool2d, groupNorm, layerNorm, type LayerLike, linear, maxPool2d, meanMembrane, Model, rate, residual, sequential, spiking, Tape, tdBN, tebn } from "../../src/nn/index.ts";
import { adam, OptimizerRun } from "../../src/train/optimizer.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { conv, mlp, referenceNeuron, referenceModels } from "../../src/train/models.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { buildModel, openTestDevice, product, uniform } from "./helpers.ts";
import { quadrants, smallNetwork } from "../train/digits.ts";
import { peakOf, watchPeak } from "./peak.ts";

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** One pass, as a trainer makes it. */
function pass(model: Model, training: boolean, { batch, timeConstant }: { batch: number; timeConstant: boolean }, density: number): number {
  const { device } = model;
  const shape = [timeConstant ? 1 : model.steps, batch, ...model.inputShape];
  const data = uniform(product(shape), 3, 0, 1).map((value) => (value < density ? 1 : 0));
  return peakOf(device, () => {
    using x = device.tensor(data, shape);
    using tape = new Tape(device, { steps: model.steps, training, random: new Random(5) });
    const output = model.forward(tape, tape.input(x, { timeConstant }));
    using seed = device.tensor(uniform(output.value.size, 4), output.value.shape);
    if (training) tape.backward(output, seed);
    tape.dispose();
    if (training) expect(model.parameters().every(({ gradient }) => gradient)).toBe(true);
    clearGradients(model.parameters());
  });
}

const neuron = lif({ tau: 2 });
const block = (from: number, to: number, stride: number): LayerLike => {
  const shortcut = from === to && stride === 1 ? {} : { shortcut: sequential(conv2d(from, to, { kernel: 1, stride }), batchNorm2d(to)) };
  return residual(conv2d(from, to, { kernel: 3, stride, padding: 1, bias: false }), batchNorm2d(to), spiking(neuron), conv2d(to, to, { kernel: 3, padding: 1, bias: false }), batchNorm2d(to), shortcut);
};

const networks: Record<string, { body: () => LayerLike; shape: number[]; steps: number; batch: number }> = {
  "the reference MLP": { body: () => mlp({ neuron: referenceNeuron(referenceModels.mlp.neuron) }), shape: [28, 28, 1], steps: 8, batch: 64 },
  "the reference convolutions": { body: () => conv({ neuron: referenceNeuron(referenceModels.conv.neuron) }), shape: [28, 28, 1], steps: 4, batch: 8 },
  "a residual network": {
    body: () => sequential(conv2d(2, 16, { kernel: 3, padding: 1 }), batchNorm2d(16), spiking(neuron), block(16, 16, 1), spiking(neuron), block(16, 32, 2), spiking(neuron), globalAvgPool2d(), linear(32, 10), rate()),
    shape: [12, 12, 2], steps: 6, batch: 4,
  },
  "dropout, learnt neurons and membranes": {
    body: () => sequential(conv2d(1, 8, { kernel: 3 }), spiking(parametricLif()), avgPool2d(2), flatten(), dropout(0.5), linear(8 * 25, 70), spiking(parametricLif(), { perChannel: ["w"] }), linear(70, 5), spiking(integrateAndFire()), meanMembrane()),
    shape: [12, 12, 1], steps: 70, batch: 3,
  },
  "convolutions in groups and norms of all kinds": {
    body: () => sequential(
      conv2d(4, 16, { kernel: 3, padding: 1, groups: 4 }), tdBN(16), spiking(neuron), conv2d(16, 16, { kernel: 3, padding: 2, dilation: 2, groups: 2 }), groupNorm(4, 16), spiking(neuron),
      conv2d(16, 16, { kernel: 3, padding: 2, dilation: 2 }), tebn(6, 16), spiking(neuron), globalAvgPool2d(), layerNorm(16), spiking(neuron), linear(16, 10), rate(),
    ),
    shape: [12, 12, 4], steps: 6, batch: 4,
  },
  "max-pooled membranes of a long run": {
    body: () => sequential(conv2d(1, 4, { kernel: 5 }), maxPool2d(2), flatten(), linear(64, 100), spiking(neuron), linear(100, 5), spiking(neuron), meanMembrane()),
    shape: [12, 12, 1], steps: 100, batch: 5,
  },
};

describe.each(Object.entries(networks))("the memory of %s", (_, { body, shape, steps, batch }) => {
  it.each([[true, 0.05], [false, 0.05], [true, 0.9], [false, 0.9]])("is what passes take (input constant: %s, share of nonzeros %f), never less", (timeConstant, density) => {
    const before = device.bytesInUse;
    using model = buildModel(body(), device, shape, steps);
    const weights = device.bytesInUse - before;
    const { training, evaluation } = model.memory({ batch, timeConstant });
    expect(device.bytesInUse - before).toBe(weights);
    const real = { training: weights + pass(model, true, { batch, timeConstant }, density), evaluation: weights + pass(model, false, { batch, timeConstant }, density) };
    expect(training / real.training).toBeGreaterThanOrEqual(1);
    expect(training / real.training).toBeLessThan(1.1);
    expect(evaluation / real.evaluation).toBeGreaterThanOrEqual(1);
    expect(evaluation / real.evaluation).toBeLessThan(1.1);
  });

  it("has what the optimiser keeps", () => {
    using model = buildModel(body(), device, shape, steps);
    const before = device.bytesInUse;
    const run = new OptimizerRun(adam(), model.parameters(), device);
    const [without, with_] = [model.memory({ batch }), model.memory({ batch, optimizer: adam() })];
    expect((with_.training - without.training) / (device.bytesInUse - before)).toBeCloseTo(1, 1);
    expect(with_.evaluation).toBe(without.evaluation);
    run.dispose();
  });
});

describe.skipIf(!hasWebgpu)(needsWebgpu("the memory of networks on webgpu"), () => {
  let webgpu: Device;
  beforeAll(async () => {
    webgpu = await openDevice("webgpu");
  });
  afterAll(() => webgpu.dispose());

  it.each(Object.entries(networks))("is what %s takes, never less", (_, { body, shape, steps, batch }) => {
    const before = webgpu.bytesInUse;
    using model = buildModel(body(), webgpu, shape, steps);
    const weights = webgpu.bytesInUse - before;
    const plan = model.memory({ batch });
    for (const phase of ["training", "evaluation"] as const) {
      const real = weights + pass(model, phase === "training", { batch, timeConstant: false }, 0.5);
      expect(plan[phase] / real, phase).toBeGreaterThanOrEqual(1);
      expect(plan[phase] / real, phase).toBeLessThan(1.1);
    }
  });
});

/** All that the libraries may take at once. */
const LIBRARIES = 2 ** 29;

describeOnStandIn("the memory of networks on cuda", () => {
  let cuda: Device;
  beforeAll(async () => {
    cuda = await openCuda();
  });
  afterAll(() => cuda.dispose());

  it.each(Object.keys(networks).flatMap((name) => (["float32", "bfloat16"] as const).map((precision) => [name, precision] as const)))("is at least what %s takes in %s", (name, precision) => {
    const { body, shape, steps } = networks[name];
    const before = cuda.bytesInUse;
    using model = Model.build(body(), { device: cuda, inputShape: shape, steps, random: new Random(1), precision });
    const weights = cuda.bytesInUse - before;
    const plan = model.memory({ batch: 2 });
    const real = { training: weights + pass(model, true, { batch: 2, timeConstant: false }, 0.5), evaluation: weights + pass(model, false, { batch: 2, timeConstant: false }, 0.5) };
    for (const phase of ["training", "evaluation"] as const) {
      expect(plan[phase], phase).toBeGreaterThanOrEqual(real[phase]);
      expect(plan[phase] - LIBRARIES, phase).toBeLessThan(1.1 * real[phase]);
    }
    expect(cuda.allocation!.bytesTotal).toBeGreaterThan(2 ** 20);
  });
});

describe("the memory of an evaluation", () => {
  it("does not grow with the number of residual blocks, but by their weights and their channels' scale and shift", async () => {
    const blocks = (count: number) => sequential(
      conv2d(2, 8, { kernel: 3, padding: 1 }), spiking(neuron), ...Array.from({ length: count }, () => [block(8, 8, 1), spiking(neuron)]).flat(), block(8, 16, 2), spiking(neuron), globalAvgPool2d(), linear(16, 5), rate(),
    );
    const [few, many] = [2, 6].map((count) => {
      using model = buildModel(blocks(count), device, [12, 12, 2], 4);
      const { evaluation, layers } = model.memory({ batch: 4 });
      const weights = layers.reduce((sum, { parameters }) => sum + parameters, 0);
      const real = pass(model, false, { batch: 4, timeConstant: false }, 0.5);
      expect((evaluation - weights) / real).toBeLessThan(1.1);
      return evaluation - weights;
    });
    // Scale and shift of the two normalisations of a block.
    expect(many - few).toBe(4 * 2 * 2 * 64);
  });
});

describe("the rows of a model's memory", () => {
  // T = 4, B = 16, blocks of 64 bytes.
  const [steps, batch] = [4, 16];
  const body = () => sequential(linear(32, 64), spiking(neuron), linear(64, 16, { bias: false }), batchNorm2d(16), spiking(parametricLif()), rate());

  it("are what each layer keeps and leaves", () => {
    using model = buildModel(body(), device, [32], steps);
    const { training, evaluation, input, layers } = model.memory({ batch, optimizer: adam() });
    const rows = Object.fromEntries(layers.map(({ layer, parameters, gradients, optimizer, tape }) => [layer, { parameters, gradients, optimizer, tape }]));
    const f32 = (...shape: number[]): number => 4 * product(shape);
    expect(rows).toEqual({
      "0: linear(32, 64)": { parameters: f32(33, 64), gradients: f32(33, 64), optimizer: f32(2, 33, 64), tape: f32(steps, batch, 64) },
      "1: spiking(lif)": { parameters: 0, gradients: 0, optimizer: 0, tape: f32(steps, batch, 64) },
      "2: linear(64, 16)": { parameters: f32(64, 16), gradients: f32(64, 16), optimizer: f32(2, 64, 16), tape: f32(steps, batch, 16) },
      // γ, β, running mean and variance; mean, variance, two numbers, scale and shift.
      "3: batchNorm2d(16)": { parameters: f32(4, 16), gradients: f32(2, 16), optimizer: f32(4, 16), tape: 6 * 64 },
      "4: spiking(parametricLif)": { parameters: 64, gradients: 64, optimizer: 128, tape: f32(steps, batch, 16) },
      "5: rate": { parameters: 0, gradients: 0, optimizer: 0, tape: f32(batch, 16) },
    });
    expect(input).toBe(f32(steps, batch, 32));
    const sum = (...figures: (keyof (typeof layers)[number])[]): number => layers.reduce((total, row) => total + figures.reduce((own, figure) => own + (row[figure] as number), 0), 0);
    expect(training).toBeGreaterThan(input + sum("parameters", "optimizer", "tape"));
    expect(evaluation).toBeGreaterThan(input + sum("parameters"));
    expect(evaluation).toBeLessThan(input + sum("parameters") + f32(steps, batch, 64) * 3);
    expect(layers.every(({ working }) => working > 0)).toBe(true);
  });

  it("leaves gradients that are there, and the device, alone", () => {
    using model = buildModel(body(), device, [32], steps);
    const [parameter] = model.parameters();
    using gradient = device.zeros(parameter.value.shape);
    parameter.gradient = gradient;
    const before = [device.bytesInUse, device.time.dense];
    model.memory({ batch });
    expect([device.bytesInUse, device.time.dense]).toEqual(before);
    expect(parameter.gradient).toBe(gradient);
    expect(model.parameters().slice(1).every((other) => other.gradient === null)).toBe(true);
    parameter.gradient = null;
  });

  it("says what a shared layer has once", () => {
    const [same, neurons, out, read] = [linear(8, 8), spiking(neuron), linear(8, 3), rate()];
    using model = buildModel((tape, x) => {
      const h = neurons.forward(tape, same.forward(tape, x));
      return read.forward(tape, out.forward(tape, tape.add(h, neurons.forward(tape, same.forward(tape, h)))));
    }, device, [8], steps);
    const { layers } = model.memory({ batch });
    expect(layers.map(({ layer }) => layer)).toEqual(["0: linear(8, 8)", "1: spiking(lif)", "2: linear(8, 3)", "3: rate"]);
    expect(layers[0]).toMatchObject({ parameters: 4 * 64 + 64, gradients: 4 * 64 + 64, tape: 2 * 4 * steps * batch * 8 });
  });
});


describe("a trainer", () => {
  it.each([16, 64])("takes the memory that is planned for a batch of %i, and for its optimiser", async (batch) => {
    const before = device.bytesInUse;
    using model = buildModel(smallNetwork(512), device, [16], 8);
    const trainer = new Trainer(model, { optimizer: adam(), clipNorm: 1 });
    const kept = device.bytesInUse - before;
    const watch = watchPeak(device);
    await trainer.fit(quadrants(2 * batch, 1), { epochs: 1, batchSize: batch });
    const real = kept + watch.stop();
    trainer.dispose();
    const { training } = model.memory({ batch, optimizer: adam(), timeConstant: true });
    expect(training / real).toBeGreaterThanOrEqual(1);
    expect(training / real).toBeLessThan(1.1);
  });
});

describe("the largest batch", () => {
  it("is the last that fits", () => {
    using model = buildModel(mlp({ neuron, inputs: 16, hidden: [24] }), device, [4, 4, 1], 3);
    const options = { optimizer: adam(), timeConstant: true };
    for (const bytes of [20_000, 50_000, 1_000_000]) {
      const batch = model.largestBatch(bytes, options);
      expect(batch).toBeGreaterThan(0);
      expect(model.memory({ ...options, batch }).training).toBeLessThanOrEqual(bytes);
      expect(model.memory({ ...options, batch: batch + 1 }).training).toBeGreaterThan(bytes);
    }
    expect(model.largestBatch(1000)).toBe(0);
  });
});
