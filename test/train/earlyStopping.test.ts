import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError } from "../../src/errors.ts";
import { Model } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { reduceOnPlateau, type Schedule, type ScheduleState } from "../../src/train/schedule.ts";
import { type FitOptions, type FitResult, Trainer } from "../../src/train/trainer.ts";
import { encodeModel } from "../../src/train/weights.ts";
import { quadrants, smallNetwork } from "./digits.ts";

interface PlateauCase {
  options: { mode?: "max"; patience: number; factor: number; threshold?: number; threshold_mode?: "abs"; cooldown?: number; min_lr?: number };
  values: number[];
  rates: number[];
}
const plateaus: PlateauCase[] = JSON.parse(readFileSync(new URL("plateaus.json", import.meta.url), "utf8")).cases;

describe("reduceOnPlateau", () => {
  it.each(plateaus)("has the rates of PyTorch's ReduceLROnPlateau: $options", ({ options: { mode, patience, factor, threshold, threshold_mode, cooldown, min_lr }, values, rates }) => {
    const metric = mode === "max" ? "testAccuracy" : "testLoss";
    const schedule = reduceOnPlateau({ metric, patience, factor, threshold, thresholdMode: threshold_mode && "absolute", cooldown, minFactor: min_lr });
    let state: ScheduleState | undefined;
    values.forEach((value, i) => {
      state = schedule.observe!(state, { epoch: i + 1, trainLoss: 0, trainAccuracy: 0, seconds: 1, samplesPerSecond: 1, [metric]: value });
      expect(schedule.factor({ step: i, epoch: i, totalSteps: 100, stepsPerEpoch: 1, state })).toBeCloseTo(rates[i], 12);
    });
    expect(new Set(rates).size).toBeGreaterThan(2);
  });

  it("refuses options out of range", () => {
    expect(() => reduceOnPlateau({ factor: 1 })).toThrow(OptionError);
    expect(() => reduceOnPlateau({ metric: "loss" as never })).toThrow(/testLoss/);
  });
});

const [train, test] = [quadrants(64, 1), quadrants(32, 2)];
let device: Device;
let directory: string;
beforeAll(async () => {
  device = await openDevice("cpu", { threads: 1 });
});
afterAll(() => device.dispose());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "spikefold-early-"));
});
afterEach(() => rm(directory, { recursive: true }));

interface Trained extends FitResult {
  weights: Uint8Array;
}

/** A rate so large that the test loss soon gets no better. */
async function fit(options: Partial<FitOptions> = {}, schedule?: Schedule, stopAfter = Infinity): Promise<Trained> {
  const model = Model.build(smallNetwork(8), { device, inputShape: [16], steps: 4, random: new Random(1) });
  const trainer = new Trainer(model, { optimizer: adam({ lr: 0.5 }), schedule, seed: 3 });
  const result = await trainer.fit(train, { epochs: 12, batchSize: 32, testDataset: test, onWarning() {}, onStep: ({ step }) => step === stopAfter && trainer.stop(), ...options });
  const weights = await encodeModel(model);
  trainer.dispose();
  model.dispose();
  return { ...result, weights };
}

describe("early stopping", () => {
  it("ends after `patience` epochs without a better value, and takes the best weights back", async () => {
    const free = await fit();
    const losses = free.epochs.map(({ testLoss }) => testLoss!);
    const stops = losses.findIndex((_, i) => i >= 2 && Math.min(...losses.slice(0, i - 1)) <= Math.min(losses[i - 1], losses[i]));
    expect(stops).toBeGreaterThan(0);
    const stopped = await fit({ earlyStopping: { patience: 2 } });
    expect(stopped.finished).toBe(true);
    expect(stopped.epochs.map(({ testLoss }) => testLoss)).toEqual(losses.slice(0, stops + 1));
    expect(stopped.bestEpoch).toBe(stops - 1);
    const [best, restored] = [await fit({ epochs: stops - 1 }), await fit({ earlyStopping: { patience: 2, restoreBest: true } })];
    expect(restored.weights).toEqual(best.weights);
    expect(stopped.weights).not.toEqual(best.weights);
  });

  it("resumes to the same end, wherever it was interrupted, and stays there", async () => {
    const options: Partial<FitOptions> = { earlyStopping: { patience: 2, restoreBest: true }, checkpointEvery: 1 };
    const schedule = () => reduceOnPlateau({ patience: 0, factor: 0.5 });
    const whole = await fit(options, schedule());
    const resumed = { ...options, runDirectory: directory, resume: true };
    let result = await fit(resumed, schedule(), 1);
    for (let step = 3; !result.finished; step += 3) result = await fit(resumed, schedule(), step);
    const again = await fit(resumed, schedule());
    for (const { weights, epochs, bestEpoch } of [result, again]) {
      expect(weights).toEqual(whole.weights);
      expect(epochs.map(({ trainLoss, testLoss }) => [trainLoss, testLoss])).toEqual(whole.epochs.map(({ trainLoss, testLoss }) => [trainLoss, testLoss]));
      expect(bestEpoch).toBe(whole.bestEpoch);
    }
    await expect(fit({ ...resumed, earlyStopping: { patience: 3, restoreBest: true } }, schedule())).rejects.toThrow(/earlyStopping was/);
  });

  it("goes by the training where there is no test set, and says so where it cannot", async () => {
    const plain = { testDataset: undefined };
    await expect(fit({ ...plain, earlyStopping: { patience: 1 } })).rejects.toThrow(/earlyStopping goes by testLoss: give fit a testDataset/);
    await expect(fit(plain, reduceOnPlateau())).rejects.toThrow(/reduceOnPlateau goes by testLoss/);
    await expect(fit({ earlyStopping: { patience: 0 } })).rejects.toThrow(OptionError);
    expect((await fit({ ...plain, earlyStopping: { metric: "trainAccuracy", patience: 1, minDelta: 1 } })).epochs.length).toBe(2);
  });

  it("a schedule goes on in a later call of fit, unless it begins anew", async () => {
    const model = Model.build(smallNetwork(8), { device, inputShape: [16], steps: 4, random: new Random(1) });
    const seen: (ScheduleState | undefined)[] = [];
    const schedule = reduceOnPlateau({ metric: "trainLoss", patience: 0 });
    const trainer = new Trainer(model, { optimizer: adam({ lr: 0.5 }), schedule: { ...schedule, factor: (position) => (seen.push(position.state), schedule.factor(position)) } });
    const once = (options: Partial<FitOptions> = {}) => trainer.fit(train, { epochs: 2, batchSize: 64, onWarning() {}, ...options });
    await once();
    await once();
    await once({ restartSchedule: true });
    expect(seen.map((state) => state === undefined)).toEqual([true, false, false, false, true, false]);
    trainer.dispose();
    model.dispose();
  });
});
