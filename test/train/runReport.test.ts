import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poissonRate } from "../../src/data/encode.ts";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { linear, Model, sequential, spikeCount, spiking } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { leaky } from "../../src/neuron/index.ts";
import { energyOf } from "../../src/train/report/operations.ts";
import { renderReport } from "../../src/train/report/render.ts";
import { buildRunReport } from "../../src/train/runReport.ts";
import { compareStepTime } from "../../src/train/stepTime.ts";
import { type FitResult, Trainer } from "../../src/train/trainer.ts";
import { download, modelTensors } from "../../src/train/weights.ts";
import { quadrants, smallNetwork } from "./digits.ts";

let device: Device;
let trainer: Trainer;
let history: FitResult;
const [train, test] = [quadrants(160, 1), quadrants(96, 2)];
beforeAll(async () => {
  device = await openDevice("cpu");
  const model = Model.build(smallNetwork(), { device, inputShape: [16], steps: 6, random: new Random(1) });
  trainer = new Trainer(model, { optimizer: adam({ lr: 0.02 }) });
  history = await trainer.fit(train, { epochs: 2, batchSize: 32, testDataset: test });
});
afterAll(() => device.dispose());

describe("buildRunReport", () => {
  it("shows what the network did on test samples", async () => {
    const before = device.bytesInUse;
    const report = await buildRunReport(trainer, test, { title: "quadrants", options: { lr: 0.02 }, history, samples: 5, warnings: ["a warning"] });
    expect(device.bytesInUse).toBe(before);
    expect(report.epochs).toHaveLength(2);
    expect(report.firingRates.map(({ rate }) => rate > 0 && rate < 1)).toEqual([true, true]);
    expect(report.samples).toHaveLength(5);
    expect(report.scoreName).toBe("firing rate");
    for (const { image, layers, membranes, scores, prediction } of report.samples) {
      expect(image.pixels).toHaveLength(16);
      const output = layers[1];
      expect(output).toMatchObject({ steps: 6, neurons: 4, totalNeurons: 4, classes: true });
      expect(layers[0].classes).toBe(false);
      scores.forEach((score, neuron) => expect(score).toBeCloseTo(output.spikes.filter(([, n]) => n === neuron).length / 6, 6));
      expect(scores[prediction]).toBe(Math.max(...scores));
      for (const { v, spikes, neuron, layer, threshold, isMembrane } of membranes) {
        expect(v).toHaveLength(6);
        expect([threshold, isMembrane]).toEqual([1, true]);
        expect(v.map((value) => value >= 1)).toEqual(spikes);
        if (layer === output.name) expect(spikes.filter(Boolean)).toHaveLength(output.spikes.filter(([, n]) => n === neuron).length);
      }
      expect(membranes).toHaveLength(2);
    }
    expect(renderReport(report)).toContain("a warning");
  });

  it("counts a synaptic operation for each input that is not 0 and each of its connections", async () => {
    const { operations, firingRates } = await buildRunReport(trainer, test, { title: "quadrants", options: {}, history });
    const pixels = test.images.filter((value) => value !== 0).length / test.count;
    const hidden = trainer.model.summary()[0].outputShape[0];
    const [first, second] = operations!;
    // The input is the same in all six steps: the first layer runs once, and multiplies.
    expect(first).toMatchObject({ layer: trainer.model.summary()[0].name, macs: 16 * hidden, additions: false });
    expect(first.operations).toBeCloseTo(pixels * hidden, 3);
    expect(second).toMatchObject({ macs: hidden * 4, additions: true });
    expect(second.operations).toBeCloseTo(firingRates[0].rate * 6 * hidden * 4, 2);
    const { spiking, dense } = energyOf(operations!);
    expect(spiking).toBeCloseTo(first.operations * 4.6 + second.operations * 0.9, 3);
    expect(dense).toBeCloseTo((first.macs + second.macs) * 4.6, 3);
    const page = renderReport(await buildRunReport(trainer, test, { title: "quadrants", options: {}, history }));
    expect(page).toContain("Synaptic operations");
  });

  it("says what the test set is taken for, and how its neurons fire", async () => {
    const { confusion, firingRates, epochs } = await buildRunReport(trainer, test, { title: "quadrants", options: {}, history });
    const { correct, accuracy } = await trainer.evaluate(test);
    expect(confusion!.map((row) => row.reduce((a, b) => a + b))).toEqual([0, 1, 2, 3].map((label) => test.labels.filter((each) => each === label).length));
    expect(confusion!.reduce((sum, row, label) => sum + row[label], 0)).toBe(correct);
    expect(epochs.at(-1)!.testAccuracy).toBe(accuracy);
    for (const { rate, neurons } of firingRates) {
      const { count, histogram, dead } = neurons!;
      expect(histogram.reduce((a, b) => a + b)).toBe(count);
      expect(dead).toBeLessThanOrEqual(histogram[0]);
      const [low, high] = [0, 1].map((edge) => histogram.reduce((sum, each, bin) => sum + (each * (bin + edge)) / histogram.length, 0) / count);
      expect(rate).toBeGreaterThanOrEqual(low - 1e-6);
      expect(rate).toBeLessThanOrEqual(high + 1e-6);
    }
  });

  it("says how it was trained, and where", async () => {
    const { training, environment } = await buildRunReport(trainer, test, { title: "quadrants", options: {}, history, samples: 0, environment: { room: 3 } });
    expect(training.optimiser).toMatch(/^adam, lr 0\.02, /);
    expect(training).toMatchObject({ loss: expect.stringMatching(/^crossEntropy/), schedule: "constant", seed: 0 });
    expect(environment).toMatchObject({ node: process.version, spikefold: expect.stringMatching(/^\d+\.\d+\.\d+/), processor: expect.stringMatching(/\d+ cores$/), room: 3 });
  });

  it("draws the neuron's own threshold, and the counts of a read-out that counts", async () => {
    const model = Model.build(sequential(linear(16, 4), spiking(leaky({ threshold: 0.3 })), spikeCount()), { device, inputShape: [16], steps: 6, random: new Random(1) });
    const untrained = new Trainer(model, { optimizer: adam() });
    const { samples, scoreName, confusion } = await buildRunReport(untrained, test, { title: "t", options: {}, history: { epochs: [], steps: [] } });
    expect(scoreName).toBe("spike count");
    for (const { scores, membranes: [{ threshold, v, spikes }] } of samples) {
      expect(scores.every(Number.isInteger)).toBe(true);
      expect(threshold).toBeCloseTo(0.3, 7);
      expect(v.map((value) => value > Math.fround(0.3))).toEqual(spikes);
    }
    expect(confusion!.reduce((sum, row, label) => sum + row[label], 0)).toBe((await untrained.evaluate(test)).correct);
    untrained.dispose();
    model.dispose();
  });

  it("draws float images as it draws bytes, and wider ones from their smallest value to their largest", async () => {
    const drawn = async (change: (byte: number) => number) => {
      const { samples } = await buildRunReport(trainer, { ...test, images: Float32Array.from(test.images, change) }, { title: "floats", options: {}, history, samples: 1 });
      return samples[0].image.pixels;
    };
    const { samples: [{ image }] } = await buildRunReport(trainer, test, { title: "bytes", options: {}, history, samples: 1 });
    expect(await drawn((byte) => byte / 255)).toEqual(image.pixels);
    const wide = await drawn((byte) => byte / 25.5 - 5);
    expect([Math.min(...wide) >= 0, Math.max(...wide)]).toEqual([true, 255]);
  });
});

describe("compareStepTime", () => {
  it.each([undefined, poissonRate])("times both ways and leaves the weights as they were (%#)", async (encoder) => {
    const bytes = device.bytesInUse;
    const before = await download(modelTensors(trainer.model));
    const { fusedMs, stepwiseMs, speedup, fused, stepwise } = await compareStepTime(trainer, train, { batchSize: 32, repetitions: 3, encoder });
    expect(await download(modelTensors(trainer.model))).toEqual(before);
    expect(device.bytesInUse).toBe(bytes);
    expect(speedup).toBeCloseTo(stepwiseMs / fusedMs, 12);
    for (const share of [fused, stepwise]) expect(Math.min(...Object.values(share))).toBeGreaterThan(0);
  });
});
