import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/device.ts";
import { type ConformanceOptions, conformanceCases } from "./cases.ts";
import { check, type Strictness } from "./check.ts";
import { sample } from "../sample.ts";

/** The suite that every device passes: its kernels against the interpreter on every neuron, length, size and layout. */
export function describeConformance(title: string, open: () => Promise<Device>, { elements, lengths, ...strictness }: ConformanceOptions & Strictness = {}): void {
  const cases = conformanceCases({ elements, lengths });
  describe(title, () => {
    let device: Device;
    let [flips, neurons] = [0, 0];
    beforeAll(async () => {
      device = await open();
    });
    afterAll(async () => {
      if (strictness.tolerateTies) console.log(`${title}: ${flips} of ${neurons} neurons took a spike with |u| < 1e-6 differently`);
      await device.dispose();
    });

    it.each(sample([...new Set(cases.map(({ group }) => group))], 8))("%s", async (group) => {
      for (const each of cases.filter((one) => one.group === group)) {
        const found = await check(device, each, strictness);
        flips += found.flips;
        neurons += found.neurons;
        expect(found.failures).toEqual([]);
      }
    });
  });
}
