import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { setTimeout } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  checkSequences, type EventDatasetOptions, type Events, loadCifar10Dvs, loadDvsGesture, loadNmnist, loadShd, loadSsc, Random, SequenceLoader, toFrames, writeNmnist,
} from "../../src/data/index.ts";
import { compose, cropTime, downsample, dropEvent, namedTransform } from "../../src/data/events/transforms.ts";
import { FileFormatError } from "../../src/errors.ts";
import { aedat2, aedat3, dvs128Address, type Event } from "./events/write.ts";

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "spikefold-events-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const write = (path: string, bytes: Uint8Array | string): void => {
  mkdirSync(join(directory, path, ".."), { recursive: true });
  writeFileSync(join(directory, path), bytes);
};
const random = new Random(9);
const makeEvents = (count: number, size: number): Events => ({
  x: Uint16Array.from({ length: count }, () => random.integer(size)), y: Uint16Array.from({ length: count }, () => random.integer(size)),
  t: Float64Array.from({ length: count }, () => random.integer(300_000)).sort(), p: Uint8Array.from({ length: count }, () => random.integer(2)), width: size, height: size,
});
const total = (counts: ArrayLike<number>): number => Array.from(counts).reduce((a, b) => a + b, 0);
const caches = (): string[] => readdirSync(join(directory, ".spikefold"));

describe("loadNmnist", () => {
  const digits = [5, 0, 4, 1];
  let events: Events[];
  beforeEach(() => {
    events = digits.map((digit, i) => {
      const made = makeEvents(500, 34);
      write(`Train/${digit}/0000${i + 1}.bin`, writeNmnist(made));
      return made;
    });
  });
  const load = (options: Partial<EventDatasetOptions> = {}) => loadNmnist(directory, { split: "train", steps: 5, ...options });

  it("gives the frames of each file, in the order of their numbers", async () => {
    const dataset = await load();
    checkSequences(dataset);
    expect(dataset).toMatchObject({ name: "N-MNIST train", count: 4, classes: 10, shape: [34, 34, 2], warnings: [] });
    expect(Array.from(dataset.labels)).toEqual(digits);
    for (let i = 0; i < 4; i++) expect(await dataset.sequence(i)).toEqual(toFrames(events[i], { steps: 5 }).data);
    expect(await load({ limit: 2 })).toMatchObject({ count: 2, lengths: Uint32Array.of(5, 5) });
  });

  it("can be read for as long as the data set is there, whatever is collected meanwhile", async () => {
    setFlagsFromString("--expose_gc");
    const collect = runInNewContext("gc") as () => void;
    const dataset = await load();
    for (let i = 0; i < 5; i++) {
      collect();
      await setTimeout(5);
      expect(await dataset.sequence(i % 4)).toEqual(toFrames(events[i % 4], { steps: 5 }).data);
    }
  });

  it("keeps frames that nothing changed", async () => {
    await load();
    const before = statSync(join(directory, ".spikefold", caches()[0])).mtimeMs;
    let made = 0;
    await load({ onProgress: () => made++ });
    expect([made, caches().length]).toEqual([0, 1]);
    expect(statSync(join(directory, ".spikefold", caches()[0])).mtimeMs).toBe(before);
  });

  it.each<[string, Partial<EventDatasetOptions>]>([
    ["steps", { steps: 6 }], ["by", { by: "count" }], ["duration", { steps: undefined, duration: 50_000 }], ["origin", { origin: "file" }], ["channels", { channels: 1 }], ["limit", { limit: 3 }],
    ["transform", { transform: cropTime({ max: 100_000 }) }], ["seed", { transform: dropEvent({ p: 0.5 }), seed: 1 }],
  ])("makes others when %s changes", async (name, options) => {
    await load(name === "seed" ? { ...options, seed: 0 } : {});
    let made = 0;
    const dataset = await load({ ...options, onProgress: (done, total) => (made = done / total) });
    expect([made, caches().length]).toEqual([1, 2]);
    const first = await dataset.sequence(0);
    if (!options.transform && name !== "limit") {
      const { steps, by, duration, origin, channels } = { steps: 5, ...options };
      expect(first).toEqual(toFrames(events[0], { steps, by, duration, origin, channels }).data);
    }
  });

  it("makes others when a file changes", async () => {
    await load();
    const changed = makeEvents(500, 34);
    write("Train/5/00001.bin", writeNmnist(changed));
    utimesSync(join(directory, "Train/5/00001.bin"), 1, 1);
    expect(await (await load()).sequence(0)).toEqual(toFrames(changed, { steps: 5 }).data);
  });

  it("makes again what was damaged, wherever it was", async () => {
    await load();
    const file = join(directory, ".spikefold", caches()[0]);
    const whole = readFileSync(file);
    const expected = events.map((each) => toFrames(each, { steps: 5 }).data);
    for (let at = 0; at < whole.length; at += Math.ceil(whole.length / 40)) {
      const damaged = Uint8Array.from(whole);
      damaged[at] ^= 0x41;
      writeFileSync(file, damaged);
      const dataset = await load();
      for (let i = 0; i < 4; i++) expect(await dataset.sequence(i)).toEqual(expected[i]);
    }
    for (const length of [0, 7, 100, whole.length - 1]) {
      writeFileSync(file, whole);
      truncateSync(file, length);
      expect(await (await load()).sequence(3)).toEqual(expected[3]);
      expect(readFileSync(file)).toEqual(whole);
    }
  });

  it("leaves no part of a cache behind when a file is wrong", async () => {
    rmSync(join(directory, "Train/1/00004.bin"));
    mkdirSync(join(directory, "Train/1/00004.bin"));
    await expect(load()).rejects.toThrow(FileFormatError);
    expect(caches()).toEqual([]);
  });

  it("transforms events before they are counted, by the seed", async () => {
    const transform = compose(dropEvent({ p: 0.5 }), downsample({ spatialFactor: 0.5 }));
    const [a, again, b] = [await load({ transform }), await load({ transform, cache: join(directory, "other") }), await load({ transform, seed: 3 })];
    expect(a.shape).toEqual([17, 17, 2]);
    expect(await a.sequence(1)).toEqual(await again.sequence(1));
    expect(await a.sequence(1)).not.toEqual(await b.sequence(1));
    expect(total(await a.sequence(1))).toBe(250);
    await expect(load({ transform: (given) => given })).rejects.toThrow("namedTransform");
    await expect(load({ transform: namedTransform("none", (given) => given) })).resolves.toMatchObject({ count: 4 });
  });

  it("tells what it left out of a file", async () => {
    write("Train/4/00003.bin", new Uint8Array([...writeNmnist(events[2]), 1, 2]));
    expect((await load()).warnings.join()).toContain("00003.bin");
  });

  it("says where the data set is to be had", async () => {
    await expect(load({ split: "test" })).rejects.toThrow("garrickorchard.com");
    await expect(load({ steps: undefined })).rejects.toThrow("steps");
  });

  it("feeds batches", async () => {
    const loader = new SequenceLoader(await load(), { batchSize: 4 });
    const { inputs } = await loader.next();
    expect(inputs.length).toBe(4 * 5 * 34 * 34 * 2);
  });
});

