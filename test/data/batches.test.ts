import { describe, expect, test } from "vitest";
import { type Augmentation, type BatchLoaderOptions, BatchLoader } from "../../src/data/batches.ts";
import type { ImageDataset } from "../../src/data/dataset.ts";
import { Random } from "../../src/data/random.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";

/** Each image's bytes follow from its index, so that a batch can be checked against its indices. */
function datasetOf(count: number, channels = 1): ImageDataset {
  const images = Uint8Array.from({ length: count * 6 * channels }, (_, i) => (i * 37) % 256);
  const labels = Uint8Array.from({ length: count }, (_, i) => i % 10);
  return { name: "numbers", images, labels, count, height: 2, width: 3, channels, classes: 10 };
}

const dataset = datasetOf(23);
const shuffled = (seed = 1): BatchLoaderOptions => ({ batchSize: 5, shuffle: true, random: new Random(seed) });
const indicesOf = (loader: BatchLoader, batches: number) => Array.from({ length: batches }, () => [...loader.next().indices]);
const epochOf = (loader: BatchLoader) => [...loader].length;
const prefetched = () => new Promise((resolve) => setTimeout(resolve));

const noise: Augmentation = (images, _shape, random) => {
  for (let i = 0; i < images.length; i++) images[i] += random.integer(2);
};

test("without shuffling, an epoch is the data set in order, scaled to [0, 1]", () => {
  const loader = new BatchLoader(dataset, { batchSize: 5 });
  let seen = 0;
  for (const { inputs, labels, indices, size } of loader) {
    expect(size).toBe(seen < 20 ? 5 : 3);
    expect([...indices]).toEqual(Array.from({ length: size }, (_, i) => seen + i));
    expect([...labels]).toEqual(Array.from({ length: size }, (_, i) => (seen + i) % 10));
    const bytes = dataset.images.subarray(seen * 6, (seen + size) * 6);
    expect(inputs).toEqual(Float32Array.from(bytes, (byte) => byte / 255));
    seen += size;
  }
  expect(seen).toBe(23);
  expect(loader.state()).toEqual({ epoch: 1, batch: 0 });
});

describe("the order", () => {
  test("holds every image once an epoch, and differs between epochs", () => {
    const loader = new BatchLoader(dataset, shuffled());
    const epochs = [0, 1].map(() => indicesOf(loader, 5).flat());
    for (const epoch of epochs) expect(epoch.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 23 }, (_, i) => i));
    expect(epochs[0]).not.toEqual(epochs[1]);
  });

  test("follows from the seed and the epoch alone", () => {
    const random = new Random(1);
    random.uniform();
    const order = indicesOf(new BatchLoader(dataset, shuffled()), 12);
    expect(indicesOf(new BatchLoader(dataset, { ...shuffled(), random }), 12)).toEqual(order);
    expect(indicesOf(new BatchLoader(dataset, shuffled(2)), 12)).not.toEqual(order);
    const wholeEpochs = new BatchLoader(dataset, { ...shuffled(), batchSize: 23 });
    expect(indicesOf(wholeEpochs, 2).flat()).toEqual(order.slice(0, 10).flat());
  });

  test("leaves the given stream where it was", () => {
    const random = new Random(1);
    const before = random.state;
    epochOf(new BatchLoader(dataset, { ...shuffled(), random }));
    expect(random.state).toEqual(before);
  });
});

test("dropLast leaves out the smaller last batch", () => {
  const loader = new BatchLoader(dataset, { batchSize: 5, dropLast: true });
  expect(loader.batchesPerEpoch).toBe(4);
  expect([...loader].map(({ size }) => size)).toEqual([5, 5, 5, 5]);
  expect(loader.state()).toEqual({ epoch: 1, batch: 0 });
});

test("a batch size beyond the data set gives the whole of it", () => {
  const loader = new BatchLoader(dataset, { batchSize: 1000 });
  expect(loader.batchesPerEpoch).toBe(1);
  expect(loader.next()).toMatchObject({ size: 23, inputs: { length: 23 * 6 } });
});

