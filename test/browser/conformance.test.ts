import { describe, expect, it, vi } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { conformanceCases } from "../conformance/cases.ts";
import { withModule } from "./harness.ts";

const entry = new URL("./conformance.ts", import.meta.url);
const lengths = [100];

// Without a GPU, compiling some hundred kernels takes its time.
vi.setConfig({ testTimeout: 600_000 });

describe.skipIf(!chromiumPath)(needsChromium("the conformance suite in Chromium"), () => {
  it("holds for the wasm kernels, bit for bit", () =>
    withModule<typeof import("./conformance.ts")>(entry, { isolated: true }, async ({ call }) => {
      const { failures, cases } = await call("conformance", "cpu", { exact: true, lengths });
      expect(failures).toEqual([]);
      expect(cases).toBe(conformanceCases({ lengths }).length);
    }));

  it("holds for the WGSL kernels", () =>
    withModule<typeof import("./conformance.ts")>(entry, { webgpu: true }, async ({ call }) => {
      const elements = ["bf16", "f16"] as const;
      const { failures, cases, flips, neurons } = await call("conformance", "webgpu", { tolerateTies: true, lengths, elements });
      console.log(`the WGSL kernels in Chromium: ${flips} of ${neurons} neurons took a spike with |u| < 1e-6 differently`);
      expect(failures).toEqual([]);
      expect(cases).toBe(conformanceCases({ lengths, elements }).length);
    }));
});
