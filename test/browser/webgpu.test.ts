import { describe, expect, it, vi } from "vitest";
import { chromiumPath, needsChromium } from "../chromium.ts";
import { sample } from "../sample.ts";
import { withModule } from "./harness.ts";
import * as work from "./work.ts";

type Work = typeof work;
const entry = new URL("./work.ts", import.meta.url);
const opening = { device: "webgpu" };

// Without a GPU, compiling the kernels of a network takes seconds.
vi.setConfig({ testTimeout: 300_000 });

describe.skipIf(!chromiumPath)(needsChromium("the webgpu device in Chromium"), () => {
  it("computes what the cpu device computes, on a page and in a worker", () =>
    withModule<Work>(entry, { webgpu: true }, async ({ call }) => {
      const [neurons, training] = [await work.neurons(), await work.training()];
      const far = (a: number[], b: number[]): number => Math.max(...a.map((each, i) => Math.abs(each - b[i]) / (1 + Math.abs(b[i]))));
      for (const inWorker of sample([false, true], 1)) {
        const onGpu = inWorker ? await call("inWorker", "neurons", opening) as typeof neurons : await call("neurons", opening);
        expect(onGpu.spikes).toEqual(neurons.spikes);
        expect(far(onGpu.v, neurons.v)).toBeLessThan(1e-5);
        expect(far(onGpu.input, neurons.input)).toBeLessThan(1e-4);
        const trained = inWorker ? await call("inWorker", "training", opening) as typeof training : await call("training", opening);
        expect(far(trained.losses, training.losses)).toBeLessThan(1e-3);
      }
    }));

  it("is refused, with what to do, where there is no adapter", () =>
    withModule<Work>(entry, {}, async ({ call, problems }) => {
      await expect(call("description", opening)).rejects.toThrow(/DeviceError: .*webgpu/);
      problems.length = 0;
    }));
});
