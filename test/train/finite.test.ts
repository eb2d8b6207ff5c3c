import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { EncoderMaker } from "../../src/train/encoding.ts";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { FileFormatError, OptionError } from "../../src/errors.ts";
import { defineNeuron, lif, spike, sqrt, surrogate } from "../../src/neuron/index.ts";
import { batchNorm2d, lastMembrane, type Layer, linear, Model, rate, sequential, spiking } from "../../src/nn/index.ts";
import { TrainingError } from "../../src/train/error.ts";
import type { Loss } from "../../src/train/loss.ts";
import { crossEntropy } from "../../src/train/losses/crossEntropy.ts";
import { adam, sgd } from "../../src/train/optimizer.ts";
import { encodeSafetensors } from "../../src/train/safetensors.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { download, encodeModel, modelTensors, restoreModel } from "../../src/train/weights.ts";
import { onEachDevice } from "../device/devices.ts";
import { quadrants, smallNetwork } from "./digits.ts";

const train = quadrants(64, 1);
/** With one blank image, the last. */
const blank = { ...train, images: train.images.slice().fill(0, 63 * 16) };

/** The norm of its input has no derivative at 0. */
const rectifier = defineNeuron({
  name: "rectifier", state: { v: 0 },
  step({ v }, { x }) {
    const h = v.mul(0.5).add(sqrt(x.mul(x)));
    const s = spike(h.sub(1), surrogate.atan());
    return { spike: s, v: h.sub(s) };
  },
});

