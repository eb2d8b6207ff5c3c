/** Trains on MNIST as its argument says, alone or as one of several ranks, and prints what came of it as one line of JSON. */
import { loadMnist } from "../../../src/data/index.ts";
import { poissonRate } from "../../../src/data/encode.ts";
import { Random } from "../../../src/data/random.ts";
import { lif } from "../../../src/neuron/library/index.ts";
import { batchNorm2d, dropout, flatten, type LayerLike, linear, Model, rate, recompute, sequential, spiking } from "../../../src/nn/index.ts";
import { joinGroup } from "../../../src/parallel/join.ts";
import { adam, sgd } from "../../../src/train/optimizer.ts";
import { rateRegularizer, spikeCountRegularizer } from "../../../src/train/regularizer.ts";
import { Trainer } from "../../../src/train/trainer.ts";
import { deviceOfRank, leaks } from "./device.ts";

export interface TrainArguments {
  network: "mlp" | "batchNorm" | "dropout" | "recompute";
  batchSize: number;
  updates: number;
  epochs?: number;
  optimizer?: "adam" | "sgd";
  clipNorm?: number;
  regularize?: boolean;
  poisson?: boolean;
  augment?: boolean;
  syncBatchNorm?: boolean;
  bucketBytes?: number;
  directory?: string;
  checkpointEvery?: number;
  /** This rank stops after that update. */
  stopAfter?: number;
  stopper?: number;
  /** Milliseconds that each update takes besides. */
  pause?: number;
  /** What a rank is given otherwise. */
  odd?: { rank: number } & Partial<TrainArguments>;
}

export interface TrainResult {
  rank: number;
  losses: number[];
  accuracies: number[];
  penalties: number[];
  test: { loss: number; accuracy: number };
  finished: boolean;
  bytesInUse: number;
  weights: Record<string, string>;
}

const neuron = lif({ decayInput: false });
const networks: Record<TrainArguments["network"], () => LayerLike> = {
  mlp: () => sequential(flatten(), linear(784, 64), spiking(neuron), linear(64, 10), spiking(neuron), rate()),
  batchNorm: () => sequential(flatten(), linear(784, 64, { bias: false }), batchNorm2d(64), spiking(neuron), linear(64, 10, { bias: false }), batchNorm2d(10), spiking(neuron), rate()),
  dropout: () => sequential(flatten(), linear(784, 64), spiking(neuron), dropout(0.3), linear(64, 10), spiking(neuron), rate()),
  recompute: () => sequential(flatten(), recompute(linear(784, 64, { bias: false }), batchNorm2d(64), spiking(neuron), dropout(0.3)), linear(64, 10), spiking(neuron), rate()),
};

const device = await deviceOfRank();
const group = await joinGroup({ device });
process.stdout.write("joined\n");
try {
  const given = JSON.parse(process.argv[2]) as TrainArguments;
  const options = given.odd?.rank === group.rank ? { ...given, ...given.odd } : given;
  const { network, batchSize, updates, epochs = 1, optimizer = "adam", clipNorm, regularize, poisson, augment, syncBatchNorm, bucketBytes, directory, checkpointEvery, stopAfter, stopper = 0, pause = 0 } = options;
  // The last batch is a smaller one, unless batches are small already.
  const limit = updates * batchSize - (batchSize > 8 ? 2 : 0);
  const [train, test] = [await loadMnist({ split: "train", limit }), await loadMnist({ split: "test", limit: 250 })];
  const model = Model.build(networks[network](), { device, inputShape: [28, 28, 1], steps: 4, random: new Random(1 + group.rank) });
  const before = device.bytesInUse;
  const trainer = new Trainer(model, {
    optimizer: optimizer === "adam" ? adam({ lr: 1e-3 }) : sgd({ lr: 0.05, momentum: 0.9 }), clipNorm, seed: 5, group, syncBatchNorm, bucketBytes,
    regularizers: regularize ? [rateRegularizer({ weight: 0.5, target: 0.1 }), rateRegularizer({ weight: 0.2, of: "layer" }), rateRegularizer({ weight: 0.3, of: "sample" }), spikeCountRegularizer({ weight: 1e-5 })] : undefined,
  });
  // A process alone draws the weights that all have: rank 0's.
  const result = await trainer.fit(train, {
    epochs, batchSize, testDataset: test, runDirectory: directory, resume: directory !== undefined, checkpointEvery, onWarning: () => undefined,
    encoder: poisson ? ({ random }) => poissonRate({ steps: 4, random }) : undefined,
    augment: augment ? (images, _, random) => void images.forEach((value, i) => (images[i] = Math.min(255, value + random.integer(16)))) : undefined,
    async onStep({ step }) {
      if (group.rank === stopper && step === stopAfter) trainer.stop();
      process.stdout.write(`update ${step}\n`);
      if (pause > 0) await new Promise((resolve) => setTimeout(resolve, pause));
    },
  });
  const { loss, accuracy } = await trainer.evaluate(test);
  trainer.dispose();
  const weights: Record<string, string> = {};
  for (const { name, value } of [...model.parameters(), ...model.buffers()]) weights[name] = Buffer.from((await device.read(value)).buffer).toString("base64");
  const said: TrainResult = {
    rank: group.rank, losses: result.steps.map(({ loss }) => loss), accuracies: result.steps.map(({ accuracy }) => accuracy), penalties: result.steps.flatMap(({ penalty }) => penalty ?? []),
    test: { loss, accuracy }, finished: result.finished, bytesInUse: device.bytesInUse - before, weights,
  };
  process.stdout.write(`${JSON.stringify(said)}\n`);
} catch (error) {
  process.stderr.write(`${(error as Error).name}: ${(error as Error).message}\n`);
  process.exitCode = 1;
} finally {
  await group.dispose();
  await device.dispose();
  process.stderr.write(leaks());
}