describe("float images", () => {
  const floats: ImageDataset = { ...dataset, images: Float32Array.from(dataset.images, (byte) => byte / 255) };

  test.each<[string, Partial<BatchLoaderOptions>]>([
    ["as they are", {}],
    ["normalised", { normalize: { mean: 0.3, std: 0.2 } }],
    ["shuffled", shuffled()],
  ])("give the inputs of the same pictures as bytes, %s", (_, options) => {
    const [a, b] = [dataset, floats].map((each) => new BatchLoader(each, { batchSize: 5, ...options }));
    for (let batch = 0; batch < 6; batch++) {
      const [ofBytes, ofFloats] = [a.next(), b.next()];
      expect(ofFloats.indices).toEqual(ofBytes.indices);
      ofFloats.inputs.forEach((value, i) => expect(value).toBeCloseTo(ofBytes.inputs[i], 5));
    }
  });

  test("are taken as they are, beyond [0, 1] too, each channel with its own mean", () => {
    const images = Float32Array.of(-3, 255, 0.5, 1e6);
    const two = { name: "wide", images, labels: Uint8Array.of(0), count: 1, height: 1, width: 2, channels: 2, classes: 1 };
    expect(new BatchLoader(two, { batchSize: 1 }).next().inputs).toEqual(images);
    expect([...new BatchLoader(two, { batchSize: 1, normalize: { mean: [1, 5], std: [2, 10] } }).next().inputs]).toEqual([-2, 25, -0.25, Math.fround(99999.5)]);
  });

  test("reach an augmentation as floats", () => {
    const types: string[] = [];
    const augment: Augmentation = (images) => {
      types.push(images.constructor.name);
      images[0] += 0.25;
    };
    const options = { batchSize: 1, augment, random: new Random(1) };
    expect(new BatchLoader(floats, options).next().inputs[0]).toBe(floats.images[0] + 0.25);
    new BatchLoader(dataset, options).next();
    expect(types).toEqual(["Float32Array", "Uint8Array"]);
    expect(floats.images[0]).toBe(0);
  });

  test.each<[string, Partial<BatchLoaderOptions>, RegExp]>([
    ["augment", { augment: (images) => void (images[6 + 4] = NaN), random: new Random(1) }, /data set "numbers": image 1 at \[1, 1, 0\] .* is NaN after augment: expected finite/],
    ["normalize", { normalize: { mean: -3e38, std: 1e-3 } }, /image 0 at \[0, 0, 0\] .* is Infinity after normalize/],
  ])("that %s makes other than finite are refused", (_, options, message) => {
    const loader = new BatchLoader(floats, { batchSize: 5, ...options });
    expect(() => loader.next()).toThrow(OptionError);
    expect(() => loader.next()).toThrow(message);
  });

  test("that are spoilt after the check are refused, too", () => {
    const images = floats.images.slice() as Float32Array;
    const loader = new BatchLoader({ ...floats, images }, { batchSize: 5 });
    loader.next();
    images[22 * 6] = NaN;
    expect(() => [...loader]).toThrow(/image 22 at \[0, 0, 0\] .* is NaN/);
  });
});

describe("an augmentation", () => {
  test.each([
    ["another array", (images: Uint8Array | Float32Array) => images.map((value) => 255 - value)],
    ["a promise", async () => {}],
  ])("that returns %s is refused: it would have no effect", (_, augment) => {
    const loader = new BatchLoader(dataset, { batchSize: 5, augment, random: new Random(1) });
    expect(() => loader.next()).toThrow(/augment returned a .*: expected it to change the images that it is given, in place/);
  });
});

describe("position", () => {
  test.each([0, 1, 4, 5, 7, 13])("a loader restored after %d batches gives what the first one goes on with", (batches) => {
    const options = { ...shuffled(), augment: noise };
    const first = new BatchLoader(dataset, options);
    for (let i = 0; i < batches; i++) first.next();
    const second = new BatchLoader(dataset, options);
    second.restore(JSON.parse(JSON.stringify(first.state())));
    for (let i = 0; i < 12; i++) expect(second.next()).toEqual(first.next());
    expect(second.state()).toEqual(first.state());
  });

  test("can be set back, whatever was prepared ahead", async () => {
    const loader = new BatchLoader(dataset, shuffled());
    const order = indicesOf(loader, 8);
    await prefetched();
    loader.restore({ epoch: 0, batch: 3 });
    expect(indicesOf(loader, 5)).toEqual(order.slice(3));
  });

  test("iteration goes on with the rest of the epoch", () => {
    const loader = new BatchLoader(dataset, shuffled());
    loader.restore({ epoch: 4, batch: 3 });
    expect(epochOf(loader)).toBe(2);
    expect(epochOf(loader)).toBe(5);
    expect(loader.state()).toEqual({ epoch: 6, batch: 0 });
  });
});

