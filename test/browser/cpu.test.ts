import { describe, expect, it } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { bundle } from "./bundle.ts";
import { withModule } from "./harness.ts";
import * as work from "./work.ts";

type Work = typeof work;
const entry = new URL("./work.ts", import.meta.url);

describe.skipIf(!chromiumPath)(needsChromium("the cpu device in Chromium"), () => {
  it("is bundled without a warning", async () => {
    expect((await bundle(entry)).warnings).toEqual([]);
  });

  it("computes on several threads what Node computes, on a page that is cross-origin isolated", () =>
    withModule<Work>(entry, { isolated: true }, async ({ call }) => {
      expect(await call("description", { threads: 2 })).toMatch(/, 2 threads$/);
      expect(await call("neurons", { threads: 2 })).toEqual(await work.neurons());
      expect(await call("training", { threads: 2 })).toEqual(await work.training());
    }));

  it("computes on several threads in a worker", () =>
    withModule<Work>(entry, { isolated: true }, async ({ call }) => {
      expect(await call("inWorker", "description", { threads: 2 })).toMatch(/, 2 threads$/);
      expect(await call("inWorker", "neurons", { threads: 2 })).toEqual(await work.neurons());
    }));

  it("computes the same on one thread, on any page", () =>
    withModule<Work>(entry, {}, async ({ call }) => {
      expect(await call("description")).toMatch(/, 1 thread: the page is not cross-origin isolated$/);
      expect(await call("neurons")).toEqual(await work.neurons());
      expect(await call("training")).toEqual(await work.training());
      expect(await call("inWorker", "training")).toEqual(await work.training());
    }));

  it("refuses several threads on a page that is not isolated, with the headers that make it so", () =>
    withModule<Work>(entry, {}, async ({ call }) => {
      await expect(call("description", { threads: 2 })).rejects.toThrow(/DeviceError: .*Cross-Origin-Opener-Policy: same-origin.*Cross-Origin-Embedder-Policy: require-corp/);
    }));
});
