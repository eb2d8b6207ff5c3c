import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { occasionally } from "../sample.ts";
import { type Workplace, workplace } from "./workplace.ts";

let place: Workplace;
let directory: string;
let spikefold: Workplace["spikefold"];
beforeAll(async () => {
  place = await workplace();
  ({ directory, spikefold } = place);
});
afterAll(() => place.remove());

const small = () => place.small;

describe("spikefold train and evaluate", () => {
  it("trains, prints one JSON object, and leaves what evaluate needs", async () => {
    const { code, stdout, stderr } = await spikefold(["train", "fashion-mnist", ...small(), "--json"]);
    expect(stderr).toMatch(/^device cpu: .*chosen by auto/);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(stdout.trimEnd().split("\n")).toHaveLength(1);
    expect(result).toMatchObject({ dataset: "fashion-mnist", model: "mlp", device: "cpu", epochs: 1, batch: 32, runDirectory: join("runs", "fashion-mnist-mlp-1") });
    expect(result.stepTime).toMatchObject({ fusedMs: expect.any(Number), stepwiseMs: expect.any(Number), speedup: expect.any(Number) });
    const run = join(directory, result.runDirectory);
    expect((await readdir(run)).toSorted()).toEqual([expect.stringMatching(/^checkpoint-[12]\.safetensors$/), "metrics.json", "model.safetensors", "report.html", "report.json", "run.json"]);
    expect(await readFile(join(run, "report.html"), "utf8")).toContain("Trouser");
    expect(JSON.parse(await readFile(join(run, "metrics.json"), "utf8")).steps).toHaveLength(3);

    const evaluated = JSON.parse((await spikefold(["evaluate", result.runDirectory, "--json"])).stdout);
    expect(evaluated).toMatchObject({ accuracy: result.testAccuracy, loss: result.testLoss, samples: 40, finished: true });
    expect(evaluated.firingRates).toHaveLength(3);
    const again = await spikefold(["train", "fashion-mnist", ...small(), "--json"]);
    expect(JSON.parse(again.stdout)).toMatchObject({ testLoss: result.testLoss, runDirectory: join("runs", "fashion-mnist-mlp-2") });
  });

  occasionally("trains a spiking ResNet, whose logits are no rates", async () => {
    const { code, stdout } = await spikefold(["train", "mnist", ...small(), "--model", "sew-resnet18", "--steps", "2", "--limit", "32", "--json"]);
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ model: "sew-resnet18", steps: 2, neuron: { name: "lif", tau: 2, detachReset: true } });
    expect(result.trainLoss).toBeGreaterThan(0.5);
    expect(result.trainLoss).toBeLessThan(6);
    const evaluated = JSON.parse((await spikefold(["evaluate", result.runDirectory, "--json"])).stdout);
    expect(evaluated).toMatchObject({ accuracy: result.testAccuracy, loss: result.testLoss, samples: 32 });
  }, 120_000);

  it("says what memory it takes, and before anything runs that there is too little, with the batch that there is room for", async () => {
    const memory = /memory: ([\d.]+) MB of 4\.29 GB in training, [\d.]+ MB in evaluation; most takes layer 1: linear\(784, 512\): [\d.]+ MB/;
    const { stderr } = await spikefold(["train", "mnist", ...small(), "--out", "remembered"]);
    expect(stderr).toMatch(memory);
    const refused = await spikefold(["train", "mnist", ...small(), "--steps", "40000", "--out", "refused"]);
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect(refused.stderr).toMatch(/a training step with 32 samples takes [\d.]+ GB of memory, and the device cpu has 4\.29 GB; --batch \d+ is the largest that fits, --recompute and fewer time steps take less/);
    expect(await readdir(directory)).not.toContain("refused");
  });

  it.each([["their share of each batch", []], ["chunks of time", ["--parallel", "time", "--micro-batches", "2"]]])("trains as two processes that have %s, and one process reports on it", async (name, options) => {
    const out = name.replaceAll(" ", "-");
    const { code, stdout, stderr } = await spikefold(["launch", "--processes", "2", "--", "train", "fashion-mnist", ...small(), ...options, "--out", out, "--json"]);
    expect(stderr).toMatch(/^2 processes, /m);
    expect(stderr).not.toContain("[rank 1]");
    expect(code).toBe(0);
    const result = JSON.parse(stdout);
    expect(result).toMatchObject({ batch: 32, runDirectory: out, stepTime: options.length > 0 ? null : { batch: 16 } });
    const alone = JSON.parse((await spikefold(["train", "fashion-mnist", ...small(), "--out", `${out}-alone`, "--json"])).stdout);
    expect(result.testLoss).toBeCloseTo(alone.testLoss, 4);
    const evaluated = JSON.parse((await spikefold(["evaluate", out, "--json"])).stdout);
    expect(evaluated).toMatchObject({ samples: 40, finished: true });
    expect(evaluated.loss).toBeCloseTo(result.testLoss, 5);
    expect(JSON.parse((await spikefold(["train", "--resume", out, "--json"])).stdout)).toMatchObject({ testLoss: result.testLoss, stepTime: { batch: 32 } });
  }, 60_000);

  it("recomputes activations in less memory, to the same weights, and resumes with either", async () => {
    const args = ["train", "mnist", ...small(), "--hidden", "64,64,64,64", "--steps", "32", "--epochs", "2"];
    const megabytes = (stderr: string): number => Number(/memory: ([\d.]+) MB/.exec(stderr)![1]);
    const plain = await spikefold([...args, "--out", "kept"]);
    const recomputed = await spikefold([...args, "--recompute", "--out", "recomputed"], (text, kill) => text.includes("epoch 1:") && !text.includes("stopping") && kill("SIGINT"));
    expect(megabytes(recomputed.stderr)).toBeLessThan(megabytes(plain.stderr));
    expect((await spikefold(["train", "--resume", "recomputed"])).code).toBe(0);
    const weights = (run: string) => readFile(join(directory, run, "model.safetensors"));
    expect((await weights("recomputed")).equals(await weights("kept"))).toBe(true);
  });

  it("stops at Ctrl-C with a checkpoint, and goes on to the same weights", async () => {
    const args = ["train", "mnist", ...small(), "--epochs", "3", "--checkpoint", "1000"];
    const whole = await spikefold([...args, "--out", "whole"]);
    expect(whole.code).toBe(0);
    const stopped = await spikefold([...args, "--out", "stopped"], (text, kill) => text.includes("epoch 1:") && !text.includes("stopping") && kill("SIGINT"));
    expect(stopped.code).toBe(130);
    expect(stopped.stderr).toContain("--resume stopped");
    const half = await spikefold(["evaluate", "stopped"]);
    expect(half.stderr).toContain("not finished");
    const resumed = await spikefold(["train", "--resume", "stopped"]);
    expect(resumed.code).toBe(0);
    const weights = (run: string) => readFile(join(directory, run, "model.safetensors"));
    expect((await weights("stopped")).equals(await weights("whole"))).toBe(true);
  });

  it.each<[string, () => string[], number, RegExp]>([
    ["no data set", () => ["train"], 2, /name a data set/],
    ["an unknown data set", () => ["train", "imagenet"], 2, /"imagenet": expected mnist or fashion-mnist or row-mnist/],
    ["an unknown option", () => ["train", "mnist", "--speed", "9"], 2, /--speed/],
    ["a value that is no number", () => ["train", "mnist", "--epochs", "many"], 2, /--epochs is "many": expected an integer ≥ 1/],
    ["a learning rate of 0", () => ["train", "mnist", "--lr", "0"], 2, /expected a number > 0/],
    ["an unknown model", () => ["train", "mnist", "--model", "rnn"], 2, /mlp or conv/],
    ["an unknown device", () => ["train", "mnist", ...small(), "--device", "abacus", "--out", "x"], 1, /"abacus" is no device/],
    ["a directory without data", () => ["train", "mnist", "--data", directory, "--out", "y"], 1, /train-(images|labels)/],
    ["a run that is not there", () => ["evaluate", "nowhere"], 1, /run\.json is missing/],
    ["a resumed run that began otherwise", () => ["train", "--resume", join("runs", "fashion-mnist-mlp-1"), "--lr", "1"], 2, /lr is 1, but the run .* began with 0\.00/],
    ["a directory that holds a run", () => ["train", "mnist", ...small(), "--out", join("runs", "fashion-mnist-mlp-1")], 2, /holds a run already/],
  ])("answers %s with one clear line", async (_, args, code, message) => {
    const before = await readdir(directory, { recursive: true });
    const ended = await spikefold(args());
    expect(ended.code).toBe(code);
    expect(ended.stdout).toBe("");
    expect(await readdir(directory, { recursive: true }), "nothing is left behind").toEqual(before);
    const lines = ended.stderr.trimEnd().split("\n").filter((line) => !line.startsWith("device "));
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(message);
  });
});
