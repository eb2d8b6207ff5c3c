import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poissonRate } from "../../src/data/encode.ts";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError } from "../../src/errors.ts";
import { lif } from "../../src/neuron/library/index.ts";
import { dropout, linear, Model, rate, sequential, spiking } from "../../src/nn/index.ts";
import type { EncoderMaker } from "../../src/train/encoding.ts";
import { adam } from "../../src/train/optimizer.ts";
import { cosine, stepDecay, type Schedule } from "../../src/train/schedule.ts";
import { type FitOptions, type StepEvent, Trainer } from "../../src/train/trainer.ts";
import { download, modelTensors } from "../../src/train/weights.ts";
import { quadrants } from "./digits.ts";

const train = quadrants(80, 1);
let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.dispose());

/** Everything random that training has: order, augmentation, Poisson spikes, dropout. */
const fitOptions = {
  batchSize: 32, encoder: poissonRate, testDataset: quadrants(40, 2), onWarning() {},
  augment: (images, _shape, random) => void (images[0] = random.integer(100)),
} satisfies Partial<FitOptions>;

function make(schedule?: Schedule): Trainer {
  const neuron = () => lif({ decayInput: false });
  const network = sequential(linear(16, 12), spiking(neuron()), dropout(0.2), linear(12, 4), spiking(neuron()), rate());
  return new Trainer(Model.build(network, { device, inputShape: [16], steps: 6, random: new Random(1) }), { optimizer: adam({ lr: 0.02 }), schedule, seed: 5 });
}

async function train5(schedule: Schedule | undefined, calls: readonly Partial<FitOptions>[]) {
  const trainer = make(schedule);
  const [events, steps, epochs]: [StepEvent[], unknown[], unknown[]] = [[], [], []];
  for (const call of calls) {
    const result = await trainer.fit(train, { epochs: 1, ...fitOptions, onStep: (event) => events.push(event), ...call });
    steps.push(...result.steps);
    epochs.push(...result.epochs.map(({ epoch, trainLoss, testLoss, testAccuracy }) => ({ epoch, trainLoss, testLoss, testAccuracy })));
  }
  return { steps, epochs, events, weights: await download(modelTensors(trainer.model)), trainer };
}

describe("several calls of fit train as one", () => {
  it.each<[string, Schedule | undefined, object]>([
    ["without a schedule", undefined, {}],
    ["with one that counts epochs", stepDecay({ every: 2, gamma: 0.5 }), {}],
    ["with one that leads to an end", cosine({ warmup: 2 }), { totalEpochs: 5 }],
  ])("%s", async (_, schedule, total) => {
    const whole = await train5(schedule, [{ epochs: 5 }]);
    const loop = await train5(schedule, Array.from({ length: 5 }, () => ({ epochs: 1, ...total })));
    const uneven = await train5(schedule, [{ epochs: 2, ...total }, { epochs: 3, ...total }]);
    for (const { weights, steps, epochs } of [loop, uneven]) {
      expect(weights).toEqual(whole.weights);
      expect(steps).toEqual(whole.steps);
      expect(epochs).toEqual(whole.epochs);
    }
    expect(whole.events).toHaveLength(15);
    expect(uneven.events.map(({ epoch, step }) => [epoch, step])).toEqual(whole.events.map(({ epoch, step }) => [epoch, step]));
    if (schedule?.usesTotal) expect(loop.events).toEqual(whole.events);
  });

  it("and a call differs from the one before, in order and spikes", async () => {
    const [first, spikes, trainer]: [string[], string[], Trainer] = [[], [], make()];
    const encoder: EncoderMaker = (options) => (data, shape) => {
      const encoded = poissonRate(options)(data, shape);
      first.push(data.subarray(0, 64).join());
      spikes.push(encoded.data.slice(0, 64).join());
      return encoded;
    };
    for (let call = 0; call < 3; call++) await trainer.fit(train, { ...fitOptions, epochs: 1, encoder, augment: undefined, testDataset: undefined });
    expect(first).toHaveLength(9);
    for (const seen of [first, spikes]) expect(new Set(seen).size).toBe(9);
  });

  it("goes on after a training that was stopped within an epoch, with new streams", async () => {
    const trainer = make();
    const { finished, steps } = await trainer.fit(train, { ...fitOptions, epochs: 2, onStep: ({ step }) => step === 2 && trainer.stop() });
    expect([finished, steps.length]).toEqual([false, 2]);
    const next = await trainer.fit(train, { ...fitOptions, epochs: 1 });
    expect(next.steps.map(({ step }) => step)).toEqual([3, 4, 5]);
    expect(next.epochs.map(({ epoch }) => epoch)).toEqual([2]);
  });
});

