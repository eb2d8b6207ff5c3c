import { hostname } from "node:os";
import { describe, expect, it } from "vitest";
import { sample } from "../sample.ts";
import { bundled, type Ended, startRanks } from "./processes.ts";

const script = bundled("deeds");

interface Outcome {
  name?: string;
  message?: string;
  done?: boolean;
}
const outcome = ({ stdout, stderr }: Ended): Outcome => {
  const last = stdout.trim().split("\n").at(-1)!;
  expect(last.startsWith("{"), `${stdout}${stderr}`).toBe(true);
  return JSON.parse(last) as Outcome;
};

const run = (size: number, deeds: Record<number, string>, options: { silenceTimeout?: number; joinTimeout?: number } = {}) => startRanks(script, size, [JSON.stringify({ ...options, deeds })]);

describe("a rank that is killed", () => {
  it.each(sample([
    ["waiting for it or for another in receive", "receive:2", "receive:0"],
    ["waiting in allReduce or in a barrier", "allReduce", "barrier"],
    ["watching `lost` or computing", "lost", "compute:3000,send:2"],
    ["sending more than is read, or waiting in broadcast", "sendMuch:2,sendMuch:2,receive:2", "broadcast:2"],
  ], 2))("ends the others, %s", async (_, first, second) => {
    const processes = await run(3, { 0: `say,${first}`, 1: `say,${second}`, 2: "say,compute:60000" });
    await Promise.all(processes.map(({ says }) => says("said")));
    const killed = performance.now();
    processes[2].child.kill("SIGKILL");
    const ended = await Promise.all(processes.map((each) => each.ended));
    expect(performance.now() - killed).toBeLessThan(30_000);
    for (const each of ended.slice(0, 2)) {
      expect(outcome(each)).toMatchObject({ name: "ParallelError", message: expect.stringContaining(`rank 2 (${hostname()}) is lost`) });
      expect(each.code).toBe(0);
    }
  });

  it("ends all when it stands still", async () => {
    const processes = await run(3, { 0: "say,receive:1", 1: "say,compute:6000,barrier", 2: "say,compute:60000" }, { silenceTimeout: 2 });
    await Promise.all(processes.map(({ says }) => says("said")));
    processes[2].child.kill("SIGSTOP");
    const ended = await Promise.all(processes.slice(0, 2).map((each) => each.ended));
    processes[2].child.kill("SIGKILL");
    await processes[2].ended;
    for (const each of ended) expect(outcome(each)).toMatchObject({ name: "ParallelError", message: `rank 2 (${hostname()}) is lost: nothing came from it for 2 s` });
  });

  it("is told from one that stood still and goes on", async () => {
    const processes = await run(2, { 0: "say,sleep:3000,allReduce,dispose", 1: "say,sleep:3000,allReduce,dispose" }, { silenceTimeout: 10 });
    await Promise.all(processes.map(({ says }) => says("said")));
    processes[1].child.kill("SIGSTOP");
    setTimeout(() => processes[1].child.kill("SIGCONT"), 2000);
    for (const each of await Promise.all(processes.map((each) => each.ended))) expect(outcome(each)).toEqual({ done: true });
  });
});

describe("a rank that ends", () => {
  it("by a fault of its program is lost", async () => {
    const processes = await run(2, { 0: "throw", 1: "receive:0" });
    const [failed, other] = await Promise.all(processes.map((each) => each.ended));
    expect(failed.code).toBe(1);
    expect(outcome(other)).toMatchObject({ name: "ParallelError", message: expect.stringContaining("rank 0 (") });
  });

  it("in order is missed by nobody who needs it no more", async () => {
    const processes = await run(3, { 0: "allReduce,send:1,dispose", 1: "allReduce,sleep:500,receive:0,sendMuch:2,dispose", 2: "allReduce,sleep:1000,dispose" });
    // What rank 0 sent before it left arrives; rank 2 leaves what is sent to it unread.
    for (const each of await Promise.all(processes.map((each) => each.ended))) expect([outcome(each), each.code]).toEqual([{ done: true }, 0]);
  });

  it("in order ends those who wait for it", async () => {
    const processes = await run(3, { 0: "dispose", 1: "receive:2", 2: "sleep:1000,allReduce" });
    const [, one, two] = await Promise.all(processes.map((each) => each.ended));
    for (const each of [one, two]) expect(outcome(each)).toMatchObject({ name: "ParallelError", message: expect.stringContaining(`rank 0 (${hostname()}) has left the group, and rank 2 still waits for it`) });
  });

  it("and never leaves is not kept alive by its group", async () => {
    const processes = await run(2, { 0: "barrier", 1: "barrier" });
    for (const each of await Promise.all(processes.map((each) => each.ended))) expect(each).toMatchObject({ code: 0, stderr: "" });
  });

  it("leaves a group that cannot be used", async () => {
    const processes = await run(2, { 0: "dispose,allReduce", 1: "dispose,barrier" });
    for (const each of await Promise.all(processes.map((each) => each.ended))) expect(outcome(each)).toMatchObject({ name: "ParallelError", message: expect.stringContaining("the group was left") });
  });
});

describe("ranks that do not do the same", () => {
  it("are told so", async () => {
    const sent = await Promise.all((await run(2, { 0: "sendFew:1,barrier", 1: "receive:0" })).map((each) => each.ended));
    for (const each of sent) expect(outcome(each)).toMatchObject({ name: "ParallelError", message: expect.stringMatching(/^rank 0 \(.*\) sent 40 bytes to be received where rank 1 has 4000: all ranks must make the same calls/) });
    const summed = await Promise.all((await run(2, { 0: "allReduce:6", 1: "allReduce:5" })).map((each) => each.ended));
    for (const each of summed) expect(outcome(each)).toMatchObject({ name: "ParallelError", message: expect.stringMatching(/sent 12 bytes in an all-reduce where rank 0 has |sent 8 bytes in an all-reduce where rank 0 has |in an all-reduce where/) });
  });
});
