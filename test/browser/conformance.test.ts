import { describe, expect, it, vi } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { type ConformanceOptions, conformanceCases } from "../conformance/cases.ts";
import { withModule } from "./harness.ts";
import { sample } from "../sample.ts";

const entry = new URL("./conformance.ts", import.meta.url);
const lengths = [100];
const groupsOf = (options: ConformanceOptions, count: number): string[] => sample([...new Set(conformanceCases(options).map(({ group }) => group))], count);

// Without a GPU, compiling some hundred kernels takes its time.
vi.setConfig({ testTimeout: 600_000 });

describe.skipIf(!chromiumPath)(needsChromium("the conformance suite in Chromium"), () => {
  it("holds for the wasm kernels, bit for bit", () =>
    withModule<typeof import("./conformance.ts")>(entry, { isolated: true }, async ({ call }) => {
      const options = { lengths, groups: groupsOf({ lengths }, 8) };
      const { failures, cases } = await call("conformance", "cpu", { exact: true, ...options });
      expect(failures).toEqual([]);
      expect(cases).toBe(conformanceCases(options).length);
    }));

  it("holds for the WGSL kernels", () =>
    withModule<typeof import("./conformance.ts")>(entry, { webgpu: true }, async ({ call }) => {
      const elements = ["bf16", "f16"] as const;
      const options = { lengths, elements, groups: groupsOf({ lengths, elements }, 4) };
      const { failures, cases, flips, neurons } = await call("conformance", "webgpu", { tolerateTies: true, ...options });
      console.log(`the WGSL kernels in Chromium: ${flips} of ${neurons} neurons took a spike with |u| < 1e-6 differently`);
      expect(failures).toEqual([]);
      expect(cases).toBe(conformanceCases(options).length);
    }));
});
