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
    expect(times.a).toEqual({ median: ofA[1], minimum: ofA[0], maximum: ofA[2] });
    expect(times.a.median).toBeGreaterThan(times.b.median);
  });
});
