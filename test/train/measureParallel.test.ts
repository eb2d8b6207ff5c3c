import { afterAll, describe, expect, it, vi } from "vitest";
import { Random } from "../../src/data/random.ts";
import { type Device, openDevice } from "../../src/device/index.ts";
import { lif } from "../../src/neuron/index.ts";
import { batchNorm2d, conv2d, flatten, type LayerLike, linear, maxPool2d, Model, rate, recurrent, residual, sequential, spiking } from "../../src/nn/index.ts";
import { planParallel } from "../../src/parallel/plan.ts";
import { measureParallel } from "../../src/train/index.ts";

const device = await openDevice("cpu", { threads: 1 });
afterAll(() => device.dispose());

const build = (body: LayerLike, inputShape: readonly number[], on: Device = device): Model => Model.build(body, { device: on, inputShape, steps: 8, random: new Random(1) });

describe("measureParallel", () => {
  it("measures stages that each end with neurons, with the bytes that each scheme sends", async () => {
    using model = build(sequential(
      conv2d(1, 4, { kernel: 3, padding: 1, bias: false }), batchNorm2d(4), spiking(lif()), maxPool2d(2), residual(sequential(conv2d(4, 4, { kernel: 3, padding: 1 }), spiking(lif()))),
      flatten(), linear(64, 10), recurrent(lif()), rate(),
    ), [8, 8, 1]);
    const before = await Promise.all([...model.parameters(), ...model.buffers()].map(({ value }) => device.read(value)));
    const passes: number[] = [];
    const { steps, batch, stages } = await measureParallel(model, { batch: 6, repetitions: 2, onPass: (done, all) => passes.push(done, all) });
    expect([steps, batch]).toEqual([8, 6]);
    expect(stages.map(({ name }) => name.replace(/^.*: /, ""))).toEqual(["spiking(lif)", "spiking(lif)", "recurrent(lif)"]);
    expect(stages.map(({ neurons }) => neurons)).toEqual([4, 4, 10]);
    expect(stages.map(({ batchNorm }) => batchNorm)).toEqual([true, false, false]);
    for (const { neuronShare } of stages) expect(neuronShare! > 0 && neuronShare! < 1).toBe(true);
    expect(stages.map(({ parameterBytes }) => parameterBytes)).toEqual([4 * (36 + 8), 4 * (144 + 4), 4 * (640 + 10 + 100 + 10)]);
    // v; of the recurrent layer its last spikes too.
    expect(stages.map(({ stateBytes }) => stateBytes)).toEqual([4 * 6 * 256, 4 * 6 * 64, 4 * 6 * 10 * 2]);
    expect(stages.map(({ outputBytes }) => outputBytes)).toEqual([4 * 48 * 256, 4 * 48 * 64, 4 * 48 * 10]);
    for (const { forward, backward, fixed } of stages) {
      for (const seconds of [forward, backward]) expect(seconds > 0 && seconds < 10).toBe(true);
      for (const share of [fixed!.time, fixed!.batch]) expect(share >= 0 && share <= 1).toBe(true);
    }
    expect(passes).toEqual([1, 6, 2, 6, 3, 6, 4, 6, 5, 6, 6, 6]);
    expect(await Promise.all([...model.parameters(), ...model.buffers()].map(({ value }) => device.read(value)))).toEqual(before);
    expect(model.parameters().every(({ gradient }) => gradient === null)).toBe(true);
    expect(planParallel({ steps, batch, stages }, { cluster: { gpusPerHost: 8, link: { latency: 1e-5, bandwidth: 1e10 } } }).predictions.length).toBe(11);
  });

  it("puts the time of a layer where it belongs", async () => {
    using model = build(sequential(linear(8, 8), spiking(lif()), linear(8, 1024), spiking(lif()), linear(1024, 8), spiking(lif()), rate()), [8]);
    const { stages } = await measureParallel(model, { batch: 32 });
    const seconds = stages.map(({ forward, backward }) => forward + backward);
    expect(seconds[1]).toBeGreaterThan(2 * seconds[0]);
  });

  it("measures a layer of neurons alone, and leaves no memory behind", async () => {
    using model = build(spiking(lif()), [512]);
    const { bytesInUse } = device;
    const { stages } = await measureParallel(model, { batch: 64, repetitions: 3 });
    expect(device.bytesInUse).toBe(bytesInUse);
    expect(stages).toHaveLength(1);
    expect(stages[0].backward).toBeGreaterThan(0);
    expect(stages[0].parameterBytes).toBe(0);
    expect(stages[0].neuronShare).toBeGreaterThan(0.9);
  });

  it("finds that a layer before the first neuron takes as long for fewer steps, where its input holds at all of them", async () => {
    using model = build(sequential(linear(1024, 512), spiking(lif()), rate()), [1024]);
    const { stages: [{ fixed }] } = await measureParallel(model, { batch: 64, timeConstant: true, repetitions: 9 });
    expect(fixed!.time).toBeGreaterThan(fixed!.batch);
  });

  it("says when a device measures no time, and stops when it is told to", async () => {
    using model = build(spiking(lif()), [4]);
    const clock = vi.spyOn(device, "time", "get").mockReturnValue({ dense: 0, neuron: 0, rest: 0 });
    await expect(measureParallel(model, { batch: 1 })).rejects.toThrow(expect.objectContaining({ name: "DeviceError", message: expect.stringContaining("take the cpu, or cuda opened with profile: true") }));
    clock.mockRestore();
        const { bytesInUse } = device;
    await expect(measureParallel(model, { batch: 1, signal: AbortSignal.abort(new Error("enough")) })).rejects.toThrow("enough");
    expect(device.bytesInUse).toBe(bytesInUse);
  });
});
