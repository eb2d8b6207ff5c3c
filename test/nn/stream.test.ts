import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { type Device, openDevice } from "../../src/device/index.ts";
import { leaky, parametricLif, synaptic } from "../../src/neuron/index.ts";
import { batchNorm2d, conv2d, flatten, type LayerLike, lastMembrane, linear, Model, Recorder, residual, sequential, spikeCount, spiking, Tape } from "../../src/nn/index.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { read, uniform } from "./helpers.ts";

const [STEPS, BATCH] = [40, 3];

const networks: Record<string, { shape: readonly number[]; body: () => LayerLike; adds: boolean }> = {
  "of counted spikes": { shape: [6, 6, 2], adds: true, body: () => sequential(
    conv2d(2, 4, { kernel: 3, padding: 1 }), batchNorm2d(4), spiking(synaptic({ alpha: 0.8, beta: 0.9 })), residual(conv2d(4, 4, { kernel: 3, padding: 1 }), spiking(parametricLif())),
    flatten(), linear(144, 5), spiking(leaky({ beta: 0.9, threshold: 0.2 })), spikeCount(),
  ) },
  "of a membrane": { shape: [7], adds: false, body: () => sequential(linear(7, 9), spiking(parametricLif()), linear(9, 4), spiking(leaky({ beta: 0.95, reset: "none" })), lastMembrane()) },
};

function suite(open: () => Promise<Device>): void {
  let device: Device;
  beforeAll(async () => void (device = await open()));
  afterAll(() => device.dispose());

  for (const [name, { shape, body, adds }] of Object.entries(networks)) {
    const size = BATCH * shape.reduce((a, b) => a * b);
    const input = uniform(STEPS * size, 3, -1, 2);
    const build = (): Model => Model.build(body(), { device, inputShape: shape, steps: STEPS, random: new Random(4) });
    const whole = async (model: Model): Promise<Float32Array> => {
      using tape = new Tape(device, { steps: STEPS, training: false });
      using x = device.tensor(input, [STEPS, BATCH, ...shape]);
      return read(model.forward(tape, tape.input(x)).value);
    };

    it(`a network ${name} gives the bits of one long run, however the signal is cut`, async () => {
      using model = build();
      const expected = await whole(model);
      expect(new Set(expected).size).toBeGreaterThan(3);
      for (const windows of [[40], [1, 1, 38], [13, 1, 7, 19], Array.from({ length: 40 }, () => 1)]) {
        using stream = model.stream({ batch: BATCH });
        const total = new Float32Array(expected.length);
        let at = 0;
        for (const window of windows) {
          const output = await stream.step(input.subarray(at * size, (at + window) * size));
          output.forEach((value, i) => (total[i] = adds ? total[i] + value : value));
          at += window;
        }
        expect(stream.steps).toBe(STEPS);
        expect(total, windows.join()).toEqual(expected);
      }
    });
  }

  it("calls that are not awaited follow each other, tensors are taken, and a reset begins anew", async () => {
    const { shape, body } = networks["of a membrane"];
    using model = Model.build(body(), { device, inputShape: shape, steps: 2, random: new Random(4) });
    using stream = model.stream();
    const [first, second] = [uniform(7, 1, 0, 3), uniform(14, 2, 0, 3)];
    const [, both] = await Promise.all([stream.step(first), stream.step(second)]);
    stream.reset();
    using x = device.tensor(Float32Array.of(...first, ...second), [3, 1, 7]);
    expect(await stream.step(x)).toEqual(both);
    stream.reset();
    expect(await stream.step(second)).not.toEqual(both);
  });

  it("gives its memory back, and what it held grows with no call", async () => {
    const { shape, body } = networks["of a membrane"];
    using model = Model.build(body(), { device, inputShape: shape, steps: 1, random: new Random(4) });
    const before = device.bytesInUse;
    const stream = model.stream({ batch: 2 });
    const held = new Set<number>();
    for (let t = 0; t < 5; t++) {
      await stream.step(uniform(14, t));
      held.add(device.bytesInUse);
    }
    expect(held.size).toBe(1);
    stream.dispose();
    await expect(stream.step(uniform(14, 1))).rejects.toThrow(/disposed/);
    expect(device.bytesInUse).toBe(before);
  });
}

describe("a stream on cpu", () => suite(() => openDevice("cpu", { threads: 2 })));
describe.skipIf(!hasWebgpu)(needsWebgpu("a stream on webgpu"), () => suite(() => openDevice("webgpu")));
describeOnStandIn("a stream on cuda", () => suite(openCuda));

describe("a stream", () => {
  let device: Device;
  beforeAll(async () => void (device = await openDevice("cpu", { threads: 1 })));
  afterAll(() => device.dispose());
  const build = (body: LayerLike): Model => Model.build(body, { device, inputShape: [3], steps: 4, random: new Random(1) });

  it("refuses an input that is no whole number of steps, and keeps its states when a call fails", async () => {
    let fails = false;
    const read = spikeCount();
    const [first, fire] = [linear(3, 3), spiking(leaky({ beta: 0.9 }))];
    using model = build((tape, x) => {
      const h = fire.forward(tape, first.forward(tape, x));
      if (fails) throw new Error("out of luck", { cause: h.value });
      return read.forward(tape, h);
    });
    using stream = model.stream({ batch: 2 });
    using other = model.stream({ batch: 2 });
    await expect(stream.step(new Float32Array(7))).rejects.toThrow("stream.step was given 7 values: expected [2, 3] for one time step, or [W, 2, 3] for a window of W: 6 values a step");
    using wrong = device.zeros([2, 4]);
    await expect(stream.step(wrong)).rejects.toThrow(/a tensor \[2, 4\]/);
    const x = uniform(6, 1, 0, 1.5);
    await stream.step(x);
    fails = true;
    await expect(stream.step(x)).rejects.toThrow("out of luck");
    fails = false;
    for (let t = 0; t < 4; t++) await stream.step(x);
    for (let t = 0; t < 5; t++) await other.step(x);
    expect(await stream.step(x)).toEqual(await other.step(x));
    expect(stream.steps).toBe(6);
  });

  it("shows a recorder the spikes of each call", async () => {
    using model = build(sequential(linear(3, 3), spiking(leaky({ beta: 0.9 })), spikeCount()));
    const recorder = new Recorder();
    using stream = model.stream({ recorder });
    await stream.step(uniform(12, 1, 0, 3));
    const [rates] = await recorder.firingRates();
    expect(rates).toMatchObject({ layer: "1: spiking(leaky)" });
    expect(rates.rate).toBeGreaterThan(0);
  });
});
