import { appendFile, readdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { trainCommand } from "../../src/cli/commands/train.ts";
import { parseArguments } from "../../src/cli/options.ts";
import { requestedRun, trainOptions } from "../../src/cli/trainSettings.ts";
import { type Workplace, workplace } from "./workplace.ts";

/** The run that `spikefold train …` asks for. */
const requested = (...args: string[]) => {
  const { values, positionals } = parseArguments(trainOptions, args, 1);
  return requestedRun(values, positionals[0]);
};
const settingsOf = async (...args: string[]) => (await requested("mnist", ...args)).settings;

describe("what train is asked for", () => {
  it("has the reference network where nothing is said", async () => {
    expect(await settingsOf()).toMatchObject({
      model: "mlp", encoder: "constant", optimizer: "adam", lr: 2e-3,
      neuron: { name: "lif", tau: 2, threshold: 1, reset: "soft", decayInput: false, detachReset: true, surrogate: "atan:2" },
    });
    expect(await settingsOf("--model", "conv")).toMatchObject({ neuron: { threshold: 1.5, decayInput: true } });
    expect(await settingsOf("--model", "spiking-resnet18")).toMatchObject({ steps: 4, batch: 100, neuron: { tau: 1.25, threshold: 0.3, reset: "hard", decayInput: false } });
  });

  it("has every option that is given", async () => {
    expect(await settingsOf("--hidden", "64, 32", "--optimizer", "sgd", "--momentum", "0.5", "--encoder", "latency", "--log", "csv,tensorboard")).toMatchObject({
      hidden: [64, 32], optimizer: "sgd", momentum: 0.5, lr: 0.03, encoder: "latency", log: ["csv", "tensorboard"],
    });
    expect((await settingsOf("--neuron", "parametricLif", "--tau", "3", "--threshold", "0.5", "--surrogate", "sigmoid")).neuron).toMatchObject({ name: "parametricLif", tau: 3, threshold: 0.5, surrogate: "sigmoid:4" });
    expect((await settingsOf("--neuron", "leaky", "--beta", "0.5", "--surrogate", "fastSigmoid:10")).neuron).toEqual({ name: "leaky", beta: 0.5, threshold: 1, surrogate: "fastSigmoid:10" });
  });

  it("builds the neuron that it names", async () => {
    const { neuron } = await requested("mnist", "--neuron", "leaky", "--beta", "0.5", "--threshold", "2");
    expect(neuron).toMatchObject({ name: "leaky", params: { beta: 0.5, threshold: 2 } });
    expect((await requested("mnist", "--neuron", "parametricLif", "--tau", "3")).neuron.params.w).toBeCloseTo(-Math.log(2), 6);
  });

  it.each<[string, string[], RegExp]>([
    ["a surrogate that there is not", ["--surrogate", "atn"], /--surrogate is "atn": did you mean atan\?/],
    ["a surrogate's value that is no number", ["--surrogate", "atan:wide"], /expected atan:ALPHA, a number > 0/],
    ["a surrogate's value of 0", ["--surrogate", "rectangular:0"], /expected rectangular:WIDTH, a number > 0/],
    ["two values of a surrogate", ["--surrogate", "atan:2:3"], /expected atan:ALPHA/],
    ["an option that the neuron does not have", ["--neuron", "leaky", "--tau", "3"], /--tau: leaky has none; it has beta, threshold, surrogate/],
    ["an option for a module's neuron", ["--neuron", "mine.mjs", "--tau", "3"], /--tau is for built-in neurons: write it in mine\.mjs/],
    ["a neuron that there is not", ["--neuron", "leeky"], /^unknown neuron "leeky": did you mean leaky\? expected .*, or a module of yours/],
    ["hidden layers of a ResNet", ["--model", "sew-resnet34", "--hidden", "10"], /--hidden is for --model mlp/],
    ["a model that there is not", ["--model", "sew-resnet101"], /did you mean sew-resnet18\? expected mlp or conv or spiking-resnet18/],
    ["hidden layers of the conv net", ["--model", "conv", "--hidden", "10"], /--hidden is for --model mlp/],
    ["a hidden layer of 0", ["--hidden", "10,0"], /--hidden is "10,0": expected integers with commas between them, each ≥ 1/],
    ["a hidden layer left out", ["--hidden", "512,"], /--hidden is "512,": expected integers/],
    ["momentum of Adam", ["--momentum", "0.9"], /--momentum is for --optimizer sgd/],
    ["an optimiser that there is not", ["--optimizer", "adamm"], /did you mean adam\?/],
    ["an encoder that there is not", ["--encoder", "poison"], /did you mean poisson\?/],
    ["a log that there is not", ["--log", "csv,tensorbord"], /did you mean tensorboard\?/],
  ])("refuses %s", async (_, args, message) => {
    await expect((async () => requested("mnist", ...args))()).rejects.toThrow(expect.objectContaining({ name: "UsageError", message: expect.stringMatching(message) }));
  });

  it("speaks of --data where there is no data set", async () => {
    await expect(trainCommand.run(["fashion-mnist"])).rejects.toThrow(/Fashion-MNIST is not here.*pass --data DIR/);
    await expect(trainCommand.run(["mnist", "--data", "nowhere"])).rejects.toThrow(/nowhere has none of the files.*--data DIR/);
  });
});

describe("train with a neuron of one's own", () => {
  let place: Workplace;
  const at = (...names: string[]): string => join(place.directory, ...names);
  const source = (decay: number): string => `export default ({ defineNeuron, spike, surrogate }) => defineNeuron({
    name: "mine", state: { v: 0 }, params: { decay: ${decay} },
    step({ v }, { x }, { decay }) { const h = v.mul(decay).add(x); const s = spike(h.sub(0.3), surrogate.atan()); return { spike: s, v: h.sub(s.mul(0.3)) }; },
  });\n`;
  const rows = async (...file: string[]): Promise<string[]> => (await readFile(at(...file), "utf8")).trimEnd().split("\n");
  const options = () => ["--neuron", "mine.mjs", "--hidden", "24", "--encoder", "poisson", "--optimizer", "sgd", "--lr", "0.01", "--log", "csv,tensorboard", ...place.small, "--epochs", "6", "--checkpoint", "4"];

  beforeAll(async () => {
    place = await workplace();
    await writeFile(at("mine.mjs"), source(0.9));
    expect((await place.spikefold(["train", "mnist", ...options(), "--out", "whole"])).code).toBe(0);
    const interrupted = await place.spikefold(["train", "mnist", ...options(), "--out", "stopped"], (text, kill) => text.includes("epoch 1:") && !text.includes("stopping") && kill("SIGINT"));
    expect(interrupted.code).toBe(130);
    expect(interrupted.stderr).toMatch(/go on with: (node|npx|npm) .*train --resume stopped\n/);
  });
  afterAll(() => place.remove());

  it("refuses a module that has changed, on resume and in evaluation", async () => {
    await writeFile(at("mine.mjs"), source(0.8));
    for (const args of [["train", "--resume", "stopped"], ["evaluate", "stopped"], ["evaluate", "whole"]]) {
      const { code, stderr } = await place.spikefold(args);
      expect([code, stderr]).toEqual([1, expect.stringMatching(/mine\.mjs is not the neuron any more with which the run in (stopped|whole) began/)]);
    }
    await writeFile(at("mine.mjs"), `// Moved lines change nothing.\n${source(0.9)}`);
  });

  it("refuses other options on resume", async () => {
    for (const [args, message] of [[["--hidden", "25"], /hidden is 25, but .* began with 24/], [["--neuron", "lif"], /neuron is lif, but .* began with mine\.mjs/], [["--encoder", "constant"], /began with poisson/]] as const) {
      expect((await place.spikefold(["train", "--resume", "stopped", ...args])).stderr).toMatch(message);
    }
  });

  it("resumes to the same weights and logs, from another place of the module too", async () => {
    await rename(at("mine.mjs"), at("theirs.mjs"));
    await appendFile(at("stopped", "steps.csv"), "900,1,0,0,0,0\n");
    const resumed = await place.spikefold(["train", "--resume", "stopped", "--neuron", "theirs.mjs", "--hidden", "24"]);
    expect(resumed.code).toBe(0);
    expect(await readFile(at("stopped", "model.safetensors"))).toEqual(await readFile(at("whole", "model.safetensors")));
    expect(await rows("stopped", "steps.csv")).toEqual(await rows("whole", "steps.csv"));
    expect(await rows("whole", "steps.csv")).toHaveLength(1 + 6 * 3);
    const withoutTimes = (row: string): string => row.split(",").slice(0, 5).join();
    expect((await rows("stopped", "epochs.csv")).map(withoutTimes)).toEqual((await rows("whole", "epochs.csv")).map(withoutTimes));
    expect((await readdir(at("stopped", "tensorboard"))).length).toBe(2);
    const [stopped, whole] = await Promise.all(["stopped", "whole"].map(async (run) => JSON.parse((await place.spikefold(["evaluate", run, "--neuron", "theirs.mjs", "--json"])).stdout)));
    expect(stopped).toMatchObject({ finished: true, accuracy: whole.accuracy, loss: whole.loss });
    const { epochs } = JSON.parse(await readFile(at("whole", "metrics.json"), "utf8"));
    expect(whole.loss).toBe(epochs.at(-1).testLoss);
  });
});
