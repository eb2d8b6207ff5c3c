import { either, flag, func, instanceOf, integer, listOf, object, oneOf, type OptionKinds, positive, required, text, withMethods } from "../check.ts";
import type { Augmentation, BatchLoaderOptions } from "../data/batches.ts";
import type { SequenceLoaderOptions } from "../data/sequenceLoader.ts";
import type { Dataset } from "../data/sequences.ts";
import { groupKind } from "../nn/statistics.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import type { TrainingWarning } from "./activity.ts";
import { earlyStoppingKind, type EarlyStoppingOptions } from "./earlyStopping.ts";
import { encoderKind, type EncoderMaker } from "./encoding.ts";
import type { EpochMetrics, History, StepMetrics } from "./history.ts";
import { type Loss, lossKind } from "./loss.ts";
import { groupsKind, type ParameterGroup } from "./groups.ts";
import { RunDirectory } from "./runDirectory.ts";
import { type Optimizer, optimizerKind } from "./optimizer.ts";
import { type Regularizer, regularizersKind } from "./regularizer.ts";
import type { Schedule } from "./schedule.ts";
import type { GraphEvent } from "./step.ts";

export interface TrainerOptions {
  optimizer: Optimizer;
  /** Default: cross-entropy of the outputs. */
  loss?: Loss;
  /** What is added to the loss of the spikes of layers. Default: nothing. */
  regularizers?: readonly Regularizer[];
  /** Default: the optimiser's learning rate throughout. */
  schedule?: Schedule;
  /** Parameters with a learning rate of their own, or frozen; the first group that has one counts. Default: none. */
  groups?: readonly ParameterGroup[];
  /** Limit on the norm of all gradients together, those of frozen parameters left out. Default: none. */
  clipNorm?: number;
  /** The batches' order, the encoder's spikes and dropout follow from it. Default 0. */
  seed?: number;
  /**
   * Record an update of the weights and launch it as one graph, where the device can: the code of layers and functions runs in the first two updates of a shape alone, and what it
   * decides there holds for all. False: it runs in each. The weights are the same, bit for bit. Default true.
   */
  graph?: boolean;
  /**
   * The processes that train together (`await joinGroup({ device })`), each with the same model, options and whole data set. The batch size of `fit` is that of all together, and all get the
   * weights, losses and metrics of the whole. Default: this process trains alone.
   */
  group?: ProcessGroup;
  /**
   * How they share the work. "data": each takes its share of the samples of every batch. "time": each has a chunk of the time steps of all samples, and hands the states of neurons on to the next, for
   * T that is too long for one device. Default "data".
   */
  parallel?: "data" | "time";
  /**
   * With `parallel: "time"`: into how many parts a batch falls, on which processes work at once; the gradient is that of the whole batch. Batch norm and regularisers see whole batches and
   * need 1. Default 1.
   */
  microBatches?: number;
  /** Of several processes: bytes of gradients that are sent together; with `parallel: "data"` while the backward pass goes on. Default 4 MiB. */
  bucketBytes?: number;
  /**
   * Of several processes: batch norm's statistics are of the whole batch, as they are on one device; with `parallel: "time"` they always are. Default false: of each process's share; rank 0's
   * running statistics are those of all.
   */
  syncBatchNorm?: boolean;
}

/** What may differ from the run that is resumed: the way in which the device rounds, or the source of `encoder` and `augment`. */
export type AllowedChange = "arithmetic" | "functions";

