import { spawn, spawnSync } from "node:child_process";
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { FileFormatError, OptionError } from "../../src/errors.ts";
import { Model } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { startOf } from "../../src/train/processes.ts";
import { RunDirectory } from "../../src/train/runDirectory.ts";
import { readRun } from "../../src/train/storedRun.ts";
import { type FitOptions, Trainer } from "../../src/train/trainer.ts";
import { restoreModel } from "../../src/train/weights.ts";
import { quadrants, smallNetwork } from "./digits.ts";

/** Called before and after every write of a file. */
const watch = vi.hoisted(() => ({ before: (_path: string): unknown => undefined, after: (_path: string): unknown => undefined }));
vi.mock("../../src/train/atomic.ts", async (original) => {
  const atomic = await original<typeof import("../../src/train/atomic.ts")>();
  return {
    ...atomic,
    async writeFileAtomic(path: string, bytes: Uint8Array | string) {
      await watch.before(path);
      await atomic.writeFileAtomic(path, bytes);
      await watch.after(path);
    },
  };
});

const [train, test] = [quadrants(64, 1), quadrants(32, 2)];
let device: Device;
let root: string;
let directory: string;
beforeAll(async () => {
  device = await openDevice("cpu", { threads: 1 });
});
afterAll(() => device.dispose());
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "spikefold-run-"));
  directory = join(root, "a", "run");
});
afterEach(async () => {
  watch.before = watch.after = () => undefined;
  await rm(root, { recursive: true });
});

const build = (): Model => Model.build(smallNetwork(8), { device, inputShape: [16], steps: 2, random: new Random(1) });

async function fit(options: Partial<FitOptions>, stopAfter = Infinity) {
  const trainer = new Trainer(build(), { optimizer: adam({ lr: 0.02 }), seed: 3 });
  const result = await trainer.fit(train, { epochs: 1, batchSize: 32, testDataset: test, checkpointEvery: 1, onWarning() {}, onStep: ({ step }) => step === stopAfter && trainer.stop(), ...options });
  return { ...result, weights: await weightsOf(trainer.model) };
}
const weightsOf = async (model: Model) => (await Promise.all(model.parameters().map(({ value }) => device.read(value)))).map((values) => [...values]);

const isLock = (name: string): boolean => name.endsWith(".lock");
const contents = async (): Promise<string[]> => (await readdir(root, { recursive: true })).toSorted();

/** The final weights of a run, by its files alone. */
async function storedWeights(path: string) {
  const model = build();
  const run = await readRun(path);
  expect(run.state).toBe("finished");
  restoreModel(model, (await run.read("model"))!, run.file("model"));
  return weightsOf(model);
}

describe("a run's directory, if the process is killed", () => {
  it("tells the truth after every write, and resumes to the same weights", async () => {
    const snapshots: string[] = [];
    watch.after = async (path) => {
      if (isLock(path)) return;
      const snapshot = join(root, `snapshot ${snapshots.length}`);
      await cp(directory, snapshot, { recursive: true, filter: (file) => !isLock(file) });
      snapshots.push(snapshot);
    };
    const early = await RunDirectory.open(directory);
    await early.save({}, "stopped before the first update");
    await early.close();
    for (const snapshot of snapshots.splice(0)) expect(await readRun(snapshot)).toMatchObject({ state: "training" });
    await rm(directory, { recursive: true });
    const whole = await fit({ runDirectory: directory });
    // More epochs of a finished run, whose results go.
    const longer = await fit({ runDirectory: directory, resume: true, epochs: 2 });
    watch.after = () => undefined;
    expect(snapshots.length).toBeGreaterThan(12);
    const states = new Set<string>();
    for (const snapshot of snapshots) {
      const run = await readRun(snapshot);
      states.add(run.state);
      if (run.state === "finished") expect([whole.weights, longer.weights]).toContainEqual(await storedWeights(snapshot));
      await run.read("checkpoint");
      const resumed = await fit({ runDirectory: snapshot, resume: true, epochs: 2 });
      expect(resumed.weights).toEqual(longer.weights);
      expect(resumed.steps).toEqual(longer.steps);
      expect(await storedWeights(snapshot)).toEqual(longer.weights);
      expect((await readdir(snapshot)).toSorted().map((name) => name.replace(/-[12]\./, "-n."))).toEqual(["checkpoint-n.safetensors", "metrics.json", "model.safetensors", "run.json"]);
    }
    expect([...states]).toEqual(["training", "finished"]);
  });

  it("keeps its truth when a write fails, and names the file", async () => {
    const whole = await fit({});
    for (let failing = 0, failed = true; failed; failing++) {
      failed = false;
      let count = 0;
      watch.before = (path) => {
        if (isLock(path) || count++ !== failing) return;
        failed = true;
        throw Object.assign(new Error(`${path} cannot be written: ENOSPC`), { code: "ENOSPC", syscall: "write" });
      };
      const outcome = fit({ runDirectory: directory });
      if (failing < 6) await expect(outcome).rejects.toThrow(/cannot be written: ENOSPC/);
      else await outcome.catch(() => undefined);
      watch.before = () => undefined;
      expect((await contents()).filter(isLock)).toEqual([]);
      if (failing < 3) expect(await contents(), "nothing was saved").toEqual([]);
      expect((await fit({ runDirectory: directory, resume: true })).weights).toEqual(whole.weights);
      await rm(join(root, "a"), { recursive: true });
    }
  });
});

