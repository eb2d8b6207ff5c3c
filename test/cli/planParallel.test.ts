import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { drawCurves } from "../../src/cli/curves.ts";
import { planParallelCommand } from "../../src/cli/commands/planParallel.ts";
import { planParallel } from "../../src/parallel/plan.ts";
import { isBuilt, needsBuild } from "../built.ts";
import { spikefold } from "./spikefold.ts";

const small = ["--neuron", "lif", "--neurons", "64", "--steps", "16", "--batch", "4", "--repetitions", "1"];
let directory: string;
beforeAll(async () => void (directory = await mkdtemp(join(tmpdir(), "spikefold-plan-"))));
afterAll(() => rm(directory, { recursive: true, force: true }));

describe("plan-parallel", () => {
  it.skipIf(!isBuilt)(needsBuild("says what is best, why, and what is assumed"), async () => {
    const { code, stdout } = await spikefold(["plan-parallel", ...small, "--gpus", "1,2,4", "--latency", "5"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^one layer of 64 lif, T = 16, batch 4: [\d.]+ ms forward and backward on one device, 1 layer of neurons\n/);
    expect(stdout).toMatch(/\n +4( +[\d.]+ \([\d.]+×\)){4}\n/);
    expect(stdout).toMatch(/√\(T_s\/T_c\) = √\([\d.]+ ms \/ 0\.0[\d]+ ms\) = [\d.]+ chunks/);
    expect(stdout).toMatch(/\nBest: (one GPU|\d GPUs), [\d.]+ ms\. /);
    expect(stdout).toContain("Links: 5 µs and 20 GB/s between GPUs of a host");
    expect(stdout).toContain("Assumed, not measured: --gpus-per-host, --bandwidth, --network-latency, --network-bandwidth.");
  });

  it.skipIf(!isBuilt)(needsBuild("prints one object, and draws the curves"), async () => {
    const picture = join(directory, "curves.svg");
    const { code, stdout } = await spikefold(["plan-parallel", ...small, "--json", "--out", picture]);
    expect(code).toBe(0);
    const { workload, cluster, predictions, best, bestChunks } = JSON.parse(stdout);
    expect(workload).toMatchObject({ steps: 16, batch: 4, stages: [{ neurons: 64, stateBytes: 4 * 4 * 64, outputBytes: 4 * 16 * 4 * 64, parameterBytes: 0 }] });
    expect(planParallel(workload, { cluster })).toMatchObject({ predictions, best, bestChunks });
    const svg = await readFile(picture, "utf8");
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www.w3.org\/2000\/svg"[\s\S]*<\/svg>\n$/);
    for (const text of ["milliseconds a step", "chunks of time", "neurons split", "Links: 10 µs", ">64<"]) expect(svg).toContain(text);
  });

  it.skipIf(!isBuilt)(needsBuild("times a model, and draws a page with the figures"), async () => {
    const page = join(directory, "curves.html");
    const { code, stdout } = await spikefold(["plan-parallel", "mlp", "--batch", "2", "--repetitions", "1", "--out", page]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^mlp, T = 8, batch 2: .* 3 layers of neurons\n/);
    expect(await readFile(page, "utf8")).toMatch(/<svg[\s\S]*<\/svg>[\s\S]*<td>1024<\/td><td>neurons split|<td>512<\/td><td>neurons split/);
  });

  it.skipIf(!isBuilt)(needsBuild("measures the link of two processes, but for what is given"), async () => {
    const { code, stdout, stderr } = await spikefold(["launch", "--processes", "2", "--", "plan-parallel", ...small, "--bandwidth", "7", "--device", "cpu", "--json"]);
    expect(stderr).toContain("measuring the link between ranks 0 and 1 of 2\n");
    expect(code).toBe(0);
    const { cluster: { link, network }, measured, assumed } = JSON.parse(stdout);
    expect(link.latency).toBeGreaterThan(1e-6);
    expect(link.latency).toBeLessThan(0.5);
    expect(link.bandwidth).toBe(7e9);
    expect(network).toEqual({ latency: 2e-5, bandwidth: 1e10 });
    expect(measured).toEqual(["latency"]);
    expect(assumed).toEqual(["gpus-per-host", "network-latency", "network-bandwidth"]);
  });

  it.each<[string, string[], RegExp]>([
    ["a model", ["mpl"], /the model is "mpl": did you mean mlp\?/],
    ["a model and a neuron", ["mlp", "--neuron", "lif"], /mlp and --neuron exclude each other/],
    ["a neuron", ["--neuron", "leeky"], /unknown neuron "leeky": did you mean leaky\?/],
    ["a picture of another kind", ["--out", "curves.png"], /--out is "curves.png": expected a name that ends in \.svg or \.html/],
    ["a bandwidth of nothing", ["--bandwidth", "0"], /--bandwidth is "0": expected a number > 0/],
    ["no GPU", ["--gpus", "0,2"], /--gpus is "0,2": expected integers/],
  ])("refuses %s before anything is timed", (_, args, message) => expect(planParallelCommand.run(args)).rejects.toThrow(expect.objectContaining({ name: "UsageError", message: expect.stringMatching(message) })));

  it.skipIf(!isBuilt)(needsBuild("prints what it found though the picture cannot be written"), async () => {
    const { code, stdout, stderr } = await spikefold(["plan-parallel", ...small, "--out", join(directory, "missing", "curves.svg")]);
    expect(code).toBe(1);
    expect(stderr).toContain("curves.svg cannot be written");
    expect(stdout).toContain("Best: ");
  });
});

describe("the curves", () => {
  const stage = { name: "lif", forward: 1, backward: 1, neurons: 4, stateBytes: 4, parameterBytes: 0, outputBytes: 4 };

  it("have a point for each prediction, within the plot", () => {
    const { predictions, bestChunks } = planParallel({ steps: 8, batch: 8, stages: [stage] }, { cluster: { gpusPerHost: 8, link: { latency: 1e-3, bandwidth: 1e9 } } });
    const svg = drawCurves({ title: "a <title>", predictions, bestChunks, assumptions: ["one"] });
    expect(svg).toContain("a &lt;title&gt;");
    const points = [...svg.matchAll(/M([\d.]+) ([\d.]+)h0/g)].map(([, x, y]) => [Number(x), Number(y)]);
    // The single GPU begins each of the four curves.
    expect(points).toHaveLength(predictions.length - 1 + 4);
    for (const [x, y] of points) expect(x >= 76 && x <= 636 && y >= 58 && y <= 418, `${x}, ${y}`).toBe(true);
  });
});
