import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device, Tensor } from "../../../src/device/device.ts";
import { OptionError, ShapeError } from "../../../src/errors.ts";
import { type Loss, type LossValue, partsOf } from "../../../src/train/loss.ts";
import { crossEntropy } from "../../../src/train/losses/crossEntropy.ts";
import { spikeTimeCrossEntropy, spikeTimeSquaredError } from "../../../src/train/losses/spikeTimes.ts";
import { meanSquaredError } from "../../../src/train/losses/squaredError.ts";
import { sumOfLosses } from "../../../src/train/losses/sum.ts";
import { tet } from "../../../src/train/losses/tet.ts";
import { onEachDevice } from "../../device/devices.ts";
import { normal } from "../../device/reference.ts";

interface Fixtures {
  steps: number;
  batch: number;
  classes: number;
  labels: number[];
  spikes: number[];
  membranes: number[];
  cases: { loss: string; of: "spikes" | "membranes"; value: number; gradient: number[] }[];
}

const { steps, batch, classes, labels: labelList, cases, ...outputs }: Fixtures = JSON.parse(readFileSync(new URL("../../peers/losses.json", import.meta.url), "utf8"));
const labels = Int32Array.from(labelList);
const size = batch * classes;

/** Those of a peer's losses that see every step. */
const ofPeer: [peer: string, loss: Loss][] = [
  ["ce_rate", crossEntropy({ over: "steps" })],
  ["ce_rate of membranes", crossEntropy({ over: "steps" })],
  ["mse_membrane", meanSquaredError({ over: "steps", correct: 1.2, incorrect: 0.3 })],
  ["ce_temporal", spikeTimeCrossEntropy()],
  ["ce_temporal reciprocal", spikeTimeCrossEntropy({ inverse: "reciprocal" })],
  ["mse_temporal", spikeTimeSquaredError()],
  ["mse_temporal with tolerance", spikeTimeSquaredError({ correct: 1, incorrect: 4, tolerance: 2 })],
  ["tet", tet({ lambda: 0.05, phi: 1 })],
];

