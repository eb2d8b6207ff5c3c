import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { Model } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { compareStepTime } from "../../src/train/stepTime.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { download, modelTensors } from "../../src/train/weights.ts";
import { quadrants, smallNetwork } from "./digits.ts";

const dataset = quadrants(32, 1);
let device: Device;
let trainer: Trainer;
beforeAll(async () => {
  device = await openDevice("cpu", { threads: 1 });
  // More than a thousand launches for a pass step by step.
  trainer = new Trainer(Model.build(smallNetwork(), { device, inputShape: [16], steps: 100, random: new Random(1) }), { optimizer: adam() });
});
afterAll(() => device.dispose());

/** Checks that memory and weights are what they were. */
async function compare(options: Parameters<typeof compareStepTime>[2] & { budget?: number; signal?: { readonly aborted: boolean } }) {
  const [bytes, weights] = [device.bytesInUse, await download(modelTensors(trainer.model))];
  const result = await compareStepTime(trainer, dataset, options);
  expect(device.bytesInUse).toBe(bytes);
  expect(await download(modelTensors(trainer.model))).toEqual(weights);
  return result;
}

it("ends in the middle of a pass step by step that takes longer than the budget", async () => {
  expect(await compare({ budget: 0.002 })).toBeUndefined();
});

it("does fewer repetitions where the budget allows no more", async () => {
  let pairs = 0;
  const start = performance.now();
  const one = await compareStepTime(trainer, dataset, { repetitions: 1 });
  const pairMs = (performance.now() - start) / 3;
  expect(one.speedup).toBeGreaterThan(0);
  const result = await compare({ budget: (8 * pairMs) / 1000, repetitions: 1000, alternate: async () => void pairs++ });
  expect(result?.stepwiseMs).toBeGreaterThan(0);
  expect(pairs).toBeLessThan(100);
});

it("ends at a signal, with what was measured until then", async () => {
  const before = AbortSignal.abort();
  expect(await compare({ signal: before })).toBeUndefined();
  const interruption = new AbortController();
  const result = await compare({ signal: interruption.signal, repetitions: 1000, alternate: async () => interruption.abort() });
  expect(result?.fusedMs).toBeGreaterThan(0);
});