const rectified = (): Layer => sequential(linear(16, 8, { bias: false }), spiking(rectifier), linear(8, 4), spiking(lif({ decayInput: false })), rate());

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.dispose());

  const make = (layer: Layer = smallNetwork(), options: Partial<TrainerOptions> = {}): Trainer =>
    new Trainer(Model.build(layer, { device, inputShape: [16], steps: 4, random: new Random(1) }), { optimizer: adam({ lr: 0.02 }), ...options });
  const fit = (trainer: Trainer, data = train, options = {}) => trainer.fit(data, { epochs: 2, batchSize: 32, ...options });

  describe("a training that is no longer finite ends with an error", () => {
    it("for a derivative that there is not, though all spikes are 0 or 1", async () => {
      await expect(fit(make(rectified()), blank)).rejects.toThrow(TrainingError);
      await expect(fit(make(rectified()), blank)).rejects.toThrow(/^update [12]: the gradient of 0\.weight of 0: linear\(16, 8\)\[0, 0\] is NaN\. .*sqrt/);
    });
    it("for a learning rate that is too large, in the update that did it", async () => {
      const steps: number[] = [];
      await expect(fit(make(undefined, { optimizer: adam({ lr: 1e38 }) }), train, { onStep: ({ step }: { step: number }) => steps.push(step) }))
        .rejects.toThrow(/^update 1: .*weight.* the learning rate is too large/);
      expect(steps).toEqual([]);
      await expect(fit(make(undefined, { optimizer: sgd({ lr: 1e38 }) }))).rejects.toThrow(/^update \d: .*weight/);
    });

    it("for a weight that became NaN, whatever layer follows", async () => {
      for (const index of [0, 1, 2, 3]) {
        const trainer = make();
        const { value } = trainer.model.parameters()[index];
        const spoil = ({ step }: { step: number }) => step === 1 && device.write(value, new Float32Array(value.size).fill(NaN));
        await expect(fit(trainer, train, { onStep: spoil })).rejects.toThrow(/^update 2: .* is NaN/);
      }
    });

    it("for a loss of one's own", async () => {
      const loss: Loss = { ...crossEntropy(), name: "mine", evaluate(output, labels, steps) {
        const value = crossEntropy().evaluate(output, labels, steps);
        output.device.write(value.loss, Float32Array.of(NaN));
        return value;
      } };
      await expect(fit(make(undefined, { loss }))).rejects.toThrow(/^update 1: the loss mine is NaN/);
      await expect(make(undefined, { loss }).evaluate(train)).rejects.toThrow(/^evaluate: the loss mine of images 0 … 63 .* is NaN/);
    });

    it("for outputs beyond 32 bits", async () => {
      const network = sequential(linear(16, 4), spiking(lif({ reset: "soft" })), lastMembrane());
      const trainer = make(network);
      const { value } = trainer.model.parameters()[0];
      device.write(value, new Float32Array(value.size).fill(1e18));
      await expect(fit(trainer, train, { normalize: { mean: 0, std: 1e-25 } })).rejects.toThrow(TrainingError);
    });

    it("for gradients that clipping leaves nothing of", async () => {
      const loss: Loss = { ...crossEntropy(), name: "huge", evaluate(output, labels, steps) {
        const value = crossEntropy().evaluate(output, labels, steps);
        output.device.dense.scale(value.gradient, 1e25);
        return value;
      } };
      await expect(fit(make(undefined, { loss, clipNorm: 1 }))).rejects.toThrow(/clipNorm leaves nothing|gradient/);
    });

    it("and frees what the update had on the device", async () => {
      const before = device.bytesInUse;
      const trainer = make(rectified());
      await expect(fit(trainer, blank)).rejects.toThrow(TrainingError);
      trainer.dispose();
      trainer.model.dispose();
      expect(device.bytesInUse).toBe(before);
    });
  });

  it("names running statistics and what an optimiser keeps, after the epoch", async () => {
    const network = () => sequential(linear(16, 8), batchNorm2d(8), spiking(lif({ decayInput: false })), linear(8, 4), spiking(lif({ decayInput: false })), rate());
    const spoilAtEnd = (trainer: Trainer, of: () => Parameters<Device["write"]>[0]) => fit(trainer, train, {
      onStep: ({ step }: { step: number }) => step === 2 && device.write(of(), new Float32Array(of().size).fill(NaN)),
    });
    const [a, b] = [make(network()), make(network())];
    await expect(spoilAtEnd(a, () => a.model.buffers()[0].value)).rejects.toThrow(/^after epoch 1: 1\.runningMean\[0\] is NaN/);
    await expect(spoilAtEnd(b, () => b.optimizer.state()["v.0.weight"])).rejects.toThrow(/^after epoch 1: optimizer\.v\.0\.weight\[0, 0\] is NaN/);
  });

  it("does not evaluate weights that are not finite", async () => {
    const trainer = make();
    const { value } = trainer.model.parameters()[2];
    device.write(value, new Float32Array(value.size).with(4 * 7 + 2, Infinity));
    await expect(trainer.evaluate(train)).rejects.toThrow(/^evaluate: 2\.weight\[7, 2\] is Infinity/);
  });

  it("trains a network whose weights are large but finite", async () => {
    const trainer = make(undefined, { optimizer: sgd({ lr: 1e-6 }) });
    const { value } = trainer.model.parameters()[3];
    device.write(value, new Float32Array(value.size).fill(1e15));
    expect((await fit(trainer, train, { onWarning() {} })).finished).toBe(true);
  });

  describe("an encoder is held to finite values of the right shape, by name:", () => {
    const good: EncoderMaker = ({ steps }) => (data, [size, ...rest]) => ({ data: new Float32Array(steps * data.length), shape: [steps, size, ...rest] });
    it.each<[string, EncoderMaker, RegExp]>([
      ["NaN", function ramp(options) {
        return (data, shape) => {
          const encoded = good(options)(data, shape);
          encoded.data[2 * data.length + 16 + 5] = NaN;
          return encoded;
        };
      }, /^encoder ramp gave what is not finite: its input\[2, 1, 5\] is NaN/],
      ["another T", function short({ random }) { return good({ steps: 3, random }); }, /^encoder short gave an input of shape \[3, 32, 16\]: expected \[4, 32, 16\], or \[1, 32, 16\]/],
      ["another array", function doubles(options) { return (data, shape) => ({ ...good(options)(data, shape), data: [1, 2] as never }); }, /^encoder doubles gave data \[1, 2\]: expected a Float32Array of shape/],
      ["too few values", function few(options) { return (data, shape) => ({ ...good(options)(data, shape), data }); }, /^encoder few gave data a Float32Array of 512/],
      ["nothing", function nothing() { return (() => {}) as never; }, /^encoder nothing gave an input of shape undefined/],
      ["no function", function direct() { return new Float32Array(4) as never; }, /^encoder direct returned a Float32Array of 4: expected a function/],
    ])("%s", async (_, encoder, message) => {
      const trainer = make();
      await expect(fit(trainer, train, { encoder })).rejects.toThrow(OptionError);
      await expect(fit(trainer, train, { encoder })).rejects.toThrow(message);
      await expect(trainer.evaluate(train, { encoder, batchSize: 32 })).rejects.toThrow(message);
    });
  });

  it.each([crossEntropy(), crossEntropy({ of: "count" })])("refuses labels that are no classes (%#)", (loss) => {
    using output = device.zeros([2, 3]);
    expect(() => loss.evaluate(output, Int32Array.of(0, 3), 4)).toThrow(/labels\[1\] is 3: the output \[2, 3\] is of classes 0 … 2/);
    expect(() => loss.evaluate(output, Int32Array.of(-1, 0), 4)).toThrow(/labels\[0\] is -1/);
    expect(() => loss.evaluate(output, Int32Array.of(0), 4)).toThrow(/with 1 labels/);
  });

  it("a model's file with a value that is not finite is refused, and nothing is changed", async () => {
    const [from, to] = [make().model, make().model];
    const tensors = await download(modelTensors(from));
    (tensors["2.weight"].data as Float32Array)[9] = NaN;
    const before = await download(modelTensors(to));
    const bytes = encodeSafetensors(tensors, { format: "spikefold-model", version: "1" });
    expect(() => restoreModel(to, bytes, "a file")).toThrow(FileFormatError);
    expect(() => restoreModel(to, bytes, "a file")).toThrow(/^a file: 2\.weight\[2, 1\] is NaN/);
    expect(await download(modelTensors(to))).toEqual(before);
    device.write(to.parameters()[0].value, new Float32Array(16 * 24).fill(NaN));
    await expect(encodeModel(to)).rejects.toThrow(/0\.weight\[0, 0\] is NaN: nothing was saved/);
  });
});

it("leaves no weights that are not finite in a run's directory", async () => {
  const { openDevice } = await import("../../src/device/open.ts");
  const device = await openDevice("cpu");
  const directory = await mkdtemp(join(tmpdir(), "spikefold-finite-"));
  try {
    const network = sequential(linear(16, 4, { bias: false }), spiking(rectifier), rate());
    const trainer = new Trainer(Model.build(network, { device, inputShape: [16], steps: 4, random: new Random(1) }), { optimizer: adam() });
    await expect(trainer.fit(blank, { epochs: 1, runDirectory: directory, checkpointEvery: 1 })).rejects.toThrow(TrainingError);
    expect((await readdir(directory)).filter((name) => name.endsWith(".safetensors") || name === "metrics.json")).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
    await device.dispose();
  }
});
