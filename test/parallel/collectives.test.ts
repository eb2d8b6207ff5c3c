import { describe, expect, it } from "vitest";
import { bundled, runRanks } from "./processes.ts";

const script = bundled("collectives");

const values = (length: number, rank: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(1 + i + 1000 * rank) * 10 ** ((i * 7 + rank * 3) % 9));

/** The sum in the order of the ranks. */
function summed(length: number, size: number): string {
  const sum = values(length, 0);
  for (let rank = 1; rank < size; rank++) values(length, rank).forEach((value, i) => (sum[i] += value));
  return Buffer.from(sum.buffer).toString("hex");
}

describe.each([2, 3, 4])("%i processes over sockets", (size) => {
  it("sum, send and gather, with the same bits on all", async () => {
    const ended = await runRanks(script, size, []);
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(Array.from({ length: size }, () => [0, ""]));
    for (const [rank, { stdout }] of ended.entries()) {
      const before = (rank + size - 1) % size;
      const result = JSON.parse(stdout) as { sums: Record<string, string>; together: string[] };
      expect(result).toMatchObject({ rank, size, broadcast: [size - 1, 9 + size, 19 + size], ring: [before], order: [0, 1, 2, 3, 4] });
      for (const [length, bits] of Object.entries(result.sums)) expect(bits === summed(Number(length), size), `the sum of ${length} on rank ${rank}`).toBe(true);
      expect(result.together.map((bits, i) => bits === summed([5, 40_000, 0, 1, 70_001][i], size))).toEqual([true, true, true, true, true]);
      const each = Array.from({ length: size }, (_, r) => r);
      expect(result).toMatchObject({ gathered: [each.map((r) => `from ${r}`), each.map(() => 0), each.map((r) => 100_000 * r)] });
    }
  });
});
