/** Trains cases one after the other, alone or with other processes, and prints what came of each as a line of JSON. Arguments, one a case: "name T micro-batches updates". */
import { constant, poissonRate } from "../../../src/data/encode.ts";
import { Random } from "../../../src/data/random.ts";
import { arraySequences } from "../../../src/data/sequences.ts";
import { CpuDevice } from "../../../src/device/cpu/device.ts";
import { joinGroup } from "../../../src/parallel/join.ts";
import type { SequenceDataset } from "../../../src/data/sequences.ts";
import type { ImageDataset } from "../../../src/data/dataset.ts";
import { loadMnist } from "../../../src/data/mnist.ts";
import { leaky, lif, parametricLif, synaptic } from "../../../src/neuron/index.ts";
import {
  batchNorm2d, dropout, everyStep, groupNorm, lastMembrane, type LayerLike, linear, maxMembrane, meanMembrane, membranes, Model, rate, recurrent, sequential, spikeCount, spiking,
} from "../../../src/nn/index.ts";
import { adam, crossEntropy, type EncoderMaker, type Loss, rateRegularizer, type Regularizer, sgd, spikeTimeCrossEntropy, tet, Trainer } from "../../../src/train/index.ts";
import { adaptiveLif } from "../../conformance/neurons.ts";
import { quadrants } from "../../train/digits.ts";

interface Case {
  body: LayerLike;
  data: ImageDataset | SequenceDataset;
  encoder?: EncoderMaker;
  loss?: Loss;
  regularizers?: readonly Regularizer[];
  clipNorm?: number;
}

const images = quadrants(60, 3);
const network = (hidden: LayerLike, readout: LayerLike = rate()): LayerLike =>
  sequential(linear(16, 24), hidden, linear(24, 4), spiking(leaky({ beta: 0.9, threshold: 0.5 })), readout);
const fire = (): LayerLike => spiking(lif({ decayInput: false, threshold: 0.7 }));

function signals(steps: number): SequenceDataset {
  const random = new Random(8);
  const lengths = Array.from({ length: 40 }, (_, i) => (i % 5 === 0 ? steps : 1 + random.integer(steps)));
  const sequences = lengths.map((length, i) => Float32Array.from({ length: length * 16 }, (_, at) => (random.uniform() < (at % 16 === 3 * (i % 4) ? 0.9 : 0.2) ? 1 : 0)));
  return arraySequences({ name: "signals", shape: [16], sequences, labels: Int32Array.from({ length: 40 }, (_, i) => i % 4), classes: 4 });
}

const spikes: EncoderMaker = poissonRate;
const cases: Record<string, (steps: number) => Case | Promise<Case>> = {
  lifHard: () => ({ body: network(spiking(lif({ decayInput: false, threshold: 0.7, reset: "hard" }))), data: images, encoder: spikes }),
  lifSoft: () => ({ body: network(spiking(lif({ decayInput: false, threshold: 0.7, reset: "soft" }))), data: images, encoder: constant }),
  adaptiveLif: () => ({ body: network(spiking(adaptiveLif, { learn: ["decay", "beta"], perChannel: ["beta"] })), data: images, encoder: spikes }),
  synaptic: () => ({ body: network(spiking(synaptic({ alpha: 0.8, beta: 0.9 })), lastMembrane()), data: images, encoder: spikes }),
  recurrent: () => ({ body: network(recurrent(adaptiveLif), maxMembrane()), data: images, encoder: spikes }),
  parametric: () => ({ body: sequential(linear(16, 24), groupNorm(2, 24), spiking(parametricLif()), dropout(0.2), linear(24, 24), dropout(0.3), fire(), linear(24, 4), spiking(leaky({ beta: 0.9, reset: "none" })), meanMembrane()), data: images, encoder: spikes, clipNorm: 0.5 }),
  everyStep: () => ({ body: network(fire(), membranes()), data: images, encoder: spikes, loss: tet() }),
  firstSpikes: () => ({ body: network(fire(), everyStep()), data: images, encoder: constant, loss: spikeTimeCrossEntropy() }),
  sequences: (steps) => ({ body: network(fire(), spikeCount()), data: signals(steps) }),
  sequencesOfSteps: (steps) => ({ body: network(recurrent(adaptiveLif), membranes()), data: signals(steps), loss: crossEntropy({ over: "steps" }) }),
  batchNorm: () => ({ body: sequential(linear(16, 24), batchNorm2d(24), spiking(lif()), linear(24, 4), batchNorm2d(4), spiking(lif()), rate()), data: images, encoder: spikes }),
  regularized: () => ({ body: network(fire()), data: images, encoder: spikes, regularizers: [rateRegularizer({ weight: 1, target: 0.1 })] }),
  mnist: async () => ({ body: sequential(linear(784, 100), fire(), linear(100, 10), fire(), rate()), data: await loadMnist({ split: "train", limit: 3200 }) }),
};

const device = await CpuDevice.open(1);
const group = await joinGroup({ device });

async function run(name: string, steps: number, microBatches: number, updates: number): Promise<void> {
  const { body, data, encoder, loss, regularizers, clipNorm } = await cases[name](steps);
  const shape = "lengths" in data ? [...data.shape] : [data.height * data.width * data.channels];
  const model = Model.build(body, { device, inputShape: shape, steps, random: new Random(5) });
  const optimizer = name === "mnist" ? adam({ lr: 1e-3 }) : sgd({ lr: 1 });
  const trainer = new Trainer(model, { optimizer, loss, regularizers, clipNorm, seed: 2, group, parallel: "time", microBatches });
  const before = device.bytesInUse;
  const [losses, penalties]: [number[], (number | undefined)[]] = [[], []];
  const done = await trainer.fit(data as ImageDataset, {
    epochs: 100, batchSize: name === "mnist" ? 64 : 21, encoder: encoder as never, onWarning: () => undefined,
    onStep(event) {
      losses.push(event.loss);
      penalties.push(event.penalty);
      if (losses.length === updates) trainer.stop();
    },
  });
  const left = device.bytesInUse - before;
  const { loss: testLoss, accuracy } = await trainer.evaluate(data, { encoder: encoder as never, batchSize: 32 });
  const weights: Record<string, number[]> = {};
  for (const { name: parameter, value } of [...model.parameters(), ...model.buffers()]) weights[parameter] = [...(await device.read(value))];
  console.log(JSON.stringify({ losses, penalties, accuracies: done.steps.map((step) => step.accuracy), weights, left: group.size === 1 ? 0 : left, evaluated: { loss: testLoss, accuracy } }));
  trainer.dispose();
  model.dispose();
}

for (const given of process.argv.slice(2)) {
  const [name, ...numbers] = given.split(" ");
  const [steps, microBatches, updates] = numbers.map(Number);
  await run(name, steps, microBatches, updates);
}
await group.barrier();
await group.dispose();
await device.dispose();
