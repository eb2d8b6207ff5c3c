import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { root } from "../built.ts";

const row = (contestant: string, medianMs: number, details: object = {}) => ({
  name: "net", precision: "float32", contestant, layout: "channels_last", medianMs, minimumMs: medianMs, maximumMs: medianMs, samplesPerSecond: 1000 / medianMs, clock: "events",
  parameters: 10, losses: [2, 1.9], ...details,
});
const piece = (rows: object[]) => ({ part: "c", date: "", measurement: true, machine: {}, versions: {}, commands: [], missing: [], rows }) as never;

describe("the report of networks in training", async () => {
  const { lengths, networks } = await import("../../bench/gpu/report/training.mjs");

  it("names the best peer and by how much ours is faster", () => {
    const text = networks(piece([row("spikefold", 10), row("a", 40), row("b", 25)]));
    expect(text).toContain("Ours is 2.50 times as fast as the best peer, b. The same work: 10 parameters on both sides");
  });

  it.each([["losses", { losses: [2, 2.1] }], ["parameters", { parameters: 11 }], ["a loss that is no number", { losses: [2, NaN] }]])("says that it was not the same work by %s", (_, details) => {
    expect(networks(piece([row("spikefold", 10), row("a", 40, details)]))).toContain("**Not the same work**: parameters or losses of a differ");
  });

  it("has the reason of those that are not there", () => {
    expect(networks(piece([row("spikefold", 10), { ...row("a", 1), medianMs: undefined, reason: "out of memory" }]))).toContain("- a, channels_last: out of memory");
  });

  it("relates the time of each T to that of T = 32", () => {
    const text = lengths(piece([row("spikefold", 10, { name: "net T=32" }), row("spikefold", 44, { name: "net T=128" })]));
    expect(text).toContain("| spikefold, float32 | 10.0 (1.00) | 44.0 (1.10) |");
  });
});

describe.skipIf(!existsSync(join(root, "dist/device/counting.js")))("the counter of work", () => {
  it("counts bytes and products of a convolution and its gradients", async () => {
    const { WorkCounter } = await import("../../bench/gpu/counting.mjs");
    const counter = new WorkCounter();
    const [x, w] = [counter.empty([6, 8, 8, 4], "bf16"), counter.empty([3, 3, 4, 16])];
    const window = { size: [3, 3], stride: [1, 1], padding: [1, 1] } as const;
    const y = counter.dense.conv2d(x, w, undefined, window);
    counter.dense.conv2dBackward(x, w, y, window, { input: true, bias: false });
    counter.copy(x, counter.empty(x.shape, "bf16"));
    const [images, kernel, maps] = [2 * 6 * 64 * 4, 4 * 9 * 4 * 16, 2 * 6 * 64 * 16];
    const flops = 2 * 6 * 64 * 16 * 9 * 4;
    expect(counter.operations).toEqual([
      { name: "conv2d", bytes: images + kernel + maps, flops, depth: 36 },
      { name: "conv2d data", bytes: images + kernel + maps, flops, depth: 144 },
      { name: "conv2d filter", bytes: images + kernel + maps, flops, depth: 384 },
      { name: "copy", bytes: 2 * images, flops: 0, depth: 0 },
    ]);
  });
});
