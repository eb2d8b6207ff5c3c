import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { Random } from "../../../src/data/random.ts";
import { WebGpuDevice } from "../../../src/device/webgpu/device.ts";
import { type Device, openDevice } from "../../../src/device/index.ts";
import { DeviceError } from "../../../src/errors.ts";
import { Model } from "../../../src/nn/index.ts";
import { decodeCheckpoint } from "../../../src/train/checkpoint.ts";
import { adam } from "../../../src/train/optimizer.ts";
import { readRun } from "../../../src/train/storedRun.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { quadrants, smallNetwork } from "../../train/digits.ts";
import { hasWebgpu, needsWebgpu } from "../../webgpu.ts";

const build = (device: Device): Model => Model.build(smallNetwork(), { device, inputShape: [16], steps: 4, random: new Random(1) });

// Alone in its file: jax-js has one device for each process, and this one ends it.
describe.skipIf(!hasWebgpu)(needsWebgpu("a GPU that is lost"), () => {
  it("is an error that says so, and the last checkpoint stays", async () => {
    const runDirectory = await mkdtemp(join(tmpdir(), "spikefold-"));
    try {
      const device = await WebGpuDevice.open();
      const trainer = new Trainer(build(device), { optimizer: adam({ lr: 0.01 }) });
      const dataset = quadrants(64, 1);
      const fit = trainer.fit(dataset, {
        epochs: 20, batchSize: 8, runDirectory, checkpointEvery: 5, onStep: ({ step }) => { if (step === 12) device.gpu.destroy(); },
      });
      await expect(fit).rejects.toThrow(/the GPU was lost.*resume from the last checkpoint/);
      expect(() => device.zeros([3])).toThrow(DeviceError);
      const { position } = decodeCheckpoint((await (await readRun(runDirectory)).read("checkpoint"))!, "the checkpoint");
      expect(position.step).toBe(10);

      const cpu = await openDevice("cpu", { threads: 1 });
      const onCpu = () => new Trainer(build(cpu), { optimizer: adam({ lr: 0.01 }) });
      const options = { epochs: 20, batchSize: 8, runDirectory, resume: true };
      await expect(onCpu().fit(dataset, options)).rejects.toThrow(/the device's arithmetic was "webgpu, .*allowChanged: \["arithmetic"\]/);
      const resumed = await onCpu().fit(dataset, { ...options, allowChanged: ["arithmetic"] });
      expect(resumed.steps).toHaveLength(160);
      await cpu.dispose();
    } finally {
      await rm(runDirectory, { recursive: true });
    }
  });
});
