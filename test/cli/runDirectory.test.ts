import { spawn } from "node:child_process";
import { existsSync, openSync } from "node:fs";
import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { occasionally, sample } from "../sample.ts";
import { main, type Workplace, workplace } from "./workplace.ts";

let place: Workplace;
let spikefold: Workplace["spikefold"];
let at: (...names: string[]) => string;
beforeAll(async () => {
  place = await workplace();
  spikefold = place.spikefold;
  at = (...names) => join(place.directory, ...names);
  expect((await spikefold(["train", "mnist", ...place.small, "--out", "finished"])).code).toBe(0);
  // Two epochs, of which one is done.
  expect((await spikefold([...interruptible(), "--out", "stopped"], interruptAfterEpoch)).code).toBe(130);
});
afterAll(() => place.remove());

const interruptible = () => ["train", "mnist", ...place.small, "--epochs", "6", "--checkpoint", "1000"];
const interruptAfterEpoch = (text: string, kill: (signal: NodeJS.Signals) => void) => text.includes("epoch 1:") && !text.includes("stopping") && kill("SIGINT");

/** A copy to spoil. */
async function copyOf(name: string): Promise<string> {
  const copy = `${name} ${Math.random().toString(36).slice(2)}`;
  await cp(at(name), at(copy), { recursive: true });
  return copy;
}

async function contents(name: string): Promise<Record<string, string>> {
  return Object.fromEntries(await Promise.all((await readdir(at(name))).toSorted().map(async (file) => [file, await readFile(at(name, file), "latin1")])));
}

async function expectRefusal(args: readonly string[], code: number, message: RegExp, untouched?: string): Promise<void> {
  const before = untouched && (await contents(untouched));
  const ended = await spikefold(args);
  expect(ended.stderr).toMatch(message);
  expect(ended.stderr).not.toContain("    at ");
  expect(ended.code).toBe(code);
  if (untouched) expect(await contents(untouched)).toEqual(before);
}

describe("the directory of spikefold train", () => {
  it("without its run.json is no run, and no place for another", async () => {
    for (const name of sample(["finished", "stopped"], 1)) {
      const copy = await copyOf(name);
      await rm(at(copy, "run.json"));
      await expectRefusal(["train", "mnist", ...place.small, "--out", copy], 1, /run\.json is missing, yet .*another directory/, copy);
      await expectRefusal(["train", "--resume", copy], 1, /run\.json is missing, yet/, copy);
      await expectRefusal(["evaluate", copy], 1, /run\.json is missing, yet/, copy);
    }
  });

  it("is not touched by a run with other options", async () => {
    await expectRefusal(["train", "mnist", ...place.small, "--out", "finished", "--lr", "1"], 2, /finished holds a run already/, "finished");
    await expectRefusal(["train", "--resume", "finished", "--seed", "9"], 2, /seed is 9, but the run in finished began with 0/, "finished");
  });

  it("of a finished run is not trained in again; its result is told again", async () => {
    const [whole, again] = [await copyOf("finished"), await copyOf("finished")];
    const { code, stdout, stderr } = await spikefold(["train", "--resume", again, "--json"]);
    expect(code).toBe(0);
    expect(stderr).toContain("is finished, there is nothing left to train");
    const { report: _, "run.json": __, ...before } = await contents(whole);
    expect(await contents(again)).toMatchObject({ "model.safetensors": before["model.safetensors"], "metrics.json": before["metrics.json"] });
    const { epochs } = JSON.parse(before["metrics.json"]);
    expect(JSON.parse(stdout)).toMatchObject({ testAccuracy: epochs[0].testAccuracy, testLoss: epochs[0].testLoss });
    for (const file of (await readdir(at(again))).filter((name) => name.startsWith("checkpoint"))) await rm(at(again, file));
    await expectRefusal(["train", "--resume", again], 1, /checkpoint-[12]\.safetensors is missing, which run\.json lists/, again);
  });

  it("takes one of two runs that begin at once", async () => {
    const args = ["train", "mnist", ...place.small, "--out", "contended"];
    const ended = await Promise.all([spikefold(args), spikefold(args)]);
    expect(ended.map(({ code }) => code === 0).toSorted()).toEqual([false, true]);
    expect(ended.find(({ code }) => code !== 0)!.stderr).toMatch(/contended (is in use: process \d+ trains there|holds a run already)/);
    expect(JSON.parse((await spikefold(["evaluate", "contended", "--json"])).stdout)).toMatchObject({ finished: true });
  });

  it("with a flipped bit or a cut file is refused, by the file's name", async () => {
    const copy = await copyOf("finished");
    const model = await readFile(at(copy, "model.safetensors"));
    model[model.length - 1000] ^= 1;
    await writeFile(at(copy, "model.safetensors"), model);
    await expectRefusal(["evaluate", copy], 1, /model\.safetensors is damaged/, copy);
    const stopped = await copyOf("stopped");
    const [name] = (await readdir(at(stopped))).filter((file) => file.startsWith("checkpoint"));
    await writeFile(at(stopped, name), (await readFile(at(stopped, name))).subarray(0, 1000));
    await expectRefusal(["train", "--resume", stopped], 1, new RegExp(`${name} has 1000 bytes`), stopped);
    await expectRefusal(["evaluate", stopped], 1, new RegExp(`${name} has 1000 bytes`), stopped);
  });

  it("is not left behind by a start that fails", async () => {
    await mkdir(at("empty"));
    const before = (await readdir(place.directory)).toSorted();
    await expectRefusal(["train", "mnist", ...place.small, "--device", "abacus", "--out", "new/one"], 1, /"abacus" is no device/);
    await expectRefusal(["train", "mnist", ...place.small, "--steps", "100000000", "--out", "new/one"], 1, /memory|bytes|GiB/i);
    await expectRefusal(["train", "--resume", "empty"], 1, /run\.json is missing: empty is no directory of a training run/, "empty");
    await expectRefusal(["evaluate", "empty"], 1, /run\.json is missing/, "empty");
    await expectRefusal(["train", "mnist", ...place.small, "--out", "data/train-labels-idx1-ubyte"], 1, /is a file: a run needs a directory/);
    expect((await readdir(place.directory)).toSorted()).toEqual(before);
  });

  it("that an earlier version wrote is refused clearly", async () => {
    await mkdir(at("earlier"));
    await writeFile(at("earlier", "run.json"), JSON.stringify({ format: "spikefold-run", version: 1, dataset: "mnist" }));
    for (const args of [["evaluate", "earlier"], ["train", "--resume", "earlier"], ["train", "mnist", ...place.small, "--out", "earlier"]]) {
      await expectRefusal(args, 1, /run\.json is of version 1, this Spikefold reads version 2/, "earlier");
    }
  });

  occasionally("keeps --portable for the run that is resumed", async () => {
    await spikefold([...interruptible(), "--portable", "--out", "portable"], interruptAfterEpoch);
    const resumed = await spikefold(["train", "--resume", "portable"]);
    expect(resumed.stderr).toContain("device cpu: WebAssembly SIMD,");
    expect(resumed.code).toBe(0);
  });
});