describe("a schedule that leads to an end", () => {
  it("needs to know all epochs in a later call", async () => {
    const trainer = make(cosine());
    await trainer.fit(train, { ...fitOptions, epochs: 1 });
    await expect(trainer.fit(train, { ...fitOptions, epochs: 1 })).rejects.toThrow(OptionError);
    await expect(trainer.fit(train, { ...fitOptions, epochs: 1 })).rejects.toThrow(/schedule cosine leads to an end, and this trainer has trained 1 epoch already: .*totalEpochs.*restartSchedule: true/);
    await expect(trainer.fit(train, { ...fitOptions, epochs: 3, totalEpochs: 3 })).rejects.toThrow(/totalEpochs is 3: expected at least 4/);
    await expect(trainer.fit(train, { ...fitOptions, epochs: 1, totalEpochs: 3, restartSchedule: true })).rejects.toThrow(/exclude each other/);
  });

  it("begins anew where that is asked for", async () => {
    const positions: number[] = [];
    const spy: Schedule = { ...cosine(), factor: (position) => {
      positions.push(position.step / position.totalSteps);
      return 1;
    } };
    const trainer = make(spy);
    for (let call = 0; call < 2; call++) await trainer.fit(train, { ...fitOptions, epochs: 2, restartSchedule: true });
    const once = [0, 1, 2, 3, 4, 5].map((step) => step / 6);
    expect(positions).toEqual([...once, ...once]);
  });

  it.each([NaN, -1, Infinity, undefined, "1"])("that gives %s is refused by its name", async (factor) => {
    const trainer = make({ name: "mine", options: {}, factor: () => factor as number });
    await expect(trainer.fit(train, { ...fitOptions, epochs: 1 })).rejects.toThrow(/schedule mine: the factor of update 1 is .*: expected a finite number ≥ 0/);
  });
});

describe("a run that began after another training", () => {
  const inDirectory = async (work: (directory: string) => Promise<void>): Promise<void> => {
    const directory = await mkdtemp(join(tmpdir(), "spikefold-course-"));
    await work(directory).finally(() => rm(directory, { recursive: true }));
  };

  it("resumes to the same weights, in the trainer that began it, in one that trained the same before, and in a new one", () => inDirectory(async (directory) => {
    const whole = await train5(undefined, [{ epochs: 1 }, { epochs: 2 }]);
    for (const [name, prepare] of [
      ["the same", async (trainer: Trainer) => trainer],
      ["another", async () => (await train5(undefined, [{ epochs: 1 }])).trainer],
      ["a new one", async () => make()],
    ] as const) {
      const runDirectory = join(directory, name);
      const { trainer } = await train5(undefined, [{ epochs: 1 }]);
      await trainer.fit(train, { ...fitOptions, epochs: 2, runDirectory, onStep: ({ step }) => step === 3 + 4 && trainer.stop() });
      const next = await prepare(trainer);
      const { steps, epochs, finished } = await next.fit(train, { ...fitOptions, epochs: 2, runDirectory, resume: true });
      expect(finished).toBe(true);
      expect(await download(modelTensors(next.model))).toEqual(whole.weights);
      expect(steps).toEqual(whole.steps.slice(3));
      expect(epochs.map(({ epoch, trainLoss }) => ({ epoch, trainLoss }))).toEqual(whole.epochs.slice(1).map((each) => ({ epoch: (each as { epoch: number }).epoch, trainLoss: (each as { trainLoss: number }).trainLoss })));
    }
  }));

  it("and training goes on after it as after one in a single process", () => inDirectory(async (directory) => {
    const whole = await train5(cosine(), [{ epochs: 4 }]);
    const first = make(cosine());
    await first.fit(train, { ...fitOptions, epochs: 3, totalEpochs: 4, runDirectory: directory, onStep: ({ step }) => step === 5 && first.stop() });
    const second = make(cosine());
    await second.fit(train, { ...fitOptions, epochs: 3, totalEpochs: 4, runDirectory: directory, resume: true });
    await second.fit(train, { ...fitOptions, epochs: 1, totalEpochs: 4 });
    expect(await download(modelTensors(second.model))).toEqual(whole.weights);
  }));
});

it("refuses a second fit while one is under way", async () => {
  const trainer = make();
  const first = trainer.fit(train, { ...fitOptions, epochs: 1 });
  await expect(trainer.fit(train, { ...fitOptions, epochs: 1 })).rejects.toThrow(/this trainer trains already/);
  expect((await first).finished).toBe(true);
  expect((await trainer.fit(train, { ...fitOptions, epochs: 1 })).finished).toBe(true);
});
