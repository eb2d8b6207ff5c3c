import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/index.ts";
import { integrateAndFire, lif, parametricLif } from "../../src/neuron/index.ts";
import { avgPool2d, batchNorm2d, clearGradients, conv2d, dropout, flatten, globalAvgPool2d, type LayerLike, linear, maxPool2d, meanMembrane, type Model, rate, residual, sequential, spiking, Tape } from "../../src/nn/index.ts";
import { adam, OptimizerRun } from "../../src/train/optimizer.ts";
import { conv, mlp, referenceNeuron, referenceModels } from "../../src/train/models.ts";
import { buildModel, openTestDevice, product, uniform } from "./helpers.ts";
import { peakOf } from "./peak.ts";

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

/** One pass, as a trainer makes it. */
function pass(model: Model, training: boolean, { batch, timeConstant }: { batch: number; timeConstant: boolean }, density: number): number {
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