/** Those that see a read-out of a sample: what it is, and how its gradient comes to the steps. */
const ofReadouts: [peer: string, loss: Loss, readout: "rate" | "max"][] = [
  ["ce_count", crossEntropy({ of: "count" }), "rate"],
  ["ce_max_membrane", crossEntropy(), "max"],
  ["mse_count", sumOfLosses([[1 / steps, meanSquaredError({ of: "count", correct: Math.floor(0.8 * steps) / steps, incorrect: Math.floor(0.2 * steps) / steps })]]), "rate"],
];

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.dispose());

  async function evaluate(loss: Loss, values: ArrayLike<number>, { of = labels, shape = [steps, batch, classes], lengths }: { of?: Int32Array; shape?: number[]; lengths?: Int32Array } = {}) {
    const output = device.tensor(Float32Array.from(values), shape);
    const value = loss.evaluate(output, of, loss.over === "steps" ? shape[0] : steps, lengths);
    const read = async (tensor: Tensor): Promise<number[]> => [...(await device.read(tensor))];
    const result = { loss: (await read(value.loss))[0], gradient: await read(value.gradient), correct: (await read(value.correct))[0] };
    expect(value.gradient.shape).toEqual(shape);
    for (const tensor of [output, value.loss, value.gradient, value.correct]) tensor.dispose();
    return result;
  }

  const expectClose = (actual: readonly number[], expected: readonly number[]): void => {
    expect(actual.length).toBe(expected.length);
    actual.forEach((value, i) => expect(Math.abs(value - expected[i])).toBeLessThan(1e-5 * Math.max(1, Math.abs(expected[i]))));
  };

  it.each(ofPeer)("%s: value and gradient are the peer's", async (peer, loss) => {
    const { of, value, gradient } = cases.find((each) => each.loss === peer)!;
    const result = await evaluate(loss, outputs[of]);
    expectClose([result.loss], [value]);
    expectClose(result.gradient, gradient);
  });

  it.each(ofReadouts)("%s: value and gradient are the peer's", async (peer, loss, readout) => {
    const { of, value, gradient } = cases.find((each) => each.loss === peer)!;
    const column = (i: number): number[] => Array.from({ length: steps }, (_, t) => outputs[of][t * size + i]);
    const read = (values: number[]): number => (readout === "rate" ? values.reduce((sum, x) => sum + x, 0) / steps : Math.max(...values));
    const result = await evaluate(loss, Array.from({ length: size }, (_, i) => read(column(i))), { shape: [batch, classes] });
    expectClose([result.loss], [value]);
    const wayBack = (t: number, i: number): number => (readout === "rate" ? 1 / steps : column(i).indexOf(Math.max(...column(i))) === t ? 1 : 0);
    expectClose(Array.from({ length: steps * size }, (_, at) => result.gradient[at % size] * wayBack(Math.floor(at / size), at % size)), gradient);
  });

  describe.each<[string, Loss]>([
    ["cross-entropy of steps", crossEntropy({ over: "steps" })], ["squared error of steps", meanSquaredError({ over: "steps" })],
    ["spike times' cross-entropy", spikeTimeCrossEntropy()], ["spike times' squared error", spikeTimeSquaredError({ tolerance: 1 })], ["TET", tet({ lambda: 0.1 })],
    ["a sum", sumOfLosses([[2, crossEntropy({ over: "steps" })], [0.5, spikeTimeSquaredError()]])],
  ])("%s of a padded batch", (_, loss) => {
    const lengths = Int32Array.of(6, 3, 1, 5, 2);

    it("is that of its samples one by one, and does not see the padding", async () => {
      const padded = outputs.spikes.map((value, at) => (Math.floor(at / size) < lengths[Math.floor((at % size) / classes)] ? value : 7));
      const all = await evaluate(loss, padded, { lengths });
      let [total, correct] = [0, 0];
      const gradient = Array.from({ length: steps * size }, () => 0);
      for (let b = 0; b < batch; b++) {
        const own = Array.from({ length: lengths[b] }, (__, t) => outputs.spikes.slice(t * size + b * classes, t * size + (b + 1) * classes)).flat();
        const one = await evaluate(loss, own, { of: labels.slice(b, b + 1), shape: [lengths[b], 1, classes] });
        total += one.loss / batch;
        correct += one.correct;
        one.gradient.forEach((slope, at) => (gradient[Math.floor(at / classes) * size + b * classes + (at % classes)] = slope / batch));
      }
      expectClose([all.loss, all.correct], [total, correct]);
      expectClose(all.gradient, gradient);
    });
  });

  describe("labels of steps", () => {
    const lengths = Int32Array.of(6, 3, 1, 5, 2);
    const ofSteps = Int32Array.from({ length: steps * batch }, (_, row) => (Math.floor(row / batch) < lengths[row % batch] ? (row * 7) % classes : -1));

    it.each<[string, Loss]>([["cross-entropy", crossEntropy({ over: "steps" })], ["squared error", meanSquaredError({ over: "steps" })], ["a sum", tet()]])("%s: a sample counts the share of its steps that are right", async (_, loss) => {
      const right = Array.from({ length: steps * size }, (__, at) => (ofSteps[Math.floor(at / classes)] === at % classes ? 1 : 0));
      expect((await evaluate(loss, right, { of: ofSteps, lengths })).correct).toBeCloseTo(batch, 5);
      // Sample 1 has 3 steps, of which one is now wrong.
      const wrong = right.map((value, at) => (Math.floor(at / classes) === 1 ? 1 - value : value));
      expect((await evaluate(loss, wrong, { of: ofSteps, lengths })).correct).toBeCloseTo(batch - 1 / 3, 5);
    });

    it("has the gradient of the mean over the steps of each sample", async () => {
      const x = normal(steps * size);
      const { gradient, loss } = await evaluate(crossEntropy({ over: "steps" }), x, { of: ofSteps, lengths });
      let total = 0;
      ofSteps.forEach((label, row) => {
        const logits = Array.from(x.slice(row * classes, (row + 1) * classes));
        const sum = logits.reduce((partial, value) => partial + Math.exp(value), 0);
        const weight = label < 0 ? 0 : 1 / (batch * lengths[row % batch]);
        if (label >= 0) total += weight * (Math.log(sum) - logits[label]);
        expectClose(gradient.slice(row * classes, (row + 1) * classes), logits.map((value, k) => weight * (Math.exp(value) / sum - (k === label ? 1 : 0))));
      });
      expectClose([loss], [total]);
    });
  });

  it("counts of padded samples are rates times their own steps", async () => {
    const rates = outputs.membranes.slice(0, size);
    const lengths = Int32Array.of(6, 3, 1, 5, 2);
    const all = await evaluate(crossEntropy({ of: "count" }), rates, { shape: [batch, classes], lengths });
    const own = await evaluate(crossEntropy(), rates.map((rate, i) => rate * lengths[Math.floor(i / classes)]), { shape: [batch, classes] });
    expectClose([all.loss], [own.loss]);
    expectClose(all.gradient, own.gradient.map((slope, i) => slope * lengths[Math.floor(i / classes)]));
  });

  it("a sum is Σ weight · loss, with the accuracy of the first", async () => {
    const [a, b] = [crossEntropy({ over: "steps" }), meanSquaredError({ over: "steps" })];
    const [one, two, both] = [await evaluate(a, outputs.membranes), await evaluate(b, outputs.membranes), await evaluate(sumOfLosses([[0.25, a], [3, b]]), outputs.membranes)];
    expectClose([both.loss, both.correct], [0.25 * one.loss + 3 * two.loss, one.correct]);
    expectClose(both.gradient, one.gradient.map((slope, i) => 0.25 * slope + 3 * two.gradient[i]));
    // One that is no definition, so that the sum is none either.
    const plain: Loss = { name: "plain", options: {}, over: "steps", evaluate: (...given) => b.evaluate(...given) };
    expect(await evaluate(sumOfLosses([[0.25, a], [3, plain]]), outputs.membranes)).toEqual(both);
  });

  it.each(ofPeer)("%s: what is recorded is what is computed", async (peer, loss) => {
    // A device that does not record has nothing to show.
    if (!device.capture) return;
    const { targets, evaluate: evaluateOn } = partsOf(loss)!;
    const output = device.tensor(Float32Array.from(outputs[cases.find((each) => each.loss === peer)!.of]), [steps, batch, classes]);
    const given = targets(labels, classes, steps, Int32Array.of(6, 3, 1, 5, 2)).map(({ data, shape }) => device.tensor(data, shape));
    const read = async ({ loss: value, gradient, correct }: LossValue) => Promise.all([value, gradient, correct].map((tensor) => device.read(tensor)));
    const once = evaluateOn(output, given, steps);
    const expected = await read(once);
    const recorded: LossValue[] = [];
    const graph = device.capture(() => void recorded.push(evaluateOn(output, given, steps)), {});
    graph.launch();
    expect(await read(recorded[0])).toEqual(expected);
    graph.dispose();
    for (const tensor of [output, ...given, ...[once, ...recorded].flatMap((value) => [value.loss, value.gradient, value.correct])]) tensor.dispose();
  });

  it("frees what it used", async () => {
    const before = device.bytesInUse;
    for (const [, loss] of ofPeer) await evaluate(loss, outputs.spikes);
    expect(device.bytesInUse).toBe(before);
  });
});

