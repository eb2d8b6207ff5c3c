import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { relativeError } from "../nn/helpers.ts";
import { sample } from "../sample.ts";
import { bundled, cudaEnvironment, type Ended, runRanks, start } from "./processes.ts";
import type { TrainArguments, TrainResult } from "./scripts/train.ts";

const script = bundled("train");
const folder = mkdtempSync(join(tmpdir(), "spikefold-data-parallel-"));
afterAll(() => rmSync(folder, { recursive: true }));

function resultOf({ code, stdout, stderr }: Ended): TrainResult {
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as TrainResult;
}

type Environment = Record<string, string>;
const train = async (size: number, options: TrainArguments, env?: Environment): Promise<TrainResult[]> => (await runRanks(script, size, [JSON.stringify(options)], env)).map(resultOf);
const alone = async (options: TrainArguments, env: Environment = {}): Promise<TrainResult> => resultOf(await start(script, [JSON.stringify(options)], env).ended);
const floats = (base64: string): Float32Array => {
  const bytes = Uint8Array.from(Buffer.from(base64, "base64"));
  return new Float32Array(bytes.buffer);
};

/** The largest differences of losses, penalties and weights, the last relative to the largest of each tensor. */
function differences(a: TrainResult, b: TrainResult): { loss: number; weights: number } {
  const loss = Math.max(...a.losses.map((value, i) => Math.abs(value - b.losses[i])), ...a.penalties.map((value, i) => Math.abs(value - b.penalties[i])), Math.abs(a.test.loss - b.test.loss));
  const weights = Math.max(...Object.entries(a.weights).map(([name, values]) => relativeError(floats(values), floats(b.weights[name]), 1e-2)));
  return { loss, weights };
}

const cases: [string, TrainArguments][] = [
  ["an mlp, adam, shares that are not equal", { network: "mlp", batchSize: 33, updates: 50 }],
  ["momentum, clipping, buckets of one parameter and more", { network: "mlp", batchSize: 34, updates: 50, optimizer: "sgd", clipNorm: 0.5, bucketBytes: 3000 }],
  ["batch norm whose statistics are of all ranks", { network: "batchNorm", batchSize: 33, updates: 50, syncBatchNorm: true }],
  ["dropout, regularisers, random spikes and augmented images", { network: "dropout", batchSize: 30, updates: 20, regularize: true, poisson: true, augment: true }],
  ["a part that is computed again", { network: "recompute", batchSize: 30, updates: 20, syncBatchNorm: true, regularize: true }],
  ["batches smaller than there are ranks", { network: "batchNorm", batchSize: 3, updates: 20, syncBatchNorm: true, regularize: true }],
];

/** Trains on 2 and 4 processes as on one. */
async function compare(name: string, options: TrainArguments, env?: Environment): Promise<void> {
  const expected = await alone(options, env);
  expect(expected.losses).toHaveLength(options.updates);
  for (const size of [2, 4]) {
    const ranks = await train(size, options, env);
    for (const { losses, weights, test, bytesInUse, penalties } of ranks) {
      expect({ losses, weights, test, penalties }).toEqual({ losses: ranks[0].losses, weights: ranks[0].weights, test: ranks[0].test, penalties: ranks[0].penalties });
      expect(bytesInUse).toBe(0);
    }
    const { loss, weights } = differences(ranks[0], expected);
    if (process.env.SPIKEFOLD_SAY) console.log(name, size, { loss, weights });
    expect(loss).toBeLessThan(1e-4);
    expect(weights).toBeLessThan(1e-3);
    if (size === 2) expect(await train(size, options, env)).toEqual(ranks);
  }
}

describe.skipIf(cudaEnvironment === null)("data parallel on processes with a cuda device each, on the stand-in", () => {
  for (const [name, options] of sample(cases.slice(0, 3), 1))
    it(`${name}: losses and weights are those of one process with the whole batch, and the same bits each time`, () => compare(name, options, cudaEnvironment!), 300_000);
});

describe("data parallel on cpu processes", () => {
  for (const [name, options] of sample(cases, 2))
    it(`${name}: losses and weights are those of one process with the whole batch, and the same bits each time`, () => compare(name, options), 300_000);

  it("batch norm without synchronised statistics: rank 0's are those of all, whatever becomes of the run", async () => {
    const options: TrainArguments = { network: "batchNorm", batchSize: 20, updates: 12, checkpointEvery: 5, directory: join(folder, "statistics") };
    const ranks = await train(2, options);
    expect(ranks[1].weights).toEqual(ranks[0].weights);
    expect(ranks[1].test).toEqual(ranks[0].test);
    const stopped = { ...options, directory: join(folder, "statistics stopped"), stopAfter: 4 };
    expect((await train(2, stopped)).map(({ finished, losses }) => [finished, losses.length])).toEqual([[false, 5], [false, 5]]);
    expect((await train(2, { ...stopped, stopAfter: undefined }))[0]).toEqual(ranks[0]);
  }, 200_000);

  it("goes on with another number of processes, wherever one of them asked all to stop", async () => {
    const options: TrainArguments = { network: "mlp", batchSize: 32, updates: 20, epochs: 2, checkpointEvery: 7 };
    const expected = await alone(options);
    const directory = join(folder, "another number");
    const stopped = await train(4, { ...options, directory, stopAfter: 9, stopper: 3 });
    expect(stopped.map(({ finished, losses }) => [finished, losses.length])).toEqual(Array.from({ length: 4 }, () => [false, 10]));
    expect((await train(2, { ...options, directory, stopAfter: 24 }))[0].finished).toBe(false);
    const { loss, weights } = differences(await alone({ ...options, directory }), expected);
    expect(loss).toBeLessThan(1e-4);
    expect(weights).toBeLessThan(1e-3);
  }, 200_000);

  it.each<[Partial<TrainArguments>, string]>([
    [{ batchSize: 16 }, "dataset is"],
    [{ clipNorm: 3 }, "clipNorm is not set on ranks 0, 2, 3 on rank 1"],
    [{ network: "batchNorm" }, "network, line"],
    [{ bucketBytes: 64 }, "bucketBytes is 4194304 on ranks 0, 2, 64 on rank 1"],
  ])("refuses ranks that were not given the same: %o", async (odd, message) => {
    const ended = await runRanks(script, 3, [JSON.stringify({ network: "mlp", batchSize: 32, updates: 3, odd: { rank: 1, ...odd } })]);
    for (const { code, stderr } of ended) {
      expect(code).toBe(1);
      expect(stderr).toContain("ParallelError: fit: ");
      expect(stderr).toContain(message);
    }
  }, 60_000);

  it("tells all ranks why rank 0 cannot begin", async () => {
    const file = join(folder, "a file");
    writeFileSync(file, "");
    const ended = await runRanks(script, 2, [JSON.stringify({ network: "mlp", batchSize: 32, updates: 3, directory: join(file, "run") })]);
    expect(ended.map(({ code }) => code)).toEqual([1, 1]);
    expect(ended[1].stderr).toContain("ParallelError: rank 0: ");
  }, 60_000);
});
