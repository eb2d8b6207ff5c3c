import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { poissonRate } from "../../src/data/encode.ts";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";
import { flatten, Model, sequential } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { predict } from "../../src/train/predict.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { quadrants, smallNetwork } from "./digits.ts";

let device: Device;
let trainer: Trainer;
let model: Model;
const test = quadrants(100, 2);
beforeAll(async () => {
  device = await openDevice("cpu");
  model = Model.build(smallNetwork(), { device, inputShape: [16], steps: 4, random: new Random(3) });
  trainer = new Trainer(model, { optimizer: adam({ lr: 0.02 }) });
  await trainer.fit(quadrants(320, 1), { epochs: 2, batchSize: 32 });
});
afterAll(() => device.dispose());

describe("predict", () => {
  it("reads as many images right as evaluate counts, in batches of any size", async () => {
    const { correct } = await trainer.evaluate(test);
    for (const batchSize of [256, 7]) {
      const { classes, scores } = await predict(model, test.images, { batchSize });
      expect(classes.filter((found, i) => found === test.labels[i]).length).toBe(correct);
      expect(scores.length).toBe(100 * 4);
      classes.forEach((found, i) => expect(scores[i * 4 + found]).toBe(Math.max(...scores.subarray(i * 4, i * 4 + 4))));
    }
  });

  it("takes one image, as bytes or as floats", async () => {
    const all = await predict(model, test.images);
    const bytes = test.images.slice(32, 48) as Uint8Array;
    const one = await predict(model, bytes);
    expect(one.classes).toEqual(all.classes.slice(2, 3));
    expect((await predict(model, Float32Array.from(bytes, (byte) => byte / 255))).scores).toEqual(one.scores);
  });

  it("takes images for a model of [H, W, C], an encoder, and gives the same each time", async () => {
    const square = Model.build(sequential(flatten(), smallNetwork()), { device, inputShape: [4, 4, 1], steps: 8, random: new Random(3) });
    const [a, b] = [await predict(square, test.images, { encoder: poissonRate }), await predict(square, test.images, { encoder: poissonRate })];
    expect(a).toEqual(b);
    square.dispose();
  });

  it.each([
    [new Uint8Array(15), ShapeError, /a Uint8Array of 15: expected .* \[count, 16\], a positive multiple of 16 values/],
    [new Uint8Array(0), ShapeError, /Uint8Array of 0/],
    [[1, 2, 3], ShapeError, /predict: images is \[1, 2, 3\]/],
    [undefined, ShapeError, /predict: images is undefined/],
    [new Float64Array(16), OptionError, /images/],
    [new Float32Array(16).fill(NaN), OptionError, /NaN/],
  ] as const)("refuses %s", async (images, kind, message) => {
    await expect(predict(model, images as never)).rejects.toThrow(kind);
    await expect(predict(model, images as never)).rejects.toThrow(message);
  });
});
