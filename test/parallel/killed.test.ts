import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, it } from "vitest";
import { relativeError } from "../nn/helpers.ts";
import { sample } from "../sample.ts";
import { bundled, runRanks, start, startRanks } from "./processes.ts";
import type { TrainArguments, TrainResult } from "./scripts/train.ts";

const script = bundled("train");
const folder = mkdtempSync(join(tmpdir(), "spikefold-killed-"));
afterAll(() => rmSync(folder, { recursive: true }));

const options: TrainArguments = { network: "batchNorm", syncBatchNorm: true, batchSize: 32, updates: 20, epochs: 2, checkpointEvery: 5, pause: 20 };
const result = (stdout: string): TrainResult => JSON.parse(stdout.trim().split("\n").at(-1)!) as TrainResult;
const floats = (base64: string): Float32Array => new Float32Array(Uint8Array.from(Buffer.from(base64, "base64")).buffer);

let undisturbed: Promise<TrainResult> | undefined;
const whole = (): Promise<TrainResult> => (undisturbed ??= start(script, [JSON.stringify({ ...options, pause: 0 })], {}).ended.then(({ stdout }) => result(stdout)));

// One of them, or all ten where everything is asked for.
it.each(sample(Array.from({ length: 10 }, (_, i) => i), 1))("kill number %i: all other ranks end by themselves, name the rank and the checkpoint, and the run goes on to the undisturbed result", async (kill) => {
  const size = 2 + (kill % 3);
  const victim = (kill * 7) % size;
  const directory = join(folder, `run ${kill}`);
  const ranks = await startRanks(script, size, [JSON.stringify({ ...options, directory })]);
  // From the beginning, when the group is joined, to the end of the second epoch.
  await ranks[victim].says(kill === 9 ? "joined\n" : `update ${1 + ((kill * 13) % 38)}\n`);
  const killed = performance.now();
  ranks[victim].child.kill("SIGKILL");
  const ended = await Promise.all(ranks.map(async ({ ended }) => ({ ...(await ended), after: performance.now() - killed })));
  for (const [rank, { code, stderr, after }] of ended.entries()) {
    if (rank === victim) continue;
    expect(after).toBeLessThan(30_000);
    expect(code).toBe(1);
    expect(stderr).toContain(`rank ${victim}`);
    expect(stderr).toMatch(kill === 9 ? /ParallelError: .* is lost: / : /ParallelError: .* is lost: .*(There is no checkpoint yet|The last checkpoint, .*checkpoint.*, is after update \d+: )/);
  }
  const others = 1 + ((kill + 1) % 3);
  const resumed = others === 1 ? [await start(script, [JSON.stringify({ ...options, pause: 0, directory })], {}).ended] : await runRanks(script, others, [JSON.stringify({ ...options, pause: 0, directory })]);
  expect(resumed.map(({ code, stderr }) => [code, stderr])).toEqual(resumed.map(() => [0, ""]));
  const [found, expected] = [result(resumed[0].stdout), await whole()];
  expect(Math.max(...found.losses.map((loss, i) => Math.abs(loss - expected.losses[i])))).toBeLessThan(1e-4);
  for (const [name, values] of Object.entries(found.weights)) expect(relativeError(floats(values), floats(expected.weights[name]), 1e-2), name).toBeLessThan(1e-3);
}, 200_000);
