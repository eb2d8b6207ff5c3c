import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { exportTorch, importTorch } from "../../../src/index.ts";
import type { Model } from "../../../src/nn/index.ts";
import { buildModel, openTestDevice, relativeError } from "../../nn/helpers.ts";
import { evaluate, resnetCases, shapeHere, smallCases, type StateDictCase, type StateDictResult } from "../../peers/stateDicts.ts";
import { checkouts, missingModules, runPython } from "../../python.ts";

const missing = missingModules("torch", "numpy", "safetensors", "snntorch", "spikingjelly");
const title = `the peers themselves${missing.length > 0 ? ` (skipped: Python lacks ${missing.join(", ")})` : ""}`;
const cases = [...smallCases, ...resnetCases];
const formatOf = ({ file = "" }: StateDictCase): string => (file.endsWith(".npz") ? "npz" : "safetensors");

describe.skipIf(missing.length > 0)(title, () => {
  let device: Device;
  let directory: string;
  let saved: Record<string, StateDictResult>;
  const fileOf = (given: StateDictCase, who: string): string => join(directory, `${who}-${given.name}.${formatOf(given)}`);
  const modelOf = (given: StateDictCase): Model => buildModel(given.build(), device, shapeHere(given), given.steps);

  /** "save" and "run" of stateDicts.py, all cases in one process. */
  async function ask(command: "save" | "run"): Promise<Record<string, StateDictResult>> {
    const out = join(directory, `${command}.json`);
    await runPython([
      "test/peers/stateDicts.py", command, "--out", out, ...(checkouts === undefined ? [] : ["spikingjelly", "snntorch"].flatMap((name) => [`--${name}`, join(checkouts!, name)])),
      ...cases.flatMap((given) => ["--case", given.name, "--weights", fileOf(given, command === "save" ? "there" : "here")]),
    ]);
    return JSON.parse(readFileSync(out, "utf8")) as Record<string, StateDictResult>;
  }

  beforeAll(async () => {
    device = await openTestDevice();
    directory = await mkdtemp(join(tmpdir(), "spikefold-peers-"));
    saved = await ask("save");
  }, 300_000);
  afterAll(async () => {
    await device.dispose();
    await rm(directory, { recursive: true });
  });

  it.each(cases.map((each) => [each.name, each] as const))("give weights with which a network spikes as theirs, and whose values they take back: %s", async (_, given) => {
    using model = modelOf(given);
    await importTorch(model, fileOf(given, "there"), { from: given.library, names: given.names });
    const { spikes, outputs } = await evaluate(model, given);
    // The two branches of a block run in another order there.
    expect(spikes.toSorted()).toEqual(saved[given.name].spikes.toSorted());
    expect(relativeError(outputs, saved[given.name].outputs, 1)).toBeLessThan(1e-5);
    await exportTorch(model, fileOf(given, "here"), { to: given.library, names: given.names });
  }, 120_000);

  it("load what was exported, strictly, and spike the same", async () => {
    expect(await ask("run")).toEqual(saved);
  }, 300_000);
});
