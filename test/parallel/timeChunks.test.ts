import { describe, expect, it } from "vitest";
import { relativeError } from "../nn/helpers.ts";
import { bundled, runRanks } from "./processes.ts";

const script = bundled("timeChunks");

interface Trained {
  rank: number;
  losses: number[];
  penalties: (number | null)[];
  accuracies: number[];
  weights: Record<string, number[]>;
  left: number;
  evaluated?: { loss: number; accuracy: number };
}

async function trained(size: number, name: string, steps: number, microBatches: number, updates: number): Promise<Trained[]> {
  const ended = await runRanks(script, size, [name, steps, microBatches, updates].map(String));
  expect(ended.map(({ code, stderr }) => [code, stderr])).toEqual(Array.from({ length: size }, () => [0, ""]));
  return ended.map(({ stdout }) => JSON.parse(stdout) as Trained);
}

/** Trains alone and on several processes. */
async function compare(name: string, steps: number, ranks: readonly [size: number, microBatches: number][], { updates = 1, tolerance = 1e-5, lossTolerance = 2e-6 } = {}): Promise<void> {
  const [alone] = await trained(1, name, steps, 1, updates);
  expect(alone.losses.length).toBe(updates);
  for (const [size, microBatches] of ranks) {
    const together = await trained(size, name, steps, microBatches, updates);
    const where = `${name}, T = ${steps}, ${size} ranks, ${microBatches} micro-batches`;
    for (const { rank, ...result } of together) {
      expect(result, where).toEqual({ ...together[0], rank: undefined });
      expect(relativeError(result.losses, alone.losses), `${where}: losses`).toBeLessThan(lossTolerance);
      expect(result.accuracies, where).toEqual(alone.accuracies);
      if (alone.penalties[0] !== undefined) expect(relativeError(result.penalties as number[], alone.penalties as number[]), `${where}: penalties`).toBeLessThan(lossTolerance);
      expect(result.left, "bytes that an update leaves").toBe(0);
      expect(result.evaluated?.accuracy, where).toBe(alone.evaluated?.accuracy);
      for (const [parameter, values] of Object.entries(alone.weights)) expect(relativeError(result.weights[parameter], values), `${where}: ${parameter}`).toBeLessThan(tolerance);
    }
  }
}

describe("several processes, each with a chunk of time", () => {
  it.each(["lifHard", "lifSoft", "adaptiveLif", "synaptic", "recurrent", "parametric"])("%s: the loss and gradients of one device", async (name) => {
    await compare(name, 7, [[2, 1], [3, 2]]);
    await compare(name, 64, [[4, 3]]);
    await compare(name, 100, [[3, 2]]);
  });

  it.each(["everyStep", "firstSpikes", "sequences", "sequencesOfSteps"])("%s: the loss and gradients of one device", async (name) => {
    await compare(name, 20, [[2, 2], [3, 1]], { updates: 2 });
  });

  it("batch norm and regularisers see all of time", async () => {
    await compare("batchNorm", 20, [[3, 1]]);
    await compare("regularized", 20, [[3, 1]], { updates: 2 });
  });

  it("50 updates of MNIST end with the losses and weights of one device", async () => {
    await compare("mnist", 16, [[2, 2], [4, 2]], { updates: 50, tolerance: 1e-3, lossTolerance: 1e-4 });
  });
});