describe("a run's directory", () => {
  it("is as it was when the start fails", async () => {
    await expect(fit({ runDirectory: directory, epochs: 0 })).rejects.toThrow(OptionError);
    await expect(fit({ runDirectory: directory, testDataset: { ...test, classes: 9 } })).rejects.toThrow(/9 classes/);
    const failsAtOnce = () => { throw new Error("no spikes today"); };
    await expect(fit({ runDirectory: directory, encoder: failsAtOnce })).rejects.toThrow("no spikes");
    await expect(fit({ runDirectory: directory, onStep: failsAtOnce })).rejects.toThrow("no spikes");
    expect(await contents()).toEqual([]);
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "mine.txt"), "");
    await expect(fit({ runDirectory: directory, onStep: failsAtOnce })).rejects.toThrow("no spikes");
    expect(await readdir(directory)).toEqual(["mine.txt"]);
  });

  it.each(["model.safetensors", "checkpoint-1.safetensors", "checkpoint-2.safetensors", "checkpoint.safetensors", "report.html"])("is refused with a %s and no run.json, and left alone", async (name) => {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, name), "weights");
    for (const resume of [false, true]) await expect(fit({ runDirectory: directory, resume })).rejects.toThrow(new RegExp(`run\\.json is missing, yet ${name} is there`));
    await expect(readRun(directory)).rejects.toThrow(FileFormatError);
    expect(await readdir(directory)).toEqual([name]);
  });

  it.each<[string, (manifest: Record<string, any>) => unknown, RegExp]>([
    ["of version 1", () => ({ format: "spikefold-run", version: 1, dataset: "mnist" }), /of version 1, this Spikefold reads version 2/],
    ["of another program", () => ({ format: "else" }), /its format is "else"/],
    ["of an unknown state", (manifest) => ({ ...manifest, state: "well" }), /its state is "well"/],
    ["that names a file elsewhere", (manifest) => ({ ...manifest, files: { model: { ...manifest.files.model, name: "../model.safetensors" } } }), /its file "model" lacks/],
    ["without the model", (manifest) => ({ ...manifest, files: {} }), /says finished and lists no model/],
    ["that is a list", () => [], /no JSON object/],
  ])("is refused with a run.json %s", async (_, spoil, message) => {
    await fit({ runDirectory: directory });
    const file = join(directory, "run.json");
    await writeFile(file, JSON.stringify(spoil(JSON.parse(await readFile(file, "utf8")))));
    await expect(readRun(directory)).rejects.toThrow(message);
    await expect(fit({ runDirectory: directory, resume: true })).rejects.toThrow(message);
  });

  it("refuses a file with a flipped bit, a cut one and one that is gone, by name", async () => {
    await fit({ runDirectory: directory });
    const run = await readRun(directory);
    for (const name of ["model", "checkpoint", "metrics"] as const) {
      const file = run.file(name);
      const bytes = await readFile(file);
      const flipped = Buffer.from(bytes);
      flipped[flipped.length >> 1] ^= 4;
      for (const [spoilt, message] of [[flipped, /is damaged/], [bytes.subarray(0, -5), /bytes, run\.json says/]] as const) {
        await writeFile(file, spoilt);
        await expect(run.read(name)).rejects.toThrow(message);
        await expect(run.read(name)).rejects.toThrow(file);
        expect(await readFile(file), "it is left alone").toEqual(spoilt);
      }
      await rm(file);
      await expect(run.read(name)).rejects.toThrow(`${file} is missing`);
    }
    await expect(fit({ runDirectory: directory, resume: true, epochs: 2 })).rejects.toThrow(/checkpoint-.\.safetensors is missing/);
  });

  it("does not train again what is finished, and keeps what was written beside it", async () => {
    const whole = await fit({ runDirectory: directory });
    const opened = await RunDirectory.open(directory);
    await opened.write("report", "a report");
    await opened.close();
    const again = await fit({ runDirectory: directory, resume: true, onStep: () => { throw new Error("trained"); } });
    expect(again.steps).toEqual(whole.steps);
    expect(new TextDecoder().decode(await (await readRun(directory)).read("report"))).toBe("a report");
    await expect(fit({ runDirectory: directory })).rejects.toThrow(/holds a run already/);
  });

  it("keeps notes for its readers, and tells them who is at work", async () => {
    const opened = await RunDirectory.open(directory, { notes: { hidden: [8] } });
    await fit({ runDirectory: opened, epochs: 2 }, 2);
    const run = await readRun(directory);
    expect(run).toMatchObject({ state: "training", notes: { hidden: [8] }, inUse: expect.stringContaining(`process ${process.pid} trains there since 20`) });
    // While it reads, the training goes on.
    await fit({ runDirectory: opened, resume: true, epochs: 2 });
    expect(await run.read("checkpoint")).toBeDefined();
    await opened.close();
    expect(await readRun(directory)).toMatchObject({ state: "finished", notes: { hidden: [8] }, inUse: undefined });
  });

  it("is made anew where it must be, whatever is there", async () => {
    await mkdir(directory, { recursive: true });
    await writeFile(join(directory, "run.json"), '{"format":"spikefold-run","version":1}');
    await expect(RunDirectory.open(directory, { fresh: true })).rejects.toThrow(/EEXIST/);
    const opened = await RunDirectory.open(join(root, "b", "c"), { fresh: true });
    await opened.close();
    expect(await readdir(root)).toEqual(["a"]);
  });

  it("is not a file", async () => {
    await writeFile(join(root, "a"), "");
    await expect(fit({ runDirectory: join(root, "a") })).rejects.toThrow(/is a file: a run needs a directory/);
    await expect(fit({ runDirectory: directory })).rejects.toThrow(/ENOTDIR/);
  });
});

