import type { ImageDataset, SequenceDataset } from "../../src/data/index.ts";
import { arraySequences, BatchLoader, checkDataset, checkSequences, encode, imageSequences, loadFashionMnist, loadMnist, parseIdx, parseImages, Random, readEvents, SequenceLoader, writeNmnist } from "../../src/index.ts";
import { random } from "./nn.ts";
import { argument, called, choice, count, flag, options, positive, row, type Row, share, text } from "./table.ts";

export const makeDataset = (): ImageDataset => ({ name: "points", count: 4, height: 2, width: 2, channels: 1, classes: 3, images: new Uint8Array(16), labels: Uint8Array.of(0, 1, 2, 0) });
export const dataset = called(argument(makeDataset), "data set");
export const makeSequences = (): SequenceDataset => arraySequences({ shape: [2], sequences: [new Float32Array(4), new Float32Array(2)], labels: Uint8Array.of(0, 1), classes: 2 });
const values = argument(() => new Float32Array(4));
const sequenceLoader = (): SequenceLoader => new SequenceLoader(makeSequences(), { batchSize: 1 });
const loader = (): BatchLoader => new BatchLoader(makeDataset(), { batchSize: 2 });
export const normalize = argument(() => ({ mean: 0.5, std: 0.5 }));

export const data: Record<string, Row> = {
  Random: row((given: never) => new Random(given), { seed: argument(() => 1, "number") }),
  "Random.uint32": row(() => new Random(1).uint32()),
  "Random.uniform": row(() => new Random(1).uniform()),
  "Random.uniformInto": row((...given: [never, never, never]) => new Random(1).uniformInto(...given), { target: values, lo: argument(() => -2, "negative", "fraction", "number", "undefined"), hi: argument(() => 5, "number", "fraction", "negative", "undefined") }),
  "Random.normalInto": row((...given: [never, never, never]) => new Random(1).normalInto(...given), { target: values, mean: argument(() => 1, "number", "fraction", "negative", "undefined"), deviation: argument(() => 2, "number", "fraction", "undefined") }),
  "Random.normal": row(() => new Random(1).normal()),
  "Random.integer": row((given: never) => new Random(1).integer(given), { n: count }),
  "Random.shuffle": row((given: never) => new Random(1).shuffle(given), { values: argument(() => new Uint32Array(4)) }),
  "Random.fork": row((given: never) => new Random(1).fork(given), { name: argument(() => "weights", "text", "empty text") }),

  "encode.constant": row(encode.constant),
  "encode.constant()": row(encode.constant(), { data: values, shape: argument(() => [4]) }),
  "encode.poissonRate": row(encode.poissonRate, { options: options({ steps: count, random }, "steps", "random") }),
  "encode.poissonRate()": row(encode.poissonRate({ steps: 2, random: new Random(1) }), { data: values, shape: argument(() => [4]) }),
  "encode.latency": row(encode.latency, { options: options({ steps: count, tau: positive, threshold: share, normalize: flag, linear: flag }, "steps") }),
  "encode.latency()": row(encode.latency({ steps: 2 }), { data: values, shape: argument(() => [4]) }),

  checkDataset: row(checkDataset, { dataset }),
  BatchLoader: row((...given: [never, never]) => new BatchLoader(...given), {
    dataset, options: options({ batchSize: count, shuffle: argument(() => false), random, dropLast: flag, normalize, augment: argument(() => undefined) }, "batchSize"),
  }),
  "BatchLoader.state": row(() => loader().state()),
  "BatchLoader.next": row(() => loader().next()),
  "BatchLoader.restore": row((given: never) => loader().restore(given), { position: argument(() => ({ epoch: 0, batch: 1 })) }),
  arraySequences: row(arraySequences, {
    options: options({
      name: text, shape: argument(() => [2], "list of numbers"), sequences: argument(() => [new Float32Array(2)]), labels: argument(() => Uint8Array.of(0)), classes: count,
      classNames: argument(() => ["one", "two", "three"], "list of texts"), stepLabels: argument(() => [Int32Array.of(0)]),
    }, "shape", "sequences", "labels", "classes"),
  }),
  imageSequences: row(imageSequences, { dataset, options: options({ by: choice("rows") }, "by") }),
  checkSequences: row(checkSequences, { dataset: called(argument(makeSequences), "data set") }),
  SequenceLoader: row((...given: [never, never]) => new SequenceLoader(...given), {
    dataset: called(argument(makeSequences), "data set"),
    options: options({ batchSize: count, shuffle: argument(() => false), random, dropLast: flag, normalize, augment: argument(() => undefined), padTo: count, bucket: argument(() => false) }, "batchSize"),
  }),
  "SequenceLoader.state": row(() => sequenceLoader().state()),
  "SequenceLoader.next": row(() => sequenceLoader().next()),
  "SequenceLoader.restore": row((given: never) => sequenceLoader().restore(given), { position: argument(() => ({ epoch: 0, batch: 1 })) }),
  readEvents: row(readEvents, {
    source: argument(() => new Uint8Array(10), "text"),
    options: options({ format: choice("nmnist"), width: count, height: count, sensor: choice("dvs128"), name: text }),
  }),
  writeNmnist: row(writeNmnist, {
    events: options({
      x: argument(() => new Uint16Array(3)), y: argument(() => new Uint16Array(3)), t: argument(() => new Float64Array(3), "doubles"), p: argument(() => new Uint8Array(3)), width: count, height: count,
      warnings: argument(() => ["one"], "list", "list of texts"),
    }, "x", "y", "t", "p", "width", "height"),
  }),
  parseIdx: row(parseIdx, { source: options({ file: argument(() => "labels", "text", "empty text"), bytes: argument(() => Uint8Array.of(0, 0, 8, 1, 0, 0, 0, 1, 7)) }, "file", "bytes"), rank: argument(() => 1, "number") }),
  ...Object.fromEntries(Object.entries({ loadMnist, loadFashionMnist }).map(([name, load]) => [name, {
    ...row(load, { options: options({ directory: argument(() => "nowhere", "text"), split: choice("train"), limit: count }, "split") }), incomplete: true,
  }])),
  parseImages: {
    ...row(parseImages, {
      files: options({ name: text, images: argument(() => ({ file: "images", bytes: new Uint8Array(4) })), labels: argument(() => ({ file: "labels", bytes: new Uint8Array(4) })), classes: count }, "name", "images", "labels", "classes"),
    }),
    incomplete: true,
  },
};
