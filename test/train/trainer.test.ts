import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { constant, latency, poissonRate } from "../../src/data/encode.ts";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";
import { avgPool2d, batchNorm2d, dropout, globalAvgPool2d, type Layer, linear, maxPool2d, Model, rate, sequential } from "../../src/nn/index.ts";
import { TrainingError } from "../../src/train/error.ts";
import { crossEntropy } from "../../src/train/losses/crossEntropy.ts";
import { meanSquaredError } from "../../src/train/losses/squaredError.ts";
import { adam, sgd } from "../../src/train/optimizer.ts";
import { cosine } from "../../src/train/schedule.ts";
import { readRun } from "../../src/train/storedRun.ts";
import { type FitOptions, Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { modelTensors } from "../../src/train/weights.ts";
import { quadrants, smallNetwork } from "./digits.ts";

const [train, test] = [quadrants(320, 1), quadrants(160, 2)];
let device: Device;
let directory: string;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.dispose());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "spikefold-trainer-"));
});
afterEach(() => rm(directory, { recursive: true }));

interface Setting extends Partial<TrainerOptions> {
  layer?: Layer;
  inputShape?: readonly number[];
  steps?: number;
}

function make({ layer = smallNetwork(), inputShape = [16], steps = 4, seed = 3, optimizer = adam({ lr: 0.02 }), ...options }: Setting = {}): Trainer {
  const model = Model.build(layer, { device, inputShape, steps, random: new Random(seed) });
  return new Trainer(model, { optimizer, seed, ...options });
}

async function weights({ model }: Trainer): Promise<Record<string, number[]>> {
  const values: Record<string, number[]> = {};
  for (const [name, tensor] of Object.entries(modelTensors(model))) values[name] = [...(await device.read(tensor))];
  return values;
}

/** Trains, stopping after a number of updates if one is given. */
async function run(setting: Setting, fit: Partial<FitOptions> = {}, stopAfter = Infinity) {
  const trainer = make(setting);
  const result = await trainer.fit(train, {
    epochs: 2, batchSize: 32, testDataset: test, onWarning() {}, ...fit,
    onStep: ({ step }) => step === stopAfter && trainer.stop(),
  });
  return { trainer, result, weights: await weights(trainer) };
}

