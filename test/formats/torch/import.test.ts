import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { encodeTorch, importTorch } from "../../../src/index.ts";
import { openTestDevice } from "../../nn/helpers.ts";
import { buildModel } from "../../nn/helpers.ts";
import { evaluate, shapeHere, smallCases, type StateDictCase } from "../../peers/stateDicts.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const modelOf = (given: StateDictCase) => buildModel(given.build(), device, shapeHere(given), given.steps);
const named = smallCases.map((each) => [each.name, each] as const);

describe("a state dict of a peer's", () => {
  it.each(named)("makes a network that spikes as there: %s", async (_, given) => {
    using model = modelOf(given);
    const { missing, unexpected } = await importTorch(model, given.file, { from: given.library, names: given.names });
    expect([missing, unexpected]).toEqual([[], []]);
    const { spikes, outputs } = await evaluate(model, given);
    expect(spikes).toEqual(given.spikes);
    expect(outputs).toEqual(given.outputs);
  });
});
