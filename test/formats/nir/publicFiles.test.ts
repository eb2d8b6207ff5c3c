import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import { importNir, membranes } from "../../../src/index.ts";
import { openTestDevice, relativeError, uniform } from "../../nn/helpers.ts";
import { channelsLast, run } from "./helpers.ts";
import { reference } from "./reference.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const at = (name: string): string => join(import.meta.dirname, "files", `${name}.nir`);
const STEPS = 60;

/** The second neuron of the last file cannot reach its threshold: its membrane tells. dt is what the networks were made with: of braille, w_in·dt/τ_syn and r·dt/τ_mem are 1; the neurons of the convolutional one have no leak and count spikes. */
const files: [name: string, dt: number, steps: number, largest: number][] = [
  ["braille_noDelay_bias_zero", 1e-4, STEPS, 3], ["cnn_sinabs", 1, 8, 2], ["lif_rockpool", 1e-4, STEPS, 2], ["two_lif_neurons", 1e-4, 2000, 2000],
];

describe.each(files)("the public file %s", (name, dt, steps, largest) => {
  it.each([["as NIR resets, hard", {}], ["with a soft reset", { reset: "soft" as const }]])("gives the spikes and membranes of the format's equations in float64, %s", async (_, options) => {
    const expected = await reference(at(name), { dt, ...options });
    const { inputShape } = expected;
    const size = inputShape.reduce((a, b) => a * b, 1);
    const input = uniform(steps * size, 3, 0, largest);
    const { outputs, membranes: expectedMembranes, margin } = expected.run(Array.from({ length: steps }, (__, t) => input.subarray(t * size, (t + 1) * size)));
    const given = channelsLast(input, inputShape);
    const { model } = await importNir(at(name), { device, dt, steps, ...options });
    expect(model.inputShape).toEqual([...inputShape.slice(1), inputShape[0]]);
    expect([...await run(model, steps, 1, given)]).toEqual(outputs.flatMap((values) => [...values]));
    const { model: watched } = await importNir(at(name), { device, dt, steps, ...options, readout: membranes() });
    const found = await run(watched, steps, 1, given);
    expect(relativeError(found, expectedMembranes.flatMap((values) => [...values]))).toBeLessThan(1e-5);
    expect(found.some((v) => v > 0.05)).toBe(true);
    expect(margin).toBeGreaterThan(1e-7);
    if (name !== "two_lif_neurons") expect(outputs.flatMap((values) => [...values]).filter((s) => s === 1).length).toBeGreaterThan(3);
    for (const each of [model, watched]) each.dispose();
  });
});

describe("a file whose inner edges name a node that there is not", () => {
  it("is refused by the names of the graph and of that node", async () => {
    await expect(importNir(at("braille_noDelay_bias_zero_subgraph"), { device, dt: 1e-4, steps: 2 })).rejects
      .toThrow(/node lif1 \(NIRGraph\): the edge input → lif names lif, which is none of its nodes.*\(input, lif1, lin, output\)/);
  });
});
