import { describe, expect, it } from "vitest";
import { measure, type Round } from "../../src/bench/measure.ts";

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

describe("measure", () => {
  it("interleaves the contestants and tells of each repetition that counts", async () => {
    const order: string[] = [];
    const rounds: Round<"a" | "b">[] = [];
    const times = await measure({
      a: async () => { order.push("a"); await pause(8); },
      b: () => { order.push("b"); },
    }, { repetitions: 3, warmUp: 2, onRound: (round) => rounds.push(round) });
    expect(order.join("")).toBe("ababababab");
    expect(rounds.map(({ round, repetitions }) => [round, repetitions])).toEqual([[1, 3], [2, 3], [3, 3]]);
    const ofA = rounds.map(({ milliseconds }) => milliseconds.a).sort((x, y) => x - y);
    expect(times.a).toEqual({ repetitions: 3, median: ofA[1], minimum: ofA[0], maximum: ofA[2] });
    expect(times.a.median).toBeGreaterThan(times.b.median);
  });

  it("leaves out what was not done, and still tells of it", async () => {
    const laps: number[] = [];
    const times = await measure({ sometimes: (round) => round !== 1, never: () => false }, { repetitions: 3, warmUp: 1, onRound: ({ milliseconds }) => laps.push(milliseconds.sometimes) });
    expect(times.sometimes.repetitions).toBe(2);
    expect(laps.map(Number.isNaN)).toEqual([false, true, false]);
    expect(times.never).toEqual({ repetitions: 0, median: NaN, minimum: NaN, maximum: NaN });
  });

  it("ends with what it has when it is told to", async () => {
    const controller = new AbortController();
    const times = await measure({ a: () => {}, b: (round) => void (round === 1 && controller.abort()) }, { repetitions: 50, warmUp: 0, signal: controller.signal });
    expect([times.a.repetitions, times.b.repetitions]).toEqual([2, 2]);
  });
});
