import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { bundled, cudaEnvironment, runRanks, startRanks } from "./processes.ts";

const env = cudaEnvironment ?? {};

const values = (length: number, rank: number): Float32Array => Float32Array.from({ length }, (_, i) => Math.sin(1 + i + 1000 * rank) * 10 ** ((i * 7 + rank * 3) % 9));
const hex = (data: Float32Array): string => Buffer.from(data.buffer).toString("hex");

/** The sum in the order of the ranks, as the stand-in takes it. */
function summed(length: number, size: number, shift = 0): string {
  const sum = values(length, shift);
  for (let rank = 1; rank < size; rank++) values(length, rank + shift).forEach((value, i) => (sum[i] += value));
  return hex(sum);
}

describe.skipIf(cudaEnvironment === null)("processes with a cuda device each, over NCCL of the stand-in", () => {
  const script = bundled("nccl");

  it.each([2, 4])("sum, send and replay, %i of them", async (size) => {
    const ended = await runRanks(script, size, [], env);
    expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(Array.from({ length: size }, () => [0, ""]));
    const ranks = Array.from({ length: size }, (_, rank) => rank);
    for (const [rank, { stdout }] of ended.entries()) {
      const { sums, together, replayed, ...result } = JSON.parse(stdout) as { sums: Record<string, string>; together: string[]; replayed: { steps: string[]; late: number[]; heard: number[] } };
      const neighbours = [rank - 1, rank + 1].filter((other) => other >= 0 && other < size);
      for (const [length, bits] of Object.entries(sums)) expect(bits === summed(Number(length), size), `the sum of ${length} on rank ${rank}`).toBe(true);
      expect(together.map((bits, i) => bits === summed([5, 40_000, 0, 1, 70_001][i], size))).toEqual([true, true, true, true, true]);
      expect(replayed.steps.map((bits, i) => bits === summed(1001, size, 10 * i))).toEqual([true, true, true]);
      // The step ran once before, and then thrice.
      expect(replayed.late).toEqual([32, 64, 96].map((value) => (size * value) / 2 ** 4));
      expect(replayed.heard).toEqual(neighbours.map((other) => 27 * other));
      expect(result).toEqual({
        rank, size, description: `${size} processes, NCCL 2.27.3`, large: [(size * (size + 1)) / 2], beside: [32, 64, 96], broadcast: [size - 1, 9 + size, 19 + size], received: neighbours.map((other) => [other]),
        chained: ranks.slice(0, rank + 1).reduce((sum, each) => sum + 10 ** each, 0), order: rank === size - 1 ? [0, 1, 2, 3, 4] : [], gathered: ranks.map((each) => `from ${each}`),
        refused: "cuda:0: join: the sum was begun before the graph: begin it inside, or join it before.",
        ended: "cuda: a graph was launched in which ranks send one another tensors, after their group was left.", after: [4, 8, 12], leaks: "",
      });
    }
  });

  const losing = bundled("ncclLost");

  it.each([
    ["reading or held up by an upload", ["read", "upload", "sleep"]],
    ["in a graph or synchronising", ["graph", "synchronize", "sleep"]],
    ["elsewhere or leaving", ["later", "send", "sleep"]],
    ["still connecting", ["read", "read", "stranger"]],
  ])("end when one of them is killed: %s", async (_, modes) => {
    const processes = await startRanks(losing, 3, [JSON.stringify(modes)], env);
    const dying = processes[2];
    await (modes[2] === "stranger" ? dying.says("said") : Promise.all(processes.map(({ says }) => says("said"))));
    const killed = performance.now();
    dying.child.kill("SIGKILL");
    const ended = await Promise.all(processes.map((each) => each.ended));
    expect(performance.now() - killed).toBeLessThan(30_000);
    for (const [rank, { code, stdout, stderr }] of ended.slice(0, 2).entries()) {
      const last = stdout.trim().split("\n").at(-1)!;
      expect(last.startsWith("{"), `${stdout}${stderr}`).toBe(true);
      const message = expect.stringContaining(`rank 2 (${hostname()}) is lost`);
      expect({ rank, code, ...JSON.parse(last) }).toEqual({ rank, code: 0, name: "ParallelError", message, again: modes[2] === "stranger" ? [] : [message, message, message], reading: [4], leaks: "" });
    }
  });

  it("end where they disagree, and say in what", async () => {
    const ended = await runRanks(losing, 2, [JSON.stringify(["read", "disagree"])], env);
    const outcomes = ended.map(({ stdout }) => JSON.parse(stdout.trim().split("\n").at(-1)!) as { name: string; message: string; leaks: string });
    for (const { name, leaks } of outcomes) expect([name, leaks]).toEqual(["ParallelError", ""]);
    expect(outcomes.map(({ message }) => message).join("\n")).toMatch(/NCCL reports an error: invalid usage \(5\)\. rank (0 is at ncclAllReduce|1 is at ncclBroadcast) of 400000 bytes, rank [01] at nccl(Broadcast|AllReduce) of 400000 bytes\./);
  });
});
