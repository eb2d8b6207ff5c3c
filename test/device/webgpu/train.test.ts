import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../../src/data/random.ts";
import { type Device, openDevice } from "../../../src/device/index.ts";
import type { WebGpuDevice } from "../../../src/device/webgpu/device.ts";
import { lif, surrogate } from "../../../src/neuron/index.ts";
import { avgPool2d, batchNorm2d, conv2d, dropout, flatten, type LayerLike, linear, maxPool2d, Model, rate, residual, sequential, spiking } from "../../../src/nn/index.ts";
import { adam } from "../../../src/train/optimizer.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { quadrants, smallNetwork } from "../../train/digits.ts";
import { hasWebgpu, needsWebgpu } from "../../webgpu.ts";
import { sample } from "../../sample.ts";

const neuron = () => spiking(lif({ decayInput: false, detachReset: true, surrogate: surrogate.atan() }));

const convolutional = (): LayerLike => sequential(
  conv2d(1, 8, { kernel: 3, padding: 1, bias: false }), batchNorm2d(8), neuron(),
  residual(sequential(conv2d(8, 8, { kernel: 3, padding: 1 }), batchNorm2d(8))), neuron(),
  maxPool2d(2), dropout(0.2), conv2d(8, 6, { kernel: 1 }), neuron(), avgPool2d(2), flatten(), linear(6, 4), neuron(), rate(),
);

describe.skipIf(!hasWebgpu)(needsWebgpu("training on webgpu"), () => {
  let devices: Device[];
  beforeAll(async () => { devices = [await openDevice("cpu", { portable: true }), await openDevice("webgpu")]; });
  afterAll(() => Promise.all(devices.map((device) => device.dispose())));

  // Software computes in the cpu device's order: a perceptron learns the same to the last digits. Moments of batch norm have an order of their own.
  it.each(sample([["a perceptron", smallNetwork, [16], 1e-6], ["a convolutional network", convolutional, [4, 4, 1], 1e-3]] as const, 1))("%s learns what it learns on the cpu", async (_, network, inputShape, tolerance) => {
    const losses = await Promise.all(devices.map(async (device) => {
      const model = Model.build(network(), { device, inputShape: [...inputShape], steps: 4, random: new Random(3) });
      const trainer = new Trainer(model, { optimizer: adam({ lr: 1e-2 }), clipNorm: 1, seed: 5 });
      const { steps } = await trainer.fit(quadrants(200, 1), { epochs: 3, batchSize: 16 });
      trainer.dispose();
      model.dispose();
      return steps.map(({ loss }) => loss);
    }));
    const [cpu, webgpu] = losses;
    const difference = Math.max(...cpu.map((loss, i) => Math.abs(loss - webgpu[i])));
    expect(difference).toBeLessThan((devices[1] as WebGpuDevice).software ? tolerance : 0.1);
    const mean = (values: number[]): number => values.reduce((sum, x) => sum + x, 0) / values.length;
    expect(mean(webgpu.slice(-8))).toBeLessThan(0.9 * mean(webgpu.slice(0, 8)));
    for (const device of devices) expect(device.bytesInUse).toBe(0);
  });
});