describe("the lock", () => {
  const lock = (holder: object) => writeFile(join(directory, ".run-0123abcd.lock"), JSON.stringify({ host: hostname(), since: "2026-01-01T00:00:00.000Z", ...holder }));
  beforeEach(() => mkdir(directory, { recursive: true }));

  it("lets one of several that begin at once train, and refuses the others", async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 4 }, () => RunDirectory.open(directory)));
    const winners = outcomes.flatMap((outcome) => (outcome.status === "fulfilled" ? [outcome.value] : []));
    expect(winners).toHaveLength(1);
    for (const outcome of outcomes) if (outcome.status === "rejected") expect(String(outcome.reason)).toMatch(/OptionError.*is in use: process \d+ trains there/);
    expect((await readdir(directory)).filter(isLock)).toHaveLength(1);
    await winners[0].close();
    expect(await readdir(root), "an empty directory that was there stays").toEqual(["a"]);
  });

  it("of a live process is respected, of a dead one taken over", async () => {
    const sleeper = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"]);
    await lock({ pid: sleeper.pid, start: await startOf(sleeper.pid!) });
    await expect(fit({ runDirectory: directory })).rejects.toThrow(`is in use: process ${sleeper.pid} trains there since 2026-01-01`);
    sleeper.kill("SIGKILL");
    await new Promise((resolve) => sleeper.on("exit", resolve));
    await fit({ runDirectory: directory });
    expect((await readdir(directory)).filter(isLock)).toEqual([]);
  });

  it.skipIf(process.platform !== "linux")("of a process whose number another one has now is taken over", async () => {
    await lock({ pid: process.ppid, start: "another boot 17" });
    await fit({ runDirectory: directory });
  });

  it.each<[string, object, RegExp]>([
    ["of another machine", { host: "elsewhere", pid: 1 }, /process 1 of the machine elsewhere trains there since .* remove .*\.run-0123abcd\.lock/],
    ["that does not say whose it is", { pid: "x" }, /does not say of which process.* remove it/],
  ])("%s is respected, with what to do", async (_, holder, message) => {
    await lock(holder);
    await expect(fit({ runDirectory: directory })).rejects.toThrow(message);
    expect((await readdir(directory)).filter(isLock)).toEqual([".run-0123abcd.lock"]);
  });

  it("of a process that ends in the middle goes with it", () => {
    const script = `import { RunDirectory } from ${JSON.stringify(new URL("../../dist/train/runDirectory.js", import.meta.url))}; await RunDirectory.open(process.argv[1]); process.exit(3);`;
    const path = join(root, "b", "c");
    expect(spawnSync(process.execPath, ["--input-type=module", "-e", script, path]).status).toBe(3);
    expect(spawnSync("ls", ["-A", root], { encoding: "utf8" }).stdout).toBe("a\n");
  });
});
