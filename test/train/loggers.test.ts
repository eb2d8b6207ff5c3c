import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { openDevice } from "../../src/device/index.ts";
import { Model } from "../../src/nn/index.ts";
import { csvLogger } from "../../src/train/csvLogger.ts";
import { crc32c } from "../../src/train/eventFile.ts";
import type { TrainingLogger } from "../../src/train/logger.ts";
import { tensorboardLogger } from "../../src/train/tensorboardLogger.ts";
import { adam } from "../../src/train/optimizer.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { quadrants, smallNetwork } from "./digits.ts";

let directory: string;
beforeEach(async () => void (directory = await mkdtemp(join(tmpdir(), "spikefold-log-"))));
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Tells a logger of updates `from` … `to`, two an epoch, and of the epochs that end; losses say in which attempt they were made. */
function train({ onStep, onEpoch }: TrainingLogger, from: number, to: number, attempt = 0): void {
  for (let step = from; step <= to; step++) {
    const epoch = Math.ceil(step / 2);
    onStep({ step, epoch, loss: step + attempt / 8, accuracy: 0.5, totalSteps: 8, epochLoss: 0.25, epochAccuracy: 1 });
    if (step % 2 === 0) onEpoch({ epoch, trainLoss: epoch + attempt / 8, trainAccuracy: 0.75, seconds: 2, samplesPerSecond: 64, ...(epoch === 2 && { testLoss: 3, testAccuracy: 0.125 }) });
  }
}

const csv = async (name: string): Promise<Record<string, string>[]> => {
  const [header, ...rows] = (await readFile(join(directory, name), "utf8")).trimEnd().split("\n").map((row) => row.split(","));
  return rows.map((row) => Object.fromEntries(header.map((column, i) => [column, row[i]])));
};

describe("csvLogger", () => {
  it("writes a row for each update and each epoch at once", async () => {
    train(csvLogger(directory), 1, 4);
    expect(await csv("steps.csv")).toEqual([1, 2, 3, 4].map((step) => ({ step: `${step}`, epoch: `${Math.ceil(step / 2)}`, loss: `${step}`, accuracy: "0.5", epochLoss: "0.25", epochAccuracy: "1" })));
    expect(await csv("epochs.csv")).toEqual([
      { epoch: "1", trainLoss: "1", trainAccuracy: "0.75", testLoss: "", testAccuracy: "", seconds: "2", samplesPerSecond: "64" },
      { epoch: "2", trainLoss: "2", trainAccuracy: "0.75", testLoss: "3", testAccuracy: "0.125", seconds: "2", samplesPerSecond: "64" },
    ]);
  });

  it.each([[3, [1, 2, 3.125, 4.125, 5.125], [1, 2.125]], [1, [1.125, 2.125, 3.125, 4.125, 5.125], [1.125, 2.125]], [5, [1, 2, 3, 4, 5.125], [1, 2]]])(
    "has every update once after going back to update %i", async (from, losses, epochLosses) => {
      train(csvLogger(directory), 1, 5);
      train(csvLogger(directory), from, 5, 1);
      expect((await csv("steps.csv")).map(({ loss }) => Number(loss))).toEqual(losses);
      expect((await csv("epochs.csv")).map(({ trainLoss }) => Number(trainLoss))).toEqual(epochLosses);
    });

  it("forgets the epochs of another training when it begins anew", async () => {
    train(csvLogger(directory), 1, 6);
    train(csvLogger(directory), 1, 1, 1);
    expect(await csv("epochs.csv")).toEqual([]);
  });

  it("drops a row that was written by half", async () => {
    train(csvLogger(directory), 1, 3);
    const file = join(directory, "steps.csv");
    await writeFile(file, `${await readFile(file, "utf8")}4,2,0.`);
    train(csvLogger(directory), 4, 4);
    expect((await csv("steps.csv")).map(({ step, loss }) => [step, loss])).toEqual([["1", "1"], ["2", "2"], ["3", "3"], ["4", "4"]]);
  });

  it("leaves a file alone that is none of its own", async () => {
    await writeFile(join(directory, "steps.csv"), "a,b\n1,2\n");
    expect(() => train(csvLogger(directory), 1, 1)).toThrow(/steps\.csv is there already and has other columns/);
    expect(await readFile(join(directory, "steps.csv"), "utf8")).toBe("a,b\n1,2\n");
  });

  it("checks its directory", () => expect(() => csvLogger("")).toThrow(/csvLogger: directory is ""/));
});

