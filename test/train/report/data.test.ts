import { describe, expect, it } from "vitest";
import { Random } from "../../../src/data/random.ts";
import { worstPairs } from "../../../src/train/report/confusion.ts";
import { confusionMatrix, rasterOf, spreadOf } from "../../../src/train/report/data.ts";

const random = new Random(11);
const integers = (count: number, below: number) => Array.from({ length: count }, () => random.integer(below));
const sum = (values: readonly number[]) => values.reduce((a, b) => a + b, 0);

describe("confusionMatrix", () => {
  it.each([1, 2, 7, 30])("counts every sample once, in the row of its class: %d classes", (classes) => {
    const [labels, predictions] = [integers(500, classes), integers(500, classes)];
    const matrix = confusionMatrix(labels, predictions, classes);
    matrix.forEach((row, label) => row.forEach((count, prediction) => expect(count).toBe(labels.filter((each, i) => each === label && predictions[i] === prediction).length)));
    expect(sum(matrix.flat())).toBe(500);
    expect(sum(matrix.map((row, label) => row[label]))).toBe(labels.filter((label, i) => label === predictions[i]).length);
  });

  it("is transposed when labels and predictions change places", () => {
    const [labels, predictions] = [integers(300, 6), integers(300, 6)];
    const [there, back] = [confusionMatrix(labels, predictions, 6), confusionMatrix(predictions, labels, 6)];
    there.forEach((row, i) => expect(row).toEqual(back.map((other) => other[i])));
  });
});

describe("worstPairs", () => {
  it("lists mistakes alone, the most frequent first, and misses none that is worse", () => {
    for (let round = 0; round < 20; round++) {
      const matrix = confusionMatrix(integers(200, 8), integers(200, 8), 8);
      const pairs = worstPairs(matrix, 5);
      expect(pairs).toHaveLength(5);
      for (const { label, prediction, count, share } of pairs) {
        expect(label).not.toBe(prediction);
        expect(count).toBe(matrix[label][prediction]);
        expect(share).toBeCloseTo(count / sum(matrix[label]), 12);
      }
      const counts = pairs.map(({ count }) => count);
      expect(counts).toEqual(counts.toSorted((a, b) => b - a));
      const rest = matrix.flatMap((row, i) => row.filter((_, j) => i !== j && !pairs.some(({ label, prediction }) => label === i && prediction === j)));
      expect(Math.max(...rest)).toBeLessThanOrEqual(counts[4]);
    }
    expect(worstPairs([[3, 0], [0, 4]])).toEqual([]);
  });
});

describe("spreadOf", () => {
  it("puts every neuron into the range of its rate, and counts those that never or nearly always fire", () => {
    const rates = Array.from({ length: 400 }, (_, i) => (i % 5 === 0 ? 0 : i % 7 === 0 ? 1 : random.uniform()));
    const { count, dead, saturated, histogram } = spreadOf(rates);
    expect([count, sum(histogram)]).toEqual([400, 400]);
    expect(dead).toBe(rates.filter((rate) => rate === 0).length);
    expect(saturated).toBe(rates.filter((rate) => rate >= 0.95).length);
    const width = 1 / histogram.length;
    histogram.forEach((neurons, bin) => {
      const last = bin === histogram.length - 1;
      expect(neurons).toBe(rates.filter((rate) => rate >= bin * width - 1e-12 && (last || rate < (bin + 1) * width - 1e-12)).length);
    });
  });

  it("calls a neuron dead only if it never fired", () => {
    expect(spreadOf(Float32Array.of(1e-7, 0, 0.5))).toMatchObject({ dead: 1, saturated: 0 });
    expect(spreadOf([])).toMatchObject({ count: 0, dead: 0, saturated: 0 });
  });
});

describe("rasterOf", () => {
  it("lists every spike of a small layer as [t, neuron]", () => {
    expect(rasterOf("lif", [0, 1, 0, 1, 0, 1], 2)).toEqual({ name: "lif", steps: 2, neurons: 3, totalNeurons: 3, spikes: [[0, 1], [1, 0], [1, 2]] });
  });

  it("shows evenly spaced neurons of a large one", () => {
    const spikes = Float32Array.from({ length: 2 * 100 }, (_, i) => (i % 100 === 50 ? 1 : 0));
    expect(rasterOf("lif", spikes, 2, 10)).toMatchObject({ neurons: 10, totalNeurons: 100, spikes: [[0, 5], [1, 5]] });
  });
});
