/** Trains cases one after the other, alone or with other processes, and prints what came of each as a line of JSON. Arguments, one a case: "name T micro-batches updates". */
import { setTimeout } from "node:timers/promises";
import { constant, poissonRate } from "../../../src/data/encode.ts";
import { Random } from "../../../src/data/random.ts";
import { arraySequences } from "../../../src/data/sequences.ts";
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
import { deviceOfRank, leaks } from "./device.ts";

interface Case {
  body: LayerLike;
  data: ImageDataset | SequenceDataset;
  encoder?: EncoderMaker;
  loss?: Loss;
  regularizers?: readonly Regularizer[];
  clipNorm?: number;
}

/** Samples of one update. */
const BATCH = 21;
const network = (hidden: LayerLike, readout: LayerLike = rate()): LayerLike =>
  sequential(linear(16, 24), hidden, linear(24, 4), spiking(leaky({ beta: 0.9, threshold: 0.5 })), readout);
const fire = (): LayerLike => spiking(lif({ decayInput: false, threshold: 0.7 }));

function signals(steps: number, count: number): SequenceDataset {
  const random = new Random(8);
  const lengths = Array.from({ length: count }, (_, i) => (i % 5 === 0 ? steps : 1 + random.integer(steps)));
  const sequences = lengths.map((length, i) => Float32Array.from({ length: length * 16 }, (_, at) => (random.uniform() < (at % 16 === 3 * (i % 4) ? 0.9 : 0.2) ? 1 : 0)));
  return arraySequences({ name: "signals", shape: [16], sequences, labels: Int32Array.from({ length: count }, (_, i) => i % 4), classes: 4 });
}

const spikes: EncoderMaker = poissonRate;
const cases: Record<string, (steps: number, updates: number) => Case | Promise<Case>> = {
  lifHard: (_, updates) => ({ body: network(spiking(lif({ decayInput: false, threshold: 0.7, reset: "hard" }))), data: quadrants(BATCH * updates, 3), encoder: spikes }),
  lifSoft: (_, updates) => ({ body: network(spiking(lif({ decayInput: false, threshold: 0.7, reset: "soft" }))), data: quadrants(BATCH * updates, 3), encoder: constant }),
  adaptiveLif: (_, updates) => ({ body: network(spiking(adaptiveLif, { learn: ["decay", "beta"], perChannel: ["beta"] })), data: quadrants(BATCH * updates, 3), encoder: spikes }),
  synaptic: (_, updates) => ({ body: network(spiking(synaptic({ alpha: 0.8, beta: 0.9 })), lastMembrane()), data: quadrants(BATCH * updates, 3), encoder: spikes }),
  recurrent: (_, updates) => ({ body: network(recurrent(adaptiveLif), maxMembrane()), data: quadrants(BATCH * updates, 3), encoder: spikes }),
  parametric: (_, updates) => ({ body: sequential(linear(16, 24), groupNorm(2, 24), spiking(parametricLif()), dropout(0.2), linear(24, 24), dropout(0.3), fire(), linear(24, 4), spiking(leaky({ beta: 0.9, reset: "none" })), meanMembrane()), data: quadrants(BATCH * updates, 3), encoder: spikes, clipNorm: 0.5 }),
  everyStep: (_, updates) => ({ body: network(fire(), membranes()), data: quadrants(BATCH * updates, 3), encoder: spikes, loss: tet() }),
  firstSpikes: (_, updates) => ({ body: network(fire(), everyStep()), data: quadrants(BATCH * updates, 3), encoder: constant, loss: spikeTimeCrossEntropy() }),
  sequences: (steps, updates) => ({ body: network(fire(), spikeCount()), data: signals(steps, BATCH * updates) }),
  sequencesOfSteps: (steps, updates) => ({ body: network(recurrent(adaptiveLif), membranes()), data: signals(steps, BATCH * updates), loss: crossEntropy({ over: "steps" }) }),
  batchNorm: (_, updates) => ({ body: sequential(linear(16, 24), batchNorm2d(24), spiking(lif()), linear(24, 4), batchNorm2d(4), spiking(lif()), rate()), data: quadrants(BATCH * updates, 3), encoder: spikes }),
  regularized: (_, updates) => ({ body: network(fire()), data: quadrants(BATCH * updates, 3), encoder: spikes, regularizers: [rateRegularizer({ weight: 1, target: 0.1 })] }),
  mnist: async (_, updates) => ({ body: sequential(linear(784, 100), fire(), linear(100, 10), fire(), rate()), data: await loadMnist({ split: "train", limit: 64 * updates }) }),
};

const device = await deviceOfRank();
const group = await joinGroup({ device });

/** Bytes in use once what was sent has arrived: a copy of it is freed by one of the next calls. */
async function bytesInUse(): Promise<number> {
  await device.synchronize();
  await group.barrier();
  for (let round = 0; round < 3; round++) {
    using nothing = device.zeros([1]);
    group.allReduce(nothing).join();
    await setTimeout(10);
  }
  return device.bytesInUse;
}

async function run(name: string, steps: number, microBatches: number, updates: number): Promise<void> {
  const { body, data, encoder, loss, regularizers, clipNorm } = await cases[name](steps, updates);
  const shape = "lengths" in data ? [...data.shape] : [data.height * data.width * data.channels];
  const model = Model.build(body, { device, inputShape: shape, steps, random: new Random(5) });
  const optimizer = name === "mnist" ? adam({ lr: 1e-3 }) : sgd({ lr: 1 });
  const trainer = new Trainer(model, { optimizer, loss, regularizers, clipNorm, seed: 2, group, parallel: "time", microBatches });
  const before = await bytesInUse();
  const [losses, penalties]: [number[], (number | undefined)[]] = [[], []];
  const done = await trainer.fit(data as ImageDataset, {
    epochs: 1, batchSize: name === "mnist" ? 64 : BATCH, encoder: encoder as never, onWarning: () => undefined,
    onStep(event) {
      losses.push(event.loss);
      penalties.push(event.penalty);
    },
  });
  const left = (await bytesInUse()) - before;
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
process.stderr.write(leaks());
