import { describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { type SequenceBatch, SequenceLoader, type SequenceLoaderOptions } from "../../src/data/sequenceLoader.ts";
import { arraySequences, checkSequences, type SequenceDataset } from "../../src/data/sequences.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";

/** Samples of `lengths` steps of two values: sample i has i + t/1000 and −(i + t/1000) at step t. */
function ramps(lengths: readonly number[]): SequenceDataset {
  return arraySequences({
    name: "ramps", shape: [2], classes: 3, labels: Int32Array.from(lengths, (_, i) => i % 3),
    sequences: lengths.map((length, i) => Float32Array.from({ length: 2 * length }, (_, j) => (j % 2 === 0 ? 1 : -1) * (i + (j >> 1) / 1000))),
  });
}

const lengthsOf = (count: number, seed = 1, longest = 40): number[] => {
  const random = new Random(seed);
  return Array.from({ length: count }, () => 1 + random.integer(longest));
};

async function batches(loader: SequenceLoader, count = loader.batchesPerEpoch): Promise<SequenceBatch[]> {
  const all: SequenceBatch[] = [];
  while (all.length < count) all.push(await loader.next());
  return all;
}

const shuffled = (options: Partial<SequenceLoaderOptions> = {}): SequenceLoaderOptions => ({ batchSize: 4, shuffle: true, random: new Random(7), ...options });

/** The data set as a disk would give it. */
const delayed = (dataset: SequenceDataset, wait: () => Promise<unknown>): SequenceDataset => ({ ...dataset, sequence: async (index) => (await wait(), dataset.sequence(index)) });

describe("a batch of sequences", () => {
  it("holds each sample at its place, time-major, and zeros beyond its length", async () => {
    const dataset = ramps(lengthsOf(11));
    for (const { inputs, steps, lengths, labels, indices, size } of await batches(new SequenceLoader(dataset, shuffled()))) {
      expect(inputs.length).toBe(steps * size * 2);
      indices.forEach((index, row) => {
        expect([lengths[row], labels[row]]).toEqual([dataset.lengths[index], dataset.labels[index]]);
        const values = dataset.sequence(index) as Float32Array;
        for (let t = 0; t < steps; t++) {
          const at = [...inputs.subarray((t * size + row) * 2, (t * size + row + 1) * 2)];
          expect(at).toEqual(t < lengths[row] ? [...values.subarray(2 * t, 2 * t + 2)] : [0, 0]);
        }
      });
    }
  });

  it("takes bytes as counts, as they are", async () => {
    const counts = arraySequences({ shape: [2], sequences: [Uint8Array.of(0, 3, 255, 1)], labels: Uint8Array.of(0), classes: 1 });
    expect([...(await new SequenceLoader(counts, { batchSize: 1 }).next()).inputs]).toEqual([0, 3, 255, 1]);
  });

  it("keeps floats below 1", async () => {
    const floats = arraySequences({ shape: [1], sequences: [Float32Array.of(0.25, 0.5)], labels: Uint8Array.of(0), classes: 1 });
    expect([...(await new SequenceLoader(floats, { batchSize: 1 }).next()).inputs]).toEqual([0.25, 0.5]);
  });

  it("is padded to few lengths, by an eighth at most and never beyond the longest sample", async () => {
    const dataset = ramps(Array.from({ length: 100 }, (_, i) => i + 1));
    const single = await batches(new SequenceLoader(dataset, { batchSize: 1 }));
    for (const { steps, lengths } of single) {
      expect(steps).toBeGreaterThanOrEqual(lengths[0]);
      expect(steps).toBeLessThanOrEqual(Math.min(100, lengths[0] * 1.125));
    }
    expect(new Set(single.map(({ steps }) => steps)).size).toBeLessThan(40);
    const tens = await batches(new SequenceLoader(dataset, { batchSize: 1, padTo: 30 }));
    expect(new Set(tens.map(({ steps }) => steps))).toEqual(new Set([30, 60, 90, 100]));
  });

  it("has labels at each step, −1 at padding", async () => {
    const dataset = arraySequences({
      shape: [1], sequences: [new Float32Array(1), new Float32Array(3)], labels: Uint8Array.of(0, 1), classes: 3, stepLabels: [Uint8Array.of(2), Uint8Array.of(0, 1, 2)],
    });
    expect([...(await new SequenceLoader(dataset, { batchSize: 2 }).next()).stepLabels!]).toEqual([2, 0, -1, 1, -1, 2]);
  });

  it("is normalised by channel where it is no padding", async () => {
    const dataset = arraySequences({ shape: [2], sequences: [Float32Array.of(1, 2), Float32Array.of(3, 4, 5, 6)], labels: Uint8Array.of(0, 0), classes: 1 });
    const { inputs } = await new SequenceLoader(dataset, { batchSize: 2, normalize: { mean: [1, 2], std: [2, 4] } }).next();
    expect([...inputs]).toEqual([0, 0, 1, 0.5, 0, 0, 2, 1]);
  });
});

describe("the order of sequences", () => {
  it("has each sample once in an epoch, in another order in each", async () => {
    const loader = new SequenceLoader(ramps(lengthsOf(23)), shuffled());
    const epochs = [await batches(loader), await batches(loader)].map((all) => all.flatMap(({ indices }) => [...indices]));
    for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  it.each([[{}], [{ bucket: true }], [{ augment: (values: { [index: number]: number }, _: unknown, random: Random) => void (values[0] += random.uniform()) }]])(
    "goes on from any batch with the same bits, %o", async (options) => {
      const dataset = ramps(lengthsOf(23));
      const whole = await batches(new SequenceLoader(dataset, shuffled(options)), 15);
      for (const [i, expected] of whole.entries()) {
        const loader = new SequenceLoader(dataset, shuffled(options));
        loader.restore({ epoch: Math.floor(i / 6), batch: i % 6 });
        expect(await loader.next()).toEqual(expected);
      }
    });

  it("restores while batches are being read ahead", async () => {
    const dataset = ramps(lengthsOf(23));
    const loader = new SequenceLoader(dataset, shuffled());
    const first = await loader.next();
    await loader.next();
    loader.restore({ epoch: 0, batch: 0 });
    expect(await loader.next()).toEqual(first);
  });

  it("with buckets has less padding, each sample once, and the smaller batch last", async () => {
    const dataset = ramps(lengthsOf(61));
    const padding = async (bucket: boolean): Promise<number> => {
      const all = await batches(new SequenceLoader(dataset, shuffled({ bucket, padTo: 1 })));
      expect(all.flatMap(({ indices }) => [...indices]).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 61 }, (_, i) => i));
      expect(all.map(({ size }) => size)).toEqual([...Array.from({ length: 15 }, () => 4), 1]);
      return all.reduce((sum, { steps, lengths }) => sum + lengths.reduce((rest, length) => rest + steps - length, 0), 0);
    };
    expect(await padding(true)).toBeLessThan(0.3 * (await padding(false)));
  });
});

describe("sequences that are read as they are needed", () => {
  it("give the batches of those in memory", async () => {
    const dataset = ramps(lengthsOf(23));
    const random = new Random(3);
    const slow = delayed(dataset, () => new Promise((resolve) => setTimeout(resolve, random.integer(3))));
    expect(await batches(new SequenceLoader(slow, shuffled()), 12)).toEqual(await batches(new SequenceLoader(dataset, shuffled()), 12));
  });

  it("are read ahead while the caller waits for something else, two batches and no more", async () => {
    let begun = 0;
    const loader = new SequenceLoader(delayed(ramps(lengthsOf(40)), async () => void begun++), { batchSize: 4 });
    await loader.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(begun).toBe(12);
    await loader.next();
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(begun).toBe(16);
  });

  it("that fail to be read fail at their batch, which is read again by the next call", async () => {
    let broken = true;
    const dataset = ramps(lengthsOf(12));
    const loader = new SequenceLoader({ ...dataset, sequence: async (index) => (broken && index === 5 ? Promise.reject(new Error("disk")) : dataset.sequence(index)) }, { batchSize: 4 });
    await loader.next();
    await expect(loader.next()).rejects.toThrow("disk");
    broken = false;
    expect([...(await loader.next()).indices]).toEqual([4, 5, 6, 7]);
  });

  it("are refused where they are not what the data set says, with sample, step and position", async () => {
    const dataset = ramps([3, 3]);
    const loads = (values: unknown) => new SequenceLoader({ ...dataset, sequence: () => values as Float32Array }, { batchSize: 2 }).next();
    await expect(loads(Float32Array.of(0, 0, 0, NaN, 0, 0))).rejects.toThrow('"ramps": sample 0, time step 1 at [1] is NaN');
    await expect(loads(new Float32Array(4))).rejects.toThrow(ShapeError);
    await expect(loads([1, 2])).rejects.toThrow(OptionError);
    const augmented = new SequenceLoader(dataset, { batchSize: 2, random: new Random(1), augment: (values) => void (values[4] = Infinity) });
    await expect(augmented.next()).rejects.toThrow("time step 2 at [0] is Infinity after augment");
  });
});

describe("arraySequences", () => {
  const good = { shape: [2], sequences: [new Float32Array(4)], labels: Uint8Array.of(0), classes: 1 };
  it.each([
    ["a part of a time step", { ...good, sequences: [new Float32Array(3)] }, "positive multiple of 2"],
    ["nothing", { ...good, sequences: [new Float32Array(0)] }, "positive multiple of 2"],
    ["a label that is no class", { ...good, labels: Uint8Array.of(1) }, "labels[0] is 1"],
    ["too many labels", { ...good, labels: Uint8Array.of(0, 0) }, "2 labels"],
    ["what is not finite", { ...good, sequences: [Float32Array.of(0, 0, Infinity, 0)] }, "time step 1 at [0] is Infinity"],
    ["too few labels of steps", { ...good, stepLabels: [Uint8Array.of(0)] }, "expected one for each of T = 2"],
    ["doubles", { ...good, sequences: [new Float64Array(4)] as unknown as Float32Array[] }, "Float32Arrays"],
  ])("refuses %s", (_, options, message) => {
    expect(() => arraySequences(options)).toThrow(message);
  });

  it("makes what checkSequences accepts, and it refuses lengths of 0", () => {
    const dataset = arraySequences(good);
    checkSequences(dataset);
    expect(() => checkSequences({ ...dataset, lengths: Uint32Array.of(0) })).toThrow(OptionError);
  });
});