describe("loadDvsGesture", () => {
  const events: Event[] = Array.from({ length: 40 }, (_, i) => ({ x: i, y: 2 * i, t: 1000 + 10 * i, p: i % 2 === 0 ? 1 : 0 }));
  beforeEach(() => {
    write("trials_to_train.txt", "user01_led.aedat\r\n\r\nuser02_led.aedat\n");
    write("user01_led.aedat", aedat3([{ events }]));
    write("user01_led_labels.csv", "class,startTime_usec,endTime_usec\n1,1000,1100\n11,1150,1390\n");
    write("user02_led.aedat", aedat3([{ events: events.slice(0, 3) }]));
    write("user02_led_labels.csv", "class,startTime_usec,endTime_usec\r\n3,1000,2000\r\n");
  });

  it("cuts recordings at their labels, the end left out", async () => {
    const dataset = await loadDvsGesture(directory, { split: "train", duration: 60, origin: "file" });
    checkSequences(dataset);
    expect(Array.from(dataset.labels)).toEqual([0, 10, 2]);
    expect(dataset.classNames![10]).toBe("other gestures");
    expect(Array.from(dataset.lengths)).toEqual([2, 4, 1]);
    const totals = await Promise.all([0, 1, 2].map(async (i) => total(await dataset.sequence(i))));
    expect(totals).toEqual([10, 24, 3]);
    const second = await dataset.sequence(1);
    expect(second[(30 * 128 + 15) * 2 + 0]).toBe(1);
  });

  it("names the file and line that are wrong, and says where the data set is to be had", async () => {
    await expect(loadDvsGesture(directory, { split: "test", steps: 2 })).rejects.toThrow(/trials_to_test\.txt.*research\.ibm\.com/);
    for (const line of ["12,0,5", "0,0,5", "1,5,4", "1,,5", "a,b", "1.5,0,2"]) {
      write("user02_led_labels.csv", `class,startTime_usec,endTime_usec\n${line}\n`);
      await expect(loadDvsGesture(directory, { split: "train", steps: 2 })).rejects.toThrow("user02_led_labels.csv, line 2");
    }
    rmSync(join(directory, "user02_led_labels.csv"));
    await expect(loadDvsGesture(directory, { split: "train", steps: 2 })).rejects.toThrow("user02_led_labels.csv");
  });
});

