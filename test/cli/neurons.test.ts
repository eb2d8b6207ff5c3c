import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { neurons } from "../../src/neuron/index.ts";
import { sample } from "../sample.ts";
import { workplace, type Workplace } from "./workplace.ts";

let place: Workplace;
beforeAll(async () => {
  place = await workplace();
});
afterAll(() => place.remove());

const train = (...more: string[]) => place.spikefold(["train", "mnist", ...place.small, "--hidden", "16", "--steps", "4", ...more]);

describe("spikefold train with a built-in neuron", () => {
  it.each(sample(Object.keys(neurons), 3))("trains %s, reports on it and evaluates it again", async (name) => {
    const { code, stderr } = await train("--neuron", name, "--out", name);
    expect([code, stderr]).toEqual([0, expect.not.stringContaining("Error")]);
    expect(await readFile(join(place.directory, name, "report.html"), "utf8")).toContain(`spiking(${name})`);
    const evaluated = await place.spikefold(["evaluate", name, "--json"]);
    expect(JSON.parse(evaluated.stdout).firingRates).toHaveLength(2);
  });

  it("takes the options that a neuron has, and a surrogate without a number", async () => {
    const { code, stderr } = await train("--neuron", "quadraticIf", "--tau", "3", "--threshold", "0.8", "--surrogate", "straightThrough", "--out", "options");
    expect([code, stderr]).toEqual([0, expect.any(String)]);
    expect(JSON.parse(await readFile(join(place.directory, "options", "run.json"), "utf8"))).toMatchObject({ notes: { neuron: { name: "quadraticIf", tau: 3, threshold: 0.8, surrogate: "straightThrough" } } });
  });

  it.each([
    [["--neuron", "leakyIntegrator", "--threshold", "1"], /--threshold: leakyIntegrator has none; it has none/],
    [["--neuron", "integerLif", "--surrogate", "atan"], /--surrogate: integerLif has none; it has tau, threshold/],
    [["--surrogate", "straightThrough:1"], /--surrogate is "straightThrough:1": straightThrough has no number/],
  ])("refuses %j", async (options, message) => {
    const { code, stderr } = await train(...options);
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  });
});
