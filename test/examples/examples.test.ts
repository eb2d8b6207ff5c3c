import { readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { isBuilt, needsBuild, root, runScript } from "../built.ts";
import { sample } from "../sample.ts";

/** The numbers in what matches, one match after the other. */
const numbers = (output: string, pattern: RegExp): number[] => [...output.matchAll(pattern)].map(([, value]) => Number(value));
const losses = (output: string): number[] => numbers(output, /loss ([\d.]+)/g);
const accuracies = (output: string): number[] => numbers(output, /test accuracy:? ([\d.]+) %/g);

function expectLearning(output: string, epochs: number, accuracy: number): void {
  const found = losses(output);
  expect(found).toHaveLength(epochs);
  expect(found.at(-1)).toBeLessThan(0.6 * found[0]);
  expect(accuracies(output).at(-1)).toBeGreaterThan(accuracy);
}

const checks: Record<string, (output: string) => void> = {
  "custom-neuron.mjs"(output) {
    const intervals = output.match(/intervals: ([\d ]+)/)![1].split(" ").map(Number);
    const mean = (values: number[]): number => values.reduce((a, b) => a + b) / values.length;
    expect(mean(intervals.slice(-5))).toBeGreaterThan(1.5 * mean(intervals.slice(0, 5)));
    expect(numbers(output, /d spikes \/ d input at the onset: (-?[\d.]+)/g)[0]).toBeGreaterThan(0);
    // A stronger or slower adaptation costs spikes, a slower leak gives some.
    const [decay, rho, beta] = ["decay", "rho", "beta"].map((name) => numbers(output, new RegExp(`d spikes / d ${name}: (-?[\\d.]+)`, "g"))[0]);
    expect(decay).toBeGreaterThan(0);
    expect(rho).toBeLessThan(0);
    expect(beta).toBeLessThan(0);
    const [fused, stepwise] = numbers(output, /([\d.]+) ms (?:fused|step by step)/g);
    expect(fused).toBeLessThan(stepwise);
    expect(output).toContain("spikes that differ: 0 of");
  },
  "free-form.mjs": (output) => expectLearning(output, 3, 85),
  "fused-jax.mjs": (output) => expectLearning(output, 3, 80),
  "jax-network.mjs": (output) => expectLearning(output, 3, 80),
  "sequential-mnist.mjs": (output) => expectLearning(output, 3, 80),
  "train-custom.mjs"(output) {
    expectLearning(output, 3, 87);
    const [low, high] = output.match(/1\.threshold: 256 values from ([\d.]+) to ([\d.]+)/)!.slice(1).map(Number);
    expect(low).toBeLessThan(high);
  },
};

it("every example has a check", () => {
  expect(readdirSync(join(root, "examples")).filter((name) => name.endsWith(".mjs")).toSorted()).toEqual(Object.keys(checks).toSorted());
});

it.skipIf(!isBuilt).each(sample(Object.entries(checks), 2))(needsBuild("%s"), async (name, check) => check(await runScript(join(root, "examples", name))));