describe("loadCifar10Dvs", () => {
  const classes = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"];

  it("splits each class by numbers, and mixes the classes", async () => {
    classes.forEach((name, label) => {
      for (let i = 0; i < 11; i++) write(`${name}/cifar10_${name}_${i}.aedat`, aedat2([[dvs128Address({ x: label, y: i, t: 0, p: 1 }), 5]]));
    });
    const train = await loadCifar10Dvs(directory, { split: "train", steps: 1, channels: 1 });
    const test = await loadCifar10Dvs(directory, { split: "test", steps: 1, channels: 1 });
    expect([train.count, test.count, train.shape]).toEqual([100, 10, [128, 128, 1]]);
    expect(Array.from(train.labels.slice(0, 12))).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 0, 1]);
    const row = async (dataset: typeof train, index: number): Promise<number> => Math.floor((await dataset.sequence(index)).indexOf(1) / 128);
    // Rows of AEDAT 2.0 count from below.
    const rows = await Promise.all([row(train, 0), row(train, 99), row(test, 0)]);
    expect(rows.map((value) => Math.abs(value - rows[0]))).toEqual([0, 9, 10]);
    rmSync(join(directory, "ship"), { recursive: true });
    await expect(loadCifar10Dvs(directory, { split: "train", steps: 1 })).rejects.toThrow(/ship.*figshare/);
  });
});

describe("loadShd and loadSsc", () => {
  // heidelberg.py wrote it: lists of float16 and uint16.
  const fixtures = fileURLToPath(new URL("events/fixtures", import.meta.url));
  const spikes = (counts: ArrayLike<number>, units: number) => Array.from(counts).flatMap((count, i) => (count > 0 ? [[Math.floor(i / units), i % units, count]] : []));

  it("counts spikes in steps from the word's beginning", async () => {
    const dataset = await loadShd(fixtures, { split: "train", duration: 10_000, cache: directory });
    checkSequences(dataset);
    expect(dataset).toMatchObject({ name: "SHD train", count: 3, classes: 20, shape: [700] });
    expect(Array.from(dataset.labels)).toEqual([19, 0, 4]);
    expect(dataset.classNames![19]).toBe("word 19");
    expect(spikes(await dataset.sequence(0), 700)).toEqual([[0, 0, 1], [1, 350, 1], [1, 699, 1], [3, 7, 1], [49, 8, 1]]);
    expect(spikes(await dataset.sequence(1), 700)).toEqual([[0, 1, 1], [24, 3, 1]]);
    expect(Array.from(dataset.lengths)).toEqual([50, 25, 1]);
  });

  it("pools units, and takes as many steps as asked", async () => {
    const dataset = await loadShd(fixtures, { split: "train", duration: 10_000, steps: 4, units: 70, limit: 1, cache: directory });
    expect(dataset).toMatchObject({ count: 1, shape: [70] });
    expect(spikes(await dataset.sequence(0), 70)).toEqual([[0, 0, 1], [1, 35, 1], [1, 69, 1], [3, 0, 1]]);
  });

  it("says where the data sets are to be had, and what is no such file", async () => {
    await expect(loadShd(directory, { split: "test", steps: 4 })).rejects.toThrow(/shd_test\.h5.*zenkelab\.org/);
    await expect(loadSsc(directory, { split: "valid", steps: 4 })).rejects.toThrow(/ssc_valid\.h5.*zenkelab\.org/);
    await expect(loadShd(directory, { split: "valid", steps: 4 })).rejects.toThrow("split");
    const whole = readFileSync(join(fixtures, "shd_train.h5"));
    for (const length of [0, 10, 100, 2000, 8000]) {
      write("shd_train.h5", whole.subarray(0, length));
      await expect(loadShd(directory, { split: "train", steps: 4 })).rejects.toThrow(/shd_train\.h5: /);
    }
  });
});
