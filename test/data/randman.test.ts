import { expect, it } from "vitest";
import { checkSequences, randman, type SequenceDataset } from "../../src/data/index.ts";

const times = async (dataset: SequenceDataset, index: number): Promise<number[]> => {
  const units = dataset.shape[0];
  const spikes = await dataset.sequence(index);
  return Array.from({ length: units }, (_, unit) => {
    const fired = [...spikes.keys()].filter((i) => i % units === unit && spikes[i] > 0);
    expect(fired.map((i) => spikes[i])).toEqual([1]);
    return Math.floor(fired[0] / units);
  });
};
const distance = (a: number[], b: number[]): number => Math.hypot(...a.map((value, i) => value - b[i]));

it("makes samples in which each unit spikes once, on smooth manifolds of few dimensions", async () => {
  const options = { classes: 3, dimension: 1, units: 20, samples: 300, steps: 50, seed: 4 };
  const [train, test] = [randman(options), randman({ ...options, samples: 30, split: "test" })];
  checkSequences(train);
  expect(train).toMatchObject({ count: 300, classes: 3, shape: [20] });
  const known = await Promise.all(Array.from({ length: 300 }, (_, i) => times(train, i)));
  expect(Math.max(...known.flat())).toBe(49);
  expect(Math.min(...known.flat())).toBe(0);
  // On a line, the nearest of a hundred samples is of the same class; in the space of 20 times it would be any.
  for (let i = 0; i < 30; i++) {
    const sample = await times(test, i);
    const nearest = known.reduce((best, other, j) => (distance(sample, other) < distance(sample, known[best]) ? j : best), 0);
    expect(train.labels[nearest]).toBe(test.labels[i]);
  }
});

it("is the same for one seed, and other for another seed, split or class", async () => {
  const options = { classes: 2, units: 10, samples: 4, seed: 1 };
  const first = await times(randman(options), 0);
  expect(await times(randman({ ...options, samples: 40 }), 0)).toEqual(first);
  for (const other of [{ ...options, seed: 2 }, { ...options, split: "test" }]) expect(await times(randman(other), 0)).not.toEqual(first);
});