it("refuses what does not go together", () => {
  expect(() => crossEntropy({ of: "count", over: "steps" })).toThrow(OptionError);
  expect(() => meanSquaredError({ of: "count", over: "steps" })).toThrow(/sees each step as it is/);
  expect(() => sumOfLosses([[1, crossEntropy()], [1, tet()]])).toThrow(/crossEntropy judges samples, tet judges steps/);
  expect(() => sumOfLosses([])).toThrow(/a list of pairs/);
  expect(() => tet({ lambda: 2 })).toThrow(OptionError);
  expect(() => spikeTimeSquaredError({ correct: 0.5 })).toThrow(OptionError);
});

it("says which shapes it takes", async () => {
  const { openDevice } = await import("../../../src/device/open.ts");
  const device = await openDevice("cpu");
  const output = device.zeros([steps, batch, classes]);
  expect(() => crossEntropy({ over: "steps" }).evaluate(device.zeros([batch, classes]), labels, steps)).toThrow(/expected \[T = 6, B, classes\]/);
  expect(() => crossEntropy().evaluate(output, labels, steps)).toThrow(ShapeError);
  expect(() => tet().evaluate(output, labels, steps, Int32Array.of(1, 2, 3, 4, 7))).toThrow(/B lengths of 1 … 6 steps/);
  expect(() => spikeTimeCrossEntropy().evaluate(output, new Int32Array(steps * batch), steps)).toThrow(/one label for each sample/);
  expect(() => tet().evaluate(output, new Int32Array(steps * batch).fill(-1), steps)).toThrow(/no step of sample 0 .* has a label/);
  await device.dispose();
});
