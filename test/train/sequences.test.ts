import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { arraySequences, type SequenceDataset } from "../../src/data/sequences.ts";
import { type Device, openDevice } from "../../src/device/index.ts";
import { leaky, lif } from "../../src/neuron/index.ts";
import {
  clearGradients, dropout, everyStep, type Layer, lastMembrane, Lengths, linear, maxMembrane, meanMembrane, membranes, Model, rate, recompute, Recorder, sequential, spikeCount, spiking, Tape,
} from "../../src/nn/index.ts";
import { adam, crossEntropy, meanSquaredError, Trainer } from "../../src/train/index.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { read, relativeError } from "../nn/helpers.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";

const [INPUTS, CLASSES] = [6, 3];
const LENGTHS = [5, 40, 1, 23, 40, 17];

/** Class k: input 2k is busy for most of the sample; how long that is says nothing. */
function data(count: number, seed: number, lengths: (index: number) => number = (index) => LENGTHS[index % LENGTHS.length], classes = CLASSES): SequenceDataset {
  const random = new Random(seed);
  const labels = Int32Array.from({ length: count }, (_, i) => i % classes);
  const sequences = Array.from(labels, (label, i) => Float32Array.from({ length: lengths(i) * INPUTS }, (_, at) => (random.uniform() < (at % INPUTS === 2 * label ? 0.8 : 0.1) ? 1 : 0)));
  return arraySequences({ name: `signals ${seed}`, shape: [INPUTS], sequences, labels, classes });
}

const body = (readout: Layer): Layer => sequential(linear(INPUTS, 16), spiking(lif({ threshold: 0.4, decayInput: false })), linear(16, CLASSES), spiking(leaky({ beta: 0.9, threshold: 0.6 })), readout);
const readouts: Record<string, () => Layer> = { rate, spikeCount, lastMembrane, meanMembrane, maxMembrane };

function suite(open: () => Promise<Device>): void {
  let device: Device;
  beforeAll(async () => void (device = await open()));
  afterAll(() => device.dispose());

  /** Output, and gradients of the parameters for a gradient of ones. */
  async function pass(model: Model, samples: readonly Float32Array[], padding = 0) {
    const lengths = Int32Array.from(samples, ({ length }) => length / INPUTS);
    const steps = Math.max(...lengths) + padding;
    const inputs = new Float32Array(steps * samples.length * INPUTS);
    samples.forEach((sample, row) => {
      for (let t = 0; t < lengths[row]; t++) inputs.set(sample.subarray(t * INPUTS, (t + 1) * INPUTS), (t * samples.length + row) * INPUTS);
    });
    using x = device.tensor(inputs, [steps, samples.length, INPUTS]);
    using valid = samples.length > 1 || padding > 0 ? new Lengths(device, lengths) : undefined;
    using tape = new Tape(device, { steps, lengths: valid, training: true });
    const y = model.forward(tape, tape.input(x));
    const output = await read(y.value);
    using seed = device.tensor(new Float32Array(output.length).fill(1), y.value.shape);
    clearGradients(model.parameters());
    tape.backward(y, seed);
    const gradients = await Promise.all(model.parameters().map(({ gradient }) => read(gradient!)));
    clearGradients(model.parameters());
    return { output, gradients };
  }

  it.each(Object.keys(readouts))("%s: a padded batch gives what its samples give one by one", async (name) => {
    const { sequence } = data(LENGTHS.length, 3);
    const samples = LENGTHS.map((_, i) => sequence(i) as Float32Array);
    using model = Model.build(body(readouts[name]()), { device, inputShape: [INPUTS], steps: 40, random: new Random(2) });
    const before = device.bytesInUse;
    const alone: Awaited<ReturnType<typeof pass>>[] = [];
    for (const sample of samples) alone.push(await pass(model, [sample]));
    const together = await pass(model, samples, 3);
    expect(device.bytesInUse).toBe(before);
    const outputs = Float32Array.from(alone.flatMap(({ output }) => [...output]));
    expect(new Set(outputs).size).toBeGreaterThan(3);
    if (name === "rate" || name === "meanMembrane") expect(relativeError(together.output, outputs)).toBeLessThan(1e-6);
    else expect(together.output).toEqual(outputs);
    together.gradients.forEach((gradient, i) => {
      const sum = gradient.map((_, at) => alone.reduce((total, { gradients }) => total + gradients[i][at], 0));
      expect(relativeError(gradient, sum)).toBeLessThan(1e-5);
    });
  });
}

describe("read-outs of valid steps on cpu", () => suite(() => openDevice("cpu", { threads: 2 })));
describe.skipIf(!hasWebgpu)(needsWebgpu("read-outs of valid steps on webgpu"), () => suite(() => openDevice("webgpu")));
describeOnStandIn("read-outs of valid steps on cuda", () => suite(openCuda));

/** The weights after two epochs. */
async function trained(device: Device, network: Layer, loss = crossEntropy(), dataset = data(24, 5), graph = true) {
  using model = Model.build(network, { device, inputShape: [INPUTS], steps: 40, random: new Random(2) });
  const trainer = new Trainer(model, { optimizer: adam({ lr: 0.01 }), loss, seed: 4, graph });
  const { epochs, steps } = await trainer.fit(dataset, { epochs: 2, batchSize: 5, testDataset: dataset, onWarning: () => undefined });
  trainer.dispose();
  return { epochs, steps, weights: await Promise.all(model.parameters().map(({ value }) => read(value))) };
}