describe("Trainer", () => {
  it.each([
    ["cross-entropy of rates", crossEntropy(), 0.02],
    ["cross-entropy of counts", crossEntropy({ of: "count" }), 0.02],
    ["squared error of rates", meanSquaredError(), 0.02],
    ["squared error of counts", meanSquaredError({ of: "count" }), 0.02],
  ])("learns by %s", async (_, loss, lr) => {
    const { result, trainer } = await run({ loss, optimizer: adam({ lr }) }, { epochs: 5 });
    const [first, last] = [result.epochs[0], result.epochs[4]];
    expect(last.testAccuracy).toBeGreaterThan(0.9);
    expect(last.trainLoss).toBeLessThan(first.trainLoss);
    expect(await trainer.evaluate(test)).toMatchObject({ loss: last.testLoss, accuracy: last.testAccuracy, samples: 160 });
  });

  const spread: typeof latency = ({ steps }) => latency({ steps, linear: true, normalize: true });
  it.each([["poissonRate", poissonRate], ["latency", spread]])("learns from %s spikes", async (_, encoder) => {
    const { result } = await run({ steps: 8 }, { encoder, epochs: 6 });
    expect(result.epochs[5].testAccuracy).toBeGreaterThan(0.7);
  });

  it("learns from floats in [0, 1] what it learns from bytes", async () => {
    const floats = (data: typeof train) => ({ ...data, images: Float32Array.from(data.images, (byte) => byte / 255) });
    const [bytes, same] = [make(), make()];
    const fit = { epochs: 5, batchSize: 32 };
    const a = await bytes.fit(train, { ...fit, testDataset: test });
    const b = await same.fit(floats(train), { ...fit, testDataset: floats(test) });
    expect(a.epochs[4].testAccuracy).toBeGreaterThan(0.9);
    expect(b.epochs[4].testAccuracy).toBeCloseTo(a.epochs[4].testAccuracy!, 1);
    expect(b.steps[0].loss).toBeCloseTo(a.steps[0].loss, 3);
  });

  it("records every step and epoch", async () => {
    const events: number[] = [];
    const trainer = make();
    const result = await trainer.fit(train, { epochs: 3, batchSize: 96, testDataset: test, evaluateEvery: 2, onStep: ({ step, totalSteps }) => events.push(step / totalSteps) });
    expect(result.finished).toBe(true);
    expect(result.steps.map(({ step }) => step)).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(events).toHaveLength(12);
    expect(events[11]).toBe(1);
    expect(result.epochs.map(({ testAccuracy }) => testAccuracy !== undefined)).toEqual([false, true, true]);
    const mean = (of: number[], sizes: number[]) => of.reduce((sum, value, i) => sum + value * sizes[i], 0) / 320;
    expect(result.epochs[0].trainLoss).toBeCloseTo(mean(result.steps.slice(0, 4).map(({ loss }) => loss), [96, 96, 96, 32]), 10);
  });

  it("waits for what onStep returns, also to evaluate the model in between, and trains the same", async () => {
    const [plain, watched] = [make(), make()];
    const fit = { epochs: 1, batchSize: 32 };
    let evaluations = 0;
    const result = await watched.fit(train, {
      ...fit,
      async onStep({ step }) {
        const { samples } = await watched.evaluate(test);
        expect([samples, step]).toEqual([160, ++evaluations]);
      },
    });
    expect(evaluations).toBe(10);
    expect(result.steps).toEqual((await plain.fit(train, fit)).steps);
    expect(await weights(watched)).toEqual(await weights(plain));
  });

  it("gives the same weights for the same seed, others for another", async () => {
    const [a, b, c] = [await run({}), await run({}), await run({ seed: 4 })];
    expect(b.weights).toEqual(a.weights);
    expect(b.result.steps).toEqual(a.result.steps);
    expect(c.weights).not.toEqual(a.weights);
  });

  it("leaves no memory behind", async () => {
    const before = device.bytesInUse;
    const { trainer } = await run({ clipNorm: 1 });
    trainer.dispose();
    trainer.model.dispose();
    // What earlier tests forgot may be collected meanwhile.
    expect(device.bytesInUse).toBeLessThanOrEqual(before);
  });

  it("clipping keeps a step that is too large from doing harm", async () => {
    const optimizer = () => sgd({ lr: 0.5, momentum: 0.9 });
    const { result } = await run({ optimizer: optimizer(), clipNorm: 0.5 }, { epochs: 5 });
    expect(result.epochs[4].testAccuracy).toBeGreaterThan(0.7);
  });

  it.each([[sgd({ lr: 0.05, momentum: 0.9 }), poissonRate], [adam({ lr: 0.02 }), constant]])("stopped anywhere and resumed, it ends with the same weights (%#)", async (optimizer, encoder) => {
    const setting = { optimizer, schedule: cosine({ warmup: 3 }), clipNorm: 1 };
    const whole = await run(setting, { encoder });
    const fit = { encoder, runDirectory: directory, resume: true, checkpointEvery: 3 };
    for (const stopAfter of [4, 10, 13, 19]) {
      const { result } = await run(setting, fit, stopAfter);
      expect(result.finished).toBe(false);
      expect(result.steps).toHaveLength(stopAfter);
    }
    const rest = await run(setting, fit);
    expect(rest.weights).toEqual(whole.weights);
    expect(rest.result.steps).toEqual(whole.result.steps);
    const scores = ({ epochs }: typeof whole.result) => epochs.map(({ testLoss, trainLoss, testAccuracy }) => [testLoss, trainLoss, testAccuracy]);
    expect(scores(rest.result)).toEqual(scores(whole.result));
    const again = await run(setting, fit);
    expect(again.weights).toEqual(whole.weights);
  });

  it("is stopped before its first update, while it opens its directory", async () => {
    const trainer = make();
    const fit = trainer.fit(train, { epochs: 1, batchSize: 32, runDirectory: directory });
    trainer.stop();
    expect(await fit).toMatchObject({ finished: false, steps: [] });
    const rest = await run({}, { epochs: 1, runDirectory: directory, resume: true });
    expect(rest.weights).toEqual((await run({}, { epochs: 1 })).weights);
  });

  it("is stopped while it evaluates, and evaluates again when it is resumed", async () => {
    const fit = { epochs: 1, runDirectory: directory, resume: true };
    const whole = await run({}, { epochs: 1 });
    const large = quadrants(600, 2);
    const trainer = make();
    let seen = 0;
    const stopped = await trainer.fit(train, { ...fit, batchSize: 32, testDataset: large, onEvaluate: (samples) => (trainer.stop(), (seen = samples)) });
    expect(stopped).toMatchObject({ finished: false, epochs: [] });
    expect(seen).toBeLessThan(600);
    const rest = await run({}, fit);
    expect(rest.weights).toEqual(whole.weights);
    expect(rest.result.epochs[0].testLoss).toBe(whole.result.epochs[0].testLoss);
  });

  it("resumes a second training of the same trainer", async () => {
    const twice = async (runDirectory: string, stopAfter?: number) => {
      const trainer = make();
      await trainer.fit(train, { epochs: 1, batchSize: 32 });
      await trainer.fit(train, { epochs: 1, batchSize: 32, runDirectory, resume: true, onStep: ({ step }) => step === stopAfter && trainer.stop() });
      return weights(trainer);
    };
    const whole = await twice(join(directory, "whole"));
    await twice(join(directory, "stopped"), 4);
    expect(await twice(join(directory, "stopped"))).toEqual(whole);
  });

  it("trains on after its end when given more epochs", async () => {
    const whole = await run({}, { epochs: 3 });
    await run({}, { epochs: 1, runDirectory: directory });
    const longer = await run({}, { epochs: 3, runDirectory: directory, resume: true });
    expect(longer.weights).toEqual(whole.weights);
  });

  it("a loss that is no number stops it and leaves the last checkpoint", async () => {
    await run({}, { epochs: 1, runDirectory: directory });
    const saved = await (await readRun(directory)).read("checkpoint");
    const trainer = make();
    const fit = trainer.fit(train, {
      epochs: 2, batchSize: 32, runDirectory: directory, resume: true,
      onStep: ({ step }) => step === 12 && device.write(trainer.model.parameters()[2].value, new Float32Array(24 * 4).fill(NaN)),
    });
    await expect(fit).rejects.toThrow(TrainingError);
    expect(await (await readRun(directory)).read("checkpoint")).toEqual(saved);
  });

  it("does not save weights that are no numbers", async () => {
    const trainer = make();
    const fit = trainer.fit(train, {
      epochs: 1, batchSize: 320, runDirectory: directory,
      onStep: () => device.write(trainer.model.parameters()[0].value, new Float32Array(16 * 24).fill(Infinity)),
    });
    await expect(fit).rejects.toThrow(/after epoch 1: 0\.weight\[0, 0\] is Infinity/);
    expect(await readdir(directory)).toEqual([]);
  });

  it("refuses to resume what began otherwise, and says how it differs", async () => {
    const fit = { epochs: 1, runDirectory: directory };
    await run({ schedule: cosine() }, fit);
    const resumed = { ...fit, resume: true };
    await expect(run({ schedule: cosine() }, fit)).rejects.toThrow(/holds a run already/);
    await expect(run({ schedule: cosine(), seed: 4 }, resumed)).rejects.toThrow(/seed was 3, now it is 4/);
    await expect(run({ schedule: cosine() }, { ...resumed, batchSize: 16 })).rejects.toThrow(/batchSize was 32, now it is 16/);
    await expect(run({ schedule: cosine() }, { ...resumed, epochs: 2 })).rejects.toThrow(/epochs was 1, now it is 2/);
    await expect(run({ schedule: cosine(), optimizer: adam({ lr: 0.1 }) }, resumed)).rejects.toThrow(/optimizer.lr was 0.02, now it is 0.1/);
    await expect(run({ schedule: cosine(), layer: smallNetwork(25) }, resumed)).rejects.toThrow(/0: linear\(16, 24\).* now it is .*0: linear\(16, 25\)/);
    await expect(run({ schedule: cosine(), layer: smallNetwork(24, 3) }, resumed)).rejects.toThrow(/neuron 1: .*mul\(state v, 0\.5\).*, now it is .*div\(state v, 3\)/);
    await expect(run({ schedule: cosine() }, { ...resumed, encoder: latency })).rejects.toThrow(/encoder was "constant", now it is "latency/);
  });

  it.each<[string, () => Layer, () => Layer]>([
    ["eps", () => batchNorm2d(1), () => batchNorm2d(1, { eps: 0.5 })],
    ["momentum", () => batchNorm2d(1), () => batchNorm2d(1, { momentum: 0.5 })],
    ["stride", () => maxPool2d(3), () => maxPool2d(3, { stride: 4 })],
    ["padding", () => avgPool2d(3, { stride: 4 }), () => avgPool2d(3, { stride: 4, padding: 1 })],
    ["p", () => dropout(0.1), () => dropout(0.2)],
  ])("refuses to resume with another %s of a layer", async (option, before, after) => {
    const setting = (layer: Layer) => ({ inputShape: [4, 4, 1], layer: sequential(layer, globalAvgPool2d(), linear(1, 4), rate()) });
    const fit = { epochs: 1, runDirectory: directory, resume: true };
    await run(setting(before()), fit, 3);
    await expect(run(setting(after()), fit)).rejects.toThrow(new RegExp(`network, line 2 was .*${option}.*, now it is .*${option}`));
  });

  it.each<[string, object, RegExp]>([
    ["a learning rate", { lr: 0.1 }, /the learning rate is the optimiser's: \{ optimizer: adam\(\{ lr: 0\.001 \}\) \}/],
    ["no optimiser", {}, /needs the option optimizer: an optimiser: adam\(/],
    ["an optimiser as a text", { optimizer: "adam" }, /optimizer is "adam": expected an optimiser: adam\(/],
    ["an optimiser that was not called", { optimizer: adam }, /optimizer is a function adam: expected an optimiser/],
    ["a loss as a text", { optimizer: adam(), loss: "crossEntropy" }, /loss is "crossEntropy": expected a loss: crossEntropy\(\)/],
    ["an option that there is not", { optimizer: adam(), clipnorm: 1 }, /did you mean clipNorm\?/],
    ["nothing", undefined as never, /takes an object of options/],
  ])("refuses %s", (_, options, message) => {
    const { model } = make();
    expect(() => new Trainer(model, options as never)).toThrow(OptionError);
    expect(() => new Trainer(model, options as never)).toThrow(message);
    expect(() => new Trainer(model.body as never, { optimizer: adam() })).toThrow(/model is a .*: expected a model: Model\.build/);
  });

  it.each<[object, RegExp]>([
    [{ epoch: 1 }, /fit has no option epoch: did you mean epochs\?/],
    [{ epochs: 1, encoder: "poissonRate" }, /encoder is "poissonRate": expected an encoder: encode\.constant/],
    [{ epochs: 1, batchsize: 1 }, /did you mean batchSize\?/],
    [{ epochs: 1, testDataset: [] }, /testDataset is \[\]/],
    [{ epochs: 1, onWarning: true }, /onWarning is true: expected a function/],
  ])("fit and evaluate name what is wrong with their options (%#)", async (options, message) => {
    await expect(make().fit(train, options as never)).rejects.toThrow(message);
    await expect(make().evaluate(train, { batchsize: 3 } as never)).rejects.toThrow(/evaluate has no option batchsize: did you mean batchSize\?/);
    await expect(make().fit(undefined as never, { epochs: 1 })).rejects.toThrow(/a data set is undefined/);
    await expect(make().evaluate([] as never)).rejects.toThrow(/a data set is \[\]/);
  });

  it("checks options and shapes before it trains", async () => {
    await expect(run({}, { epochs: 0 })).rejects.toThrow(OptionError);
    await expect(run({}, { checkpointEvery: 1.5 })).rejects.toThrow(OptionError);
    await expect(run({}, { resume: true })).rejects.toThrow(OptionError);
    await expect(run({}, { testDataset: { ...test, width: 2, height: 2, images: test.images.slice(0, 640) } })).rejects.toThrow(ShapeError);
    await expect(run({ layer: sequential(linear(16, 4)) })).rejects.toThrow(/read-out/);
    await expect(run({ layer: smallNetwork(24, 2, 3) })).rejects.toThrow(/4 classes/);
  });
});