/** A: what augments the data, batches of images or samples of sequences. */
export interface FitOptions<A = Augmentation> {
  /** Passes over the data in this call; of a run that is resumed, with those it has already. */
  epochs: number;
  /**
   * Epochs of all calls of `fit` together, on which a schedule that leads to an end (`cosine`) counts; needed when a trainer with such a schedule trains in
   * several calls. Default: those before this call, and its own.
   */
  totalEpochs?: number;
  /** The schedule begins anew with this call, for its epochs alone. Default false: it goes on. */
  restartSchedule?: boolean;
  /** Default 128. */
  batchSize?: number;
  /** How images become input over time. Default: `constant`, the intensities as a current at all steps. */
  encoder?: EncoderMaker;
  normalize?: BatchLoaderOptions["normalize"];
  /** Changes batches of images, or samples of sequences, in training. Default: none. */
  augment?: A;
  /** Of sequences: batches are of samples of similar length, so that less is padding. Default false. */
  bucket?: SequenceLoaderOptions["bucket"];
  /** Of sequences: T of a batch is rounded up to a multiple of it. Default: to an eighth of a power of two. */
  padTo?: SequenceLoaderOptions["padTo"];
  testDataset?: Dataset;
  /** Epochs between evaluations on the test set; the last epoch is always evaluated. Default 1. */
  evaluateEvery?: number;
  /** End the training once a metric has not got better for some epochs of this call. Default: it has all its epochs. */
  earlyStopping?: EarlyStoppingOptions;
  /** Where checkpoints are written, and at the end the weights and metrics (Node only): a path, or a directory that you opened and will close. Default: nowhere. */
  runDirectory?: string | RunDirectory;
  /** Updates between checkpoints; there is one after every epoch too. Default 200. */
  checkpointEvery?: number;
  /** Go on with the run in the directory, if it holds one. Without it, a directory that holds one is refused. Default false. */
  resume?: boolean;
  /**
   * What may differ from the run that is resumed: "arithmetic", the way in which the device rounds, so that the weights are not those of an undisturbed
   * run, bit for bit; "functions", the source of `encoder` and `augment`. Default: nothing.
   */
  allowChanged?: readonly AllowedChange[];
  /** After each update. A promise that it returns is awaited, out of the measured time: the place to evaluate, to look at spikes, to pause. */
  onStep?: (event: StepEvent) => unknown;
  onEpoch?: (metrics: EpochMetrics) => void;
  /** While the test set is evaluated: samples done so far. */
  onEvaluate?: (samples: number, total: number) => void;
  /** A layer that does not fire, or a loss that does not change; each once for a trainer. Default: `console.warn` of its message. */
  onWarning?: (warning: TrainingWarning) => void;
  /** Updates are launched as one graph from now on, or are not, and why. Default: nobody. */
  onGraph?: (event: GraphEvent) => void;
}

export interface StepEvent extends StepMetrics {
  /** Updates that the whole training has, with those before this call. */
  totalSteps: number;
  /** From 1, over all calls of `fit`. */
  epoch: number;
  /** Means over the epoch so far. */
  epochLoss: number;
  epochAccuracy: number;
}

export interface FitResult extends History {
  /** False if `stop` ended it early. */
  finished: boolean;
  /** With early stopping: the best epoch, whose weights the model has with `restoreBest`. */
  bestEpoch?: number;
  /** All that the trainer has warned of. */
  warnings: readonly TrainingWarning[];
}

export const trainerKinds: OptionKinds<TrainerOptions> = {
  optimizer: required(optimizerKind),
  loss: lossKind,
  regularizers: regularizersKind,
  schedule: withMethods("a schedule: schedule.cosine()", "factor"),
  groups: groupsKind,
  clipNorm: positive,
  seed: integer(0),
  graph: flag,
  group: groupKind,
  parallel: oneOf("data", "time"),
  microBatches: integer(1),
  bucketBytes: integer(4),
  syncBatchNorm: flag,
};

export const fitKinds: OptionKinds<FitOptions> = {
  epochs: required(integer(1)), totalEpochs: integer(1), restartSchedule: flag, batchSize: integer(1), encoder: encoderKind, normalize: object, augment: func, bucket: flag, padTo: integer(1), testDataset: object,
  evaluateEvery: integer(1), earlyStopping: earlyStoppingKind, runDirectory: either(text, instanceOf(RunDirectory, "a RunDirectory: await RunDirectory.open(path)")), checkpointEvery: integer(1), resume: flag,
  allowChanged: listOf(oneOf("arithmetic", "functions")), onStep: func, onEpoch: func, onEvaluate: func, onWarning: func, onGraph: func,
};