describe("prefetching", () => {
  /** Counts how many batches were prepared. */
  function counting(): { prepared: () => number; augment: Augmentation } {
    let prepared = 0;
    return { prepared: () => prepared, augment: () => void prepared++ };
  }

  test("prepares two batches ahead, and only once the caller waits", async () => {
    const { prepared, augment } = counting();
    const loader = new BatchLoader(dataset, { ...shuffled(), augment });
    loader.next();
    expect(prepared()).toBe(1);
    await prefetched();
    expect(prepared()).toBe(3);
    loader.next();
    loader.next();
    expect(prepared()).toBe(3);
    await prefetched();
    expect(prepared()).toBe(5);
  });

  test("leaves the batch in use alone, and changes nothing", async () => {
    const waiting = new BatchLoader(dataset, { ...shuffled(), augment: noise });
    const direct = new BatchLoader(dataset, { ...shuffled(), augment: noise });
    for (let i = 0; i < 12; i++) {
      const batch = waiting.next();
      const expected = structuredClone(direct.next());
      expect(batch).toEqual(expected);
      await prefetched();
      expect(batch).toEqual(expected);
    }
  });

  test("gives an augmentation's error to the caller of next", async () => {
    let batches = 0;
    const augment: Augmentation = () => {
      if (++batches > 1) throw new RangeError("broken");
    };
    const loader = new BatchLoader(dataset, { ...shuffled(), augment });
    loader.next();
    await prefetched();
    expect(() => loader.next()).toThrow("broken");
    expect(loader.state()).toEqual({ epoch: 0, batch: 1 });
    batches = 0;
    expect([...loader.next().indices]).toEqual(indicesOf(new BatchLoader(dataset, shuffled()), 2)[1]);
  });
});

describe("inputs", () => {
  test("are normalised with one pair for all channels, or one for each", () => {
    const colour = datasetOf(4, 3);
    const inputsWith = (normalize: BatchLoaderOptions["normalize"]) => new BatchLoader(colour, { batchSize: 4, normalize }).next().inputs;
    const means = [0.1, 0.2, 0.3];
    const stds = [0.5, 1, 2];
    expect(inputsWith({ mean: means, std: stds })).toEqual(Float32Array.from(colour.images, (byte, i) => (byte / 255 - means[i % 3]) / stds[i % 3]));
    expect(inputsWith({ mean: 0.1, std: 0.5 })).toEqual(Float32Array.from(colour.images, (byte) => (byte / 255 - 0.1) / 0.5));
  });

  test("are augmented before they are normalised, the data set left as it was", () => {
    const before = dataset.images.slice();
    const augment: Augmentation = (images, shape) => {
      expect(shape).toEqual([5, 2, 3, 1]);
      images.fill(255);
    };
    const { inputs } = new BatchLoader(dataset, { ...shuffled(), augment, normalize: { mean: 0.5, std: 0.25 } }).next();
    expect(inputs.every((value) => value === 2)).toBe(true);
    expect(dataset.images).toEqual(before);
  });
});

describe("refuses", () => {
  const random = new Random(1);
  test.each<[string, BatchLoaderOptions]>([
    ["a batch size of 0", { batchSize: 0 }],
    ["a fractional batch size", { batchSize: 2.5 }],
    ["shuffling without a seed", { batchSize: 5, shuffle: true }],
    ["augmentation without a seed", { batchSize: 5, augment: noise }],
    ["to drop the only batch", { batchSize: 24, dropLast: true }],
    ["a mean that is no number", { batchSize: 5, random, normalize: { mean: NaN, std: 1 } }],
    ["a deviation of 0", { batchSize: 5, random, normalize: { mean: 0, std: 0 } }],
  ])("%s", (_, options) => {
    expect(() => new BatchLoader(dataset, options)).toThrow(OptionError);
  });

  test.each<[string, object, RegExp]>([
    ["an option that there is not", { batchsize: 5 }, /BatchLoader has no option batchsize: did you mean batchSize\?/],
    ["a normalisation that there is not", { batchSize: 5, normalize: { mean: 0, sdt: 1 } }, /normalize has no option sdt: did you mean std\?/],
    ["a normalisation without std", { batchSize: 5, normalize: { mean: 0 } }, /normalize needs the option std/],
    ["a deviation that leads beyond 32 bits", { batchSize: 5, normalize: { mean: 0, std: 1e-40 } }, /normalize.std is 1e-40/],
    ["a seed in place of its stream", { batchSize: 5, shuffle: true, random: 1 }, /random is 1: expected a Random: new Random\(seed\)/],
  ])("%s, by name", (_, options, message) => {
    expect(() => new BatchLoader(dataset, options as never)).toThrow(message);
  });

  test("one normalisation too few", () => {
    expect(() => new BatchLoader(datasetOf(4, 3), { batchSize: 2, normalize: { mean: [0, 0], std: 1 } })).toThrow(ShapeError);
  });

  test("a data set whose arrays do not fit its sizes", () => {
    expect(() => new BatchLoader({ ...dataset, count: 22 }, { batchSize: 5 })).toThrow(ShapeError);
    expect(() => new BatchLoader({ ...dataset, width: 4 }, { batchSize: 5 })).toThrow(ShapeError);
    expect(() => new BatchLoader({ ...dataset, count: 0, images: new Uint8Array(), labels: new Uint8Array() }, { batchSize: 5 })).toThrow(ShapeError);
  });

  test.each([{ epoch: -1, batch: 0 }, { epoch: 0, batch: 5 }, { epoch: 0, batch: 0.5 }, {}])("the position %j", (position) => {
    expect(() => new BatchLoader(dataset, shuffled()).restore(position as never)).toThrow(OptionError);
  });
});