describe("training on sequences", () => {
  let device: Device;
  beforeAll(async () => void (device = await openDevice("cpu", { threads: 2 })));
  afterAll(() => device.dispose());

  it("learns what lies in time, and gives its memory back", async () => {
    using model = Model.build(body(spikeCount()), { device, inputShape: [INPUTS], steps: 40, random: new Random(2) });
    const before = device.bytesInUse;
    const trainer = new Trainer(model, { optimizer: adam({ lr: 0.01 }), seed: 1 });
    const lengths = (i: number): number => 12 + ((i * 7) % 29);
    const { epochs } = await trainer.fit(data(120, 1, lengths), { epochs: 8, batchSize: 16, testDataset: data(60, 2, lengths), onWarning: () => undefined });
    expect(epochs.at(-1)!.testAccuracy).toBeGreaterThan(0.9);
    const recorder = new Recorder();
    const { samples } = await trainer.evaluate(data(60, 2, lengths), { recorder });
    expect(samples).toBe(60);
    recorder.dispose();
    trainer.dispose();
    expect(device.bytesInUse).toBe(before);
  });

  it("takes as many padded steps as it likes: the weights are the same to rounding", async () => {
    const dataset = data(12, 6);
    const weights = async (padTo: number) => {
      using model = Model.build(body(rate()), { device, inputShape: [INPUTS], steps: 40, random: new Random(2) });
      const trainer = new Trainer(model, { optimizer: adam({ lr: 0.01 }), seed: 4 });
      await trainer.fit(dataset, { epochs: 1, batchSize: 4, padTo, onWarning: () => undefined });
      trainer.dispose();
      return Promise.all(model.parameters().map(({ value }) => read(value)));
    };
    const [a, b] = [await weights(1), await weights(40)];
    a.forEach((weight, i) => expect(relativeError(weight, b[i])).toBeLessThan(1e-5));
  });

  it("counts the spikes of valid steps alone", async () => {
    const dataset = data(6, 3);
    using model = Model.build(body(rate()), { device, inputShape: [INPUTS], steps: 40, random: new Random(2) });
    const trainer = new Trainer(model, { optimizer: adam() });
    using together = new Recorder({ perNeuron: true });
    await trainer.evaluate(dataset, { recorder: together, padTo: 40 });
    let [spikes, steps] = [0, 0];
    for (let i = 0; i < 6; i++) {
      using recorder = new Recorder();
      using tape = new Tape(device, { steps: LENGTHS[i], training: false, recorder });
      using x = device.tensor(dataset.sequence(i) as Float32Array, [LENGTHS[i], 1, INPUTS]);
      model.forward(tape, tape.input(x));
      const [{ rate: own }] = await recorder.firingRates();
      spikes += own * LENGTHS[i];
      steps += LENGTHS[i];
    }
    const [{ rate: found }] = await together.firingRates();
    expect(found).toBeCloseTo(spikes / steps, 6);
    const [{ rates }] = await together.neuronRates();
    expect(rates.reduce((a, b) => a + b) / rates.length).toBeCloseTo(found, 6);
    trainer.dispose();
  });

  it.each([["spikes", everyStep], ["membranes", membranes]] as const)("a loss over steps takes %s and labels of steps, and padding counts for nothing", async (_, readout) => {
    const random = new Random(8);
    const lengths = [9, 4, 12, 7];
    const own = lengths.map((length) => Int32Array.from({ length }, () => Math.floor(random.uniform() * CLASSES)));
    own[2][3] = -1;
    const sequences = own.map((labels) => Float32Array.from({ length: labels.length * INPUTS }, (__, at) => (at % INPUTS === 2 * labels[Math.floor(at / INPUTS)] ? 1 : 0)));
    const dataset = arraySequences({ shape: [INPUTS], sequences, labels: Int32Array.of(0, 1, 2, 0), classes: CLASSES, stepLabels: own });
    for (const loss of [crossEntropy({ over: "steps" }), meanSquaredError({ over: "steps" })]) {
      const { epochs, steps } = await trained(device, body(readout()), loss, dataset);
      expect(steps.every((step) => Number.isFinite(step.loss))).toBe(true);
      expect(epochs.at(-1)!.testAccuracy).toBeLessThanOrEqual(1);
    }
  });

  it("an encoder, and options of images, are refused", async () => {
    using model = Model.build(body(rate()), { device, inputShape: [INPUTS], steps: 40, random: new Random(2) });
    const trainer = new Trainer(model, { optimizer: adam() });
    await expect(trainer.fit(data(6, 3), { epochs: 1, encoder: () => () => ({ data: new Float32Array(), shape: [] }) })).rejects.toThrow(/leave the encoder out/);
    await expect(trainer.evaluate(data(6, 3, undefined, 5))).rejects.toThrow(/needs one value for each of 5 classes/);
    using wide = Model.build(sequential(linear(4, CLASSES), spiking(lif()), rate()), { device, inputShape: [4], steps: 2, random: new Random(1) });
    await expect(new Trainer(wide, { optimizer: adam() }).fit(data(6, 3), { epochs: 1 })).rejects.toThrow(/has steps \[6\]/);
    trainer.dispose();
  });
});

describeOnStandIn("training on sequences, recorded", () => {
  let cuda: Device;
  beforeAll(async () => void (cuda = await openCuda()));
  afterAll(() => cuda.dispose());

  it.each<[string, () => Layer]>([
    ["a plain network", () => body(rate())],
    ["with dropout, recomputed", () => sequential(recompute(linear(INPUTS, 16), spiking(lif({ threshold: 0.4 })), dropout(0.2), linear(16, 8), spiking(lif({ threshold: 0.3 }))), linear(8, CLASSES), spiking(leaky({ beta: 0.9 })), lastMembrane())],
  ])("%s: the lengths of each launch are its own", async (_, network) => {
    const [recorded, called] = [await trained(cuda, network()), await trained(cuda, network(), crossEntropy(), data(24, 5), false)];
    expect(recorded.steps).toEqual(called.steps);
    expect(recorded.weights).toEqual(called.weights);
  });
});