describe("spikefold train, interrupted", () => {
  it("tells readers that it is under way, from the last checkpoint", async () => {
    let evaluated: Promise<unknown> | undefined;
    const { code } = await spikefold([...interruptible(), "--epochs", "40", "--out", "watched"], (text, kill) => {
      if (!text.includes("epoch 1:") || evaluated) return;
      evaluated = spikefold(["evaluate", "watched"]).finally(() => kill("SIGINT"));
    });
    expect(await evaluated).toMatchObject({ code: 0, stderr: expect.stringMatching(/the run is under way \(process \d+ trains there since .*\): these are the weights of its last checkpoint, after \d+ steps/) });
    expect(code).toBe(130);
  });

  it("quits at once at the second Ctrl-C, and leaves no half-written file and no lock", async () => {
    const { code } = await spikefold([...interruptible(), "--epochs", "40", "--checkpoint", "1", "--out", "twice"], (text, kill) => {
      if (text.includes("epoch 1:")) ["SIGINT", "SIGINT"].forEach((signal) => kill(signal as NodeJS.Signals));
    });
    expect(code).toBe(130);
    expect((await readdir(at("twice"))).filter((name) => name.startsWith("."))).toEqual([]);
    expect((await spikefold(["evaluate", "twice"])).code).toBe(0);
  });

  it("while it times a step, leaves that out and writes the report", async () => {
    const { code, stdout, stderr } = await spikefold(["train", "mnist", ...place.small, "--steps", "64", "--out", "hasty", "--json"], (text, kill) => text.includes("timing a training step") && !text.includes("leaving out") && kill("SIGINT"));
    expect(code).toBe(130);
    expect(stderr).toContain("leaving out the timing; the report is being written");
    expect(JSON.parse(stdout)).toMatchObject({ runDirectory: "hasty" });
    expect(await readdir(at("hasty"))).toContain("report.html");
    expect(JSON.parse((await spikefold(["evaluate", "hasty", "--json"])).stdout)).toMatchObject({ finished: true });
  });
});

describe.skipIf(!existsSync("/dev/full"))("spikefold train, with a stream that fails", () => {
  const train = (name: string, stdio: ("pipe" | number)[], watch: (child: ReturnType<typeof spawn>) => void = () => {}) => {
    const child = spawn(process.execPath, [main, "train", "mnist", ...place.small, "--out", name], { cwd: place.directory, stdio: ["ignore", ...stdio] });
    let stderr = "";
    child.stderr?.on("data", (text) => (stderr += text));
    watch(child);
    return new Promise<{ code: number | null; stderr: string }>((resolve) => child.on("close", (code) => resolve({ code, stderr })));
  };
  const finishes = async (name: string) => {
    expect(await readdir(at(name))).toContain("report.html");
    expect(JSON.parse((await spikefold(["evaluate", name, "--json"])).stdout)).toMatchObject({ finished: true });
  };
  const full = () => openSync("/dev/full", "w");

  type Failing = [how: string, stdio: () => ("pipe" | number)[], watch: (child: ReturnType<typeof spawn>) => void];

  it.each(sample<Failing>([
    ["is full", () => ["pipe", full()], () => {}],
    ["loses its reader", () => ["pipe", "pipe"], (child) => child.stderr!.once("data", () => child.stderr!.destroy())],
  ], 1))("loses the progress, not the run, when standard error %s", async (name, stdio, watch) => {
    expect(await train(name, stdio(), watch)).toMatchObject({ code: 0 });
    await finishes(name);
  });

  it.each(sample<Failing>([
    ["full", () => [full(), "pipe"], () => {}],
    ["closed", () => ["pipe", "pipe"], (child) => child.stdout!.destroy()],
  ], 1))("says so and fails when standard output is %s, with the run whole", async (name, stdio, watch) => {
    const { code, stderr } = await train(name, stdio(), watch);
    expect(code).toBe(1);
    expect(stderr).toContain("the result cannot be written to standard output");
    await finishes(name);
  });
});