describe("CRC-32C", () => {
  const text = (value: string) => new TextEncoder().encode(value);
  it.each<[string, Uint8Array, number]>([
    ["32 zeros", new Uint8Array(32), 0x8a9136aa],
    ["32 ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
    ["0 … 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
    ["31 … 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
    ["123456789", text("123456789"), 0xe3069283],
  ])("of %s is that of RFC 3720", (_, bytes, sum) => expect(crc32c(bytes)).toBe(sum));
});

/** A decoder that shares nothing with the encoder: fields by number, nested where the caller says so. */
function fields(bytes: Buffer): Map<number, (number | Buffer)[]> {
  const found = new Map<number, (number | Buffer)[]>();
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++];
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < bytes.length) {
    const key = varint();
    const read = { 0: varint, 1: () => bytes.readDoubleLE((at += 8) - 8), 2: () => { const size = varint(); return bytes.subarray(at, at += size); }, 5: () => bytes.readFloatLE((at += 4) - 4) }[key & 7];
    if (!read) throw new Error(`wire type ${key & 7}`);
    found.set(key >> 3, [...(found.get(key >> 3) ?? []), read()]);
  }
  return found;
}

interface Event { step: number; version?: string; isStart: boolean; values: Record<string, number> }

function events(file: Buffer): Event[] {
  const found: Event[] = [];
  const unmask = (sum: number): number => { const turned = (sum - 0xa282ead8) >>> 0; return ((turned << 15) | (turned >>> 17)) >>> 0; };
  for (let at = 0; at < file.length;) {
    const size = Number(file.readBigUInt64LE(at));
    expect(unmask(file.readUInt32LE(at + 8))).toBe(crc32c(file.subarray(at, at + 8)));
    const contents = file.subarray(at + 12, at + 12 + size);
    expect(unmask(file.readUInt32LE(at + 12 + size))).toBe(crc32c(contents));
    const event = fields(contents);
    expect(Math.abs((event.get(1)![0] as number) - Date.now() / 1000)).toBeLessThan(60);
    const summary = (event.get(5) ?? []).flatMap((each) => fields(each as Buffer).get(1) ?? []).map((value) => fields(value as Buffer));
    found.push({
      step: event.get(2)![0] as number,
      version: event.get(3)?.toString(),
      isStart: event.has(7) && fields(event.get(7)![0] as Buffer).get(1)![0] === 1,
      values: Object.fromEntries(summary.map((value) => [String(value.get(1)![0]), value.get(2)![0] as number])),
    });
    at += size + 16;
  }
  return found;
}

const eventFiles = async (): Promise<Event[][]> => Promise.all((await readdir(directory)).toSorted().map(async (name) => {
  expect(name).toMatch(/^events\.out\.tfevents\.\d+\./);
  return events(await readFile(join(directory, name)));
}));

describe("tensorboardLogger", () => {
  it("writes events that say version, session, updates and epochs", async () => {
    train(tensorboardLogger(directory), 1, 4);
    const [[first, start, ...rest], ...others] = await eventFiles();
    expect(others).toEqual([]);
    expect(first).toMatchObject({ step: 0, version: "brain.Event:2" });
    expect(start).toMatchObject({ step: 1, isStart: true });
    expect(rest.map(({ step, values }) => [step, values])).toEqual([
      [1, { "step/loss": 1, "step/accuracy": 0.5 }], [2, { "step/loss": 2, "step/accuracy": 0.5 }],
      [1, { "epoch/trainLoss": 1, "epoch/trainAccuracy": 0.75, "epoch/samplesPerSecond": 64 }],
      [3, { "step/loss": 3, "step/accuracy": 0.5 }], [4, { "step/loss": 4, "step/accuracy": 0.5 }],
      [2, { "epoch/trainLoss": 2, "epoch/trainAccuracy": 0.75, "epoch/testLoss": 3, "epoch/testAccuracy": 0.125, "epoch/samplesPerSecond": 64 }],
    ]);
  });

  it("takes steps beyond 32 bits", async () => {
    const { onStep } = tensorboardLogger(directory);
    onStep({ step: 2 ** 40 + 3, epoch: 1, loss: 1, accuracy: 1, totalSteps: 2 ** 41, epochLoss: 1, epochAccuracy: 1 });
    expect((await eventFiles())[0].map(({ step }) => step)).toEqual([0, 2 ** 40 + 3, 2 ** 40 + 3]);
  });

  it("begins a later file after going back, with the step from which readers forget", async () => {
    train(tensorboardLogger(directory), 1, 5);
    train(tensorboardLogger(directory), 4, 6, 1);
    const [before, after] = await eventFiles();
    expect(before.filter(({ isStart }) => isStart).map(({ step }) => step)).toEqual([1]);
    expect(after.filter(({ isStart }) => isStart).map(({ step }) => step)).toEqual([4]);
    expect(after.flatMap(({ values }) => values["step/loss"] ?? [])).toEqual([4.125, 5.125, 6.125]);
  });
});

describe("fit with a logger", () => {
  it("logs what it returns", async () => {
    const device = await openDevice("cpu");
    const dataset = quadrants(64, 1);
    const model = Model.build(smallNetwork(), { device, inputShape: [16], steps: 4, random: new Random(0) });
    const trainer = new Trainer(model, { optimizer: adam() });
    const { steps, epochs } = await trainer.fit(dataset, { epochs: 2, batchSize: 16, testDataset: dataset, ...csvLogger(directory) });
    expect((await csv("steps.csv")).map(({ step, loss, accuracy }) => ({ step: Number(step), loss: Number(loss), accuracy: Number(accuracy) }))).toEqual(steps);
    expect((await csv("epochs.csv")).map((row) => Object.fromEntries(Object.entries(row).map(([name, value]) => [name, Number(value)])))).toEqual(epochs);
    await device.dispose();
  });
});
