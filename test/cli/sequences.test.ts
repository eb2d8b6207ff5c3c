import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random, writeNmnist } from "../../src/data/index.ts";
import { workplace, type Workplace } from "./workplace.ts";

let place: Workplace;
beforeAll(async () => {
  place = await workplace();
  const random = new Random(3);
  for (const [split, count] of [["Train", 24], ["Test", 10]] as const)
    for (let i = 0; i < count; i++) {
      const digit = i % 10;
      await mkdir(join(place.directory, "events", split, String(digit)), { recursive: true });
      const length = 200;
      await writeFile(join(place.directory, "events", split, String(digit), `${String(i + 1).padStart(5, "0")}.bin`), writeNmnist({
        x: Uint16Array.from({ length }, () => 3 * digit + random.integer(4)), y: Uint16Array.from({ length }, () => random.integer(34)),
        t: Float64Array.from({ length }, () => random.integer(300_000)).sort(), p: Uint8Array.from({ length }, () => random.integer(2)), width: 34, height: 34,
      }));
    }
});
afterAll(() => place.remove());

const report = async (run: string): Promise<Record<string, never>> => JSON.parse(await readFile(join(place.directory, run, "report.json"), "utf8"));

describe("spikefold train on data over time", () => {
  it.each<[string, () => string[]]>([
    ["images by rows, with recurrent layers", () => ["row-mnist", ...place.small, "--hidden", "16", "--recurrent", "--neuron", "leaky"]],
    ["files of events, with a multi-layer network", () => ["nmnist", "--data", "events", "--batch", "8", "--epochs", "1", "--hidden", "16", "--threshold", "0.3"]],
    ["files of events, with convolutions", () => ["nmnist", "--data", "events", "--batch", "8", "--epochs", "1", "--steps", "3", "--model", "conv"]],
    ["random manifolds", () => ["randman", "--limit", "40", "--batch", "20", "--epochs", "1", "--hidden", "12,12", "--steps", "30"]],
  ])("%s: trains, reports, evaluates", async (name, args) => {
    const out = name.replaceAll(/\W+/g, "-");
    const { code, stdout, stderr } = await place.spikefold(["train", ...args(), "--out", out]);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("Error")]);
    expect(stdout).toMatch(/test accuracy/);
    const { samples, firingRates, operations, stepTime } = await report(out);
    expect(samples).toHaveLength(6);
    expect(firingRates).not.toHaveLength(0);
    expect(operations).not.toHaveLength(0);
    expect(stepTime).toBeUndefined();
    const evaluated = await place.spikefold(["evaluate", out, "--json"]);
    expect(evaluated.code).toBe(0);
    expect((await place.spikefold(["report", out, "--rebuild"])).code).toBe(0);
  });

  it("goes on with a run to the weights of an undisturbed one", async () => {
    const args = ["train", "row-mnist", ...place.small.slice(0, -1), "2", "--hidden", "8", "--recurrent", "--checkpoint", "1"];
    await place.spikefold([...args, "--out", "undisturbed"]);
    let stopped = false;
    await place.spikefold([...args, "--out", "stopped"], (text, kill) => {
      if (!stopped && text.includes("epoch 1")) {
        stopped = true;
        kill("SIGKILL");
      }
    });
    expect(stopped).toBe(true);
    expect((await place.spikefold(["train", "--resume", "stopped"])).code).toBe(0);
    const weights = async (run: string): Promise<Buffer> => readFile(join(place.directory, run, "model.safetensors"));
    expect(await weights("stopped")).toEqual(await weights("undisturbed"));
  });

  it.each<[string[], RegExp]>([
    [["nmnist"], /nmnist needs --data DIR/],
    [["nmnist", "--data", "nowhere"], /nowhere/],
    [["row-mnist", "--steps", "5"], /samples of row-mnist have 28 time steps/],
    [["randman", "--encoder", "poisson"], /--encoder is for images: randman is over time already/],
    [["mnist", "--model", "conv", "--recurrent"], /--recurrent is for --model mlp/],
    [["randman", "--model", "sew-resnet18", "--limit", "20"], /--model sew-resnet18 is for images/],
  ])("refuses %j", async (args, message) => {
    const { code, stderr } = await place.spikefold(["train", ...args, "--out", "refused"]);
    expect(stderr).toMatch(message);
    expect(code).not.toBe(0);
  });
});
