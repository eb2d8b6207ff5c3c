import { expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { FileFormatError } from "../../src/errors.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint } from "../../src/train/checkpoint.ts";

const checkpoint: Checkpoint = {
  position: { step: 2, updates: 2, epoch: 0, batch: 2, lossSum: 1.5, correct: 3, samples: 8, seconds: 0.25 },
  random: new Random(1).state,
  history: { epochs: [], steps: [{ step: 1, loss: 1, accuracy: 0.25 }, { step: 2, loss: 0.5, accuracy: 0.5 }] },
  model: { "0.weight": { shape: [2], data: Float32Array.of(1, 2) } },
  optimizer: { "m.0.weight": { shape: [2], data: Float32Array.of(3, 4) } },
};

it("comes back whole", () => {
  expect(decodeCheckpoint(encodeCheckpoint(checkpoint), "a file")).toEqual(checkpoint);
});

const replaced = (from: string, to: string) => (bytes: Buffer) => Buffer.from(bytes.toString("latin1").replace(from, to), "latin1");

it.each([
  ["truncated", (bytes: Buffer) => bytes.subarray(0, bytes.length - 5)],
  ["empty", () => Buffer.alloc(0)],
  ["foreign", () => Buffer.from("PK\x03\x04 not a checkpoint at all")],
  ["of another format", replaced("spikefold-checkpoint", "spikefold-checkp0int")],
  ["without a tensor", replaced("history.loss", "history.lass")],
  ["with a spoilt position", replaced('\\"batch\\":2', '\\"batch\\":x')],
  ["with a history of another length", replaced('\\"step\\":2', '\\"step\\":3')],
])("is refused by name where it is %s", (_, spoil) => {
  const bytes = spoil(Buffer.from(encodeCheckpoint(checkpoint)));
  expect(() => decodeCheckpoint(bytes, "a file")).toThrow(FileFormatError);
  expect(() => decodeCheckpoint(bytes, "a file")).toThrow(/^a file/);
});
