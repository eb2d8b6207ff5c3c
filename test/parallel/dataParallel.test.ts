import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { relativeError } from "../nn/helpers.ts";
import { bundled, type Ended, runRanks, start } from "./processes.ts";
import type { TrainArguments, TrainResult } from "./scripts/train.ts";

const script = bundled("train");
const folder = mkdtempSync(join(tmpdir(), "spikefold-data-parallel-"));
afterAll(() => rmSync(folder, { recursive: true }));

function resultOf({ code, stdout, stderr }: Ended): TrainResult {
  expect(stderr).toBe("");
  expect(code).toBe(0);
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as TrainResult;
}

const train = async (size: number, options: TrainArguments): Promise<TrainResult[]> => (await runRanks(script, size, [JSON.stringify(options)])).map(resultOf);
const alone = async (options: TrainArguments): Promise<TrainResult> => resultOf(await start(script, [JSON.stringify(options)], {}).ended);
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

describe("data parallel on cpu processes", () => {
  for (const [name, options] of cases)
    it(`${name}: losses and weights are those of one process with the whole batch, and the same bits each time`, async () => {
      const expected = await alone(options);
      expect(expected.losses).toHaveLength(options.updates);
      for (const size of [2, 4]) {
        const ranks = await train(size, options);
        for (const { losses, weights, test, bytesInUse, penalties } of ranks) {
          expect({ losses, weights, test, penalties }).toEqual({ losses: ranks[0].losses, weights: ranks[0].weights, test: ranks[0].test, penalties: ranks[0].penalties });
          expect(bytesInUse).toBe(0);
        }
        const { loss, weights } = differences(ranks[0], expected);
        if (process.env.SPIKEFOLD_SAY) console.log(name, size, { loss, weights });
        expect(loss).toBeLessThan(1e-4);
        expect(weights).toBeLessThan(1e-3);
        if (size === 2) expect(await train(size, options)).toEqual(ranks);
      }
    }, 300_000);
});
