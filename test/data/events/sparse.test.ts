import { expect, it } from "vitest";
import { decodeCounts, encodeCounts } from "../../../src/data/events/sparse.ts";
import { Random } from "../../../src/data/random.ts";

it("gives counts back as they were", () => {
  const random = new Random(1);
  for (let round = 0; round < 60; round++) {
    const length = 1 + random.integer(50_000);
    const largest = [2, 256, 100_000][round % 3];
    const counts = largest > 256 ? new Float32Array(length) : new Uint8Array(length);
    const some = random.integer(round % 7 === 0 ? length : 200);
    for (let i = 0; i < some; i++) counts[random.integer(length)] = random.integer(largest);
    expect(decodeCounts(encodeCounts(counts), length)).toEqual(counts);
  }
  expect(decodeCounts(encodeCounts(new Uint8Array(0)), 0)).toEqual(new Uint8Array(0));
});

it("takes a byte or two for an event of N-MNIST", () => {
  const random = new Random(2);
  const counts = new Uint8Array(10 * 34 * 34 * 2);
  for (let i = 0; i < 4000; i++) counts[random.integer(counts.length)]++;
  expect(encodeCounts(counts).length).toBeLessThan(4000 * 1.2);
});
