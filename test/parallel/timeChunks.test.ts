import { describe, expect, it } from "vitest";
import { relativeError } from "../nn/helpers.ts";
import { bundled, cudaEnvironment, runRanks } from "./processes.ts";

const script = bundled("timeChunks");

interface Trained {
  losses: number[];
  penalties: (number | null)[];
  accuracies: number[];
  /** By parameter: after SGD with a rate of 1, gradients. */
  weights: Record<string, number[]>;
  /** Bytes that updates leave. */
  left: number;
  evaluated: { loss: number; accuracy: number };
}

interface Case {
  name: string;
  steps: number;
  microBatches?: number;
  updates?: number;
}

const written = ({ name, steps, microBatches = 1, updates = 1 }: Case, alone: boolean): string => [name, steps, alone ? 1 : microBatches, updates].join(" ");

/** What ranks say of each case, rank by rank. */
async function trained(size: number, cases: readonly Case[], env?: Record<string, string>): Promise<Trained[][]> {
  const ended = await runRanks(script, size, cases.map((each) => written(each, size === 1)), env);
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(Array.from({ length: size }, () => [0, ""]));
  const lines = ended.map(({ stdout }) => stdout.trimEnd().split("\n").map((line) => JSON.parse(line) as Trained));
  return cases.map((_, i) => lines.map((ofRank) => ofRank[i]));
}

/** Trains alone and on several processes. Losses and gradients differ by the order of sums over time and samples. */
async function compare(cases: readonly Case[], size: number, { tolerance = 1e-5, lossTolerance = 2e-6, env }: { tolerance?: number; lossTolerance?: number; env?: Record<string, string> } = {}): Promise<void> {
  const alone = await trained(1, cases, env);
  const together = await trained(size, cases, env);
  for (const [i, given] of cases.entries()) {
    const [[expected], [first, ...others]] = [alone[i], together[i]];
    const where = `${given.name}, T = ${given.steps}, ${given.microBatches ?? 1} micro-batches`;
    for (const other of others) expect(other, where).toEqual(first);
    expect(first.left, where).toBe(0);
    expect(first.losses.length, where).toBe(given.updates ?? 1);
    expect(relativeError(first.losses, expected.losses), `${where}: losses`).toBeLessThan(lossTolerance);
    expect(relativeError(first.penalties.map(Number), expected.penalties.map(Number)), `${where}: penalties`).toBeLessThan(lossTolerance);
    expect(first.accuracies, where).toEqual(expected.accuracies);
    expect(relativeError([first.evaluated.loss], [expected.evaluated.loss]), `${where}: evaluation`).toBeLessThan(1e-3);
    for (const [parameter, values] of Object.entries(expected.weights)) expect(relativeError(first.weights[parameter], values), `${where}: ${parameter}`).toBeLessThan(tolerance);
  }
}

const neurons = ["lifHard", "lifSoft", "adaptiveLif", "synaptic", "recurrent", "parametric"];

describe.each([2, 3, 4])("%i processes, each with a chunk of time", (size) => {
  it("come to the loss and the gradients of one device", async () => {
    await compare(neurons.flatMap((name): Case[] => [{ name, steps: 7, microBatches: 1 }, { name, steps: 64, microBatches: 3 }, { name, steps: 100, microBatches: 2 }]), size);
  }, 180_000);

  it("with losses of steps, sequences of several lengths, batch norm and regularisers", async () => {
    await compare([
      ...["everyStep", "firstSpikes", "sequences", "sequencesOfSteps"].map((name): Case => ({ name, steps: 20, microBatches: 2, updates: 2 })), { name: "batchNorm", steps: 20 }, { name: "regularized", steps: 20, updates: 2 },
    ], size);
  }, 180_000);
});

it.each([2, 4])("50 updates of MNIST on %i processes end with the losses and weights of one device", async (size) => {
  await compare([{ name: "mnist", steps: 16, microBatches: 2, updates: 50 }], size, { tolerance: 1e-3, lossTolerance: 1e-4 });
}, 180_000);

describe.skipIf(cudaEnvironment === null).each([2, 4])("%i processes with a cuda device each, on the stand-in, each with a chunk of time", (size) => {
  it("come to the loss and the gradients of one device", async () => {
    await compare([{ name: "lifHard", steps: 7, microBatches: 2 }, { name: "recurrent", steps: 16, microBatches: 3 }, { name: "parametric", steps: 16 }, { name: "batchNorm", steps: 8 }], size, { env: cudaEnvironment! });
  }, 180_000);

  it("come to the losses and weights of one device in 50 updates of MNIST", async () => {
    await compare([{ name: "mnist", steps: 8, microBatches: 2, updates: 50 }], size, { tolerance: 1e-3, lossTolerance: 1e-4, env: cudaEnvironment! });
  }, 180_000);
});
