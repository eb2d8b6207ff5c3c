import { describe, expect, it } from "vitest";
import type { Device, Tensor } from "../../src/device/index.ts";
import { alone, type ProcessGroup } from "../../src/parallel/group.ts";
import { measureLink } from "../../src/parallel/link.ts";

/** As much of a device as is asked for. */
const deviceWith = (synchronize: () => Promise<void>): Device =>
  ({ kernel: () => undefined, empty: () => undefined, read: () => undefined, synchronize, zeros: ([size]: number[]) => ({ size, dispose: () => undefined }) }) as unknown as Device;

/** A queue between two, whose messages are there after a latency and as long as their bytes take; one that is awaited holds up the receiver's device. */
function pair({ latency, bandwidth, ranks = 2 }: { latency: number; bandwidth: number; ranks?: number }) {
  const arrivals = new Map<string, number[]>();
  const gathered: { bytes: Uint8Array; resolve: (all: Uint8Array[]) => void }[] = [];
  return Array.from({ length: ranks }, (_, rank) => {
    let until: Promise<void> = Promise.resolve();
    const here = deviceWith(() => until);
    const queue = (from: number, to: number): number[] => arrivals.get(`${from}>${to}`) ?? arrivals.set(`${from}>${to}`, []).get(`${from}>${to}`)!;
    const group: ProcessGroup = {
      ...alone(), rank, size: ranks,
      send: (tensor: Tensor, to: number) => void queue(rank, to).push(performance.now() + 1000 * (latency + (4 * tensor.size) / bandwidth)),
      receive: (_tensor: Tensor, from: number) => void (until = (async () => {
        while (queue(from, rank).length === 0) await new Promise((resolve) => setImmediate(resolve));
        const at = queue(from, rank).shift()!;
        while (performance.now() < at) await new Promise((resolve) => setImmediate(resolve));
      })()),
      gather: (bytes: Uint8Array) => new Promise<Uint8Array[]>((resolve) => {
        gathered[rank] = { bytes: bytes.slice(), resolve };
        if (Object.keys(gathered).length === ranks) for (const each of gathered) each.resolve(gathered.map((other) => other.bytes));
      }),
    };
    return { group, here };
  });
}

describe("measureLink", () => {
  it("finds latency and bandwidth, the same on all ranks", { timeout: 60_000 }, async () => {
    const ranks = pair({ latency: 0.01, bandwidth: 1e8, ranks: 3 });
    const found = await Promise.all(ranks.map(({ group, here }) => measureLink(group, here)));
    expect(found[1]).toEqual(found[0]);
    expect(found[2]).toEqual(found[0]);
    expect(found[0].latency).toBeGreaterThanOrEqual(0.0099);
    expect(found[0].latency).toBeLessThan(0.03);
    expect(found[0].bandwidth / 1e8).toBeGreaterThan(0.3);
    expect(found[0].bandwidth / 1e8).toBeLessThan(3);
  });

  it("says that one process has no link", () => expect(measureLink(alone(), deviceWith(async () => undefined))).rejects.toThrow(expect.objectContaining({ name: "ParallelError", message: expect.stringContaining("one process") })));
});
