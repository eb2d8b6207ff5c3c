import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError } from "../../src/errors.ts";
import type { Loss } from "../../src/train/loss.ts";
import { crossEntropy } from "../../src/train/losses/crossEntropy.ts";
import { meanSquaredError } from "../../src/train/losses/squaredError.ts";

let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.dispose());

const [batch, classes, steps] = [5, 4, 8];
const random = new Random(7);
const rates = Float32Array.from({ length: batch * classes }, () => random.integer(steps + 1) / steps);
const labels = Int32Array.from({ length: batch }, () => random.integer(classes));

async function evaluate(loss: Loss, values: Float32Array) {
  const output = device.tensor(values, [batch, classes]);
  const { loss: value, gradient, correct } = loss.evaluate(output, labels, steps);
  const read = async (tensor: typeof output) => [...(await device.read(tensor))];
  const result = { loss: (await read(value))[0], gradient: await read(gradient), correct: (await read(correct))[0] };
  for (const tensor of [output, value, gradient, correct]) tensor.dispose();
  return result;
}

/** In plain doubles. */
const crossEntropyOf = (scale: number) => (x: ArrayLike<number>): number => {
  let sum = 0;
  for (let b = 0; b < batch; b++) {
    const row = Array.from({ length: classes }, (_, k) => x[b * classes + k] * scale);
    sum += Math.log(row.reduce((total, value) => total + Math.exp(value), 0)) - row[labels[b]];
  }
  return sum / batch;
};
const squaredErrorOf = (scale: number, correct: number, incorrect: number) => (x: ArrayLike<number>): number =>
  Array.from({ length: batch * classes }, (_, i) => (scale * (x[i] - (labels[Math.floor(i / classes)] === i % classes ? correct : incorrect))) ** 2)
    .reduce((sum, value) => sum + value) / (batch * classes);

describe.each<[string, Loss, (x: ArrayLike<number>) => number]>([
  ["cross-entropy of rates", crossEntropy(), crossEntropyOf(1)],
  ["cross-entropy of counts", crossEntropy({ of: "count" }), crossEntropyOf(steps)],
  ["squared error of rates", meanSquaredError(), squaredErrorOf(1, 1, 0)],
  ["squared error of counts", meanSquaredError({ of: "count", correct: 0.8, incorrect: 0.1 }), squaredErrorOf(steps, 0.8, 0.1)],
])("%s", (_, loss, reference) => {
  it("is the mean over the batch", async () => {
    expect((await evaluate(loss, rates)).loss).toBeCloseTo(reference(rates), 5);
  });

  it("has the gradient of that mean with respect to the output", async () => {
    const { gradient } = await evaluate(loss, rates);
    const h = 1e-6;
    gradient.forEach((value, i) => {
      const moved = (by: number) => reference(Float64Array.from(rates, (x, j) => (i === j ? x + by : x)));
      expect(value).toBeCloseTo((moved(h) - moved(-h)) / (2 * h), 5);
    });
  });

  it("counts the samples whose label has the largest output, and frees what it used", async () => {
    const before = device.bytesInUse;
    const certain = Float32Array.from(rates, (_, i) => (labels[Math.floor(i / classes)] === i % classes ? 1 : 0));
    certain.fill(0, 0, classes);
    certain[(labels[0] + 1) % classes] = 1;
    expect((await evaluate(loss, certain)).correct).toBe(batch - 1);
    expect(device.bytesInUse).toBe(before);
  });
});

it("refuses options out of range", () => {
  expect(() => crossEntropy({ of: "logits" as never })).toThrow(OptionError);
  expect(() => meanSquaredError({ correct: NaN })).toThrow(OptionError);
  expect(() => crossEntropy("count" as never)).toThrow(/crossEntropy takes an object of options/);
  expect(() => meanSquaredError({ corect: 1 } as never)).toThrow(/did you mean correct\?/);
});
