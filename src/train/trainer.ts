import { type Batch, BatchLoader, type BatchLoaderOptions } from "../data/batches.ts";
import { checkInteger } from "../data/check.ts";
import type { ImageDataset } from "../data/dataset.ts";
import { constant as constantInput } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import { OptionError } from "../errors.ts";
import type { Model } from "../nn/model.ts";
import { clearGradients } from "../nn/parameter.ts";
import type { Recorder } from "../nn/recorder.ts";
import { Tape } from "../nn/tape.ts";
import { checkSetup, type Checkpoint, decodeCheckpoint, encodeCheckpoint, type Setup, type TrainingPosition } from "./checkpoint.ts";
import { GradientClipper } from "./clip.ts";
import { TrainingError } from "./error.ts";
import { checkFit, classScores, encodeBatch, type EncoderMaker, evaluate, type Evaluation, onTape, readScalars, yieldToEvents } from "./evaluation.ts";
import type { EpochMetrics, History, StepMetrics } from "./history.ts";
import { crossEntropy, type Loss } from "./loss.ts";
import { type Optimizer, OptimizerRun } from "./optimizer.ts";
import { RunDirectory } from "./runDirectory.ts";
import { constant, type Schedule } from "./schedule.ts";
import { describeSetup } from "./setup.ts";
import { download, encodeModel, modelTensors, upload } from "./weights.ts";

export interface TrainerOptions {
  optimizer: Optimizer;
  /** Default: cross-entropy of the outputs. */
  loss?: Loss;
  /** Default: the optimiser's learning rate throughout. */
  schedule?: Schedule;
  /** Limit on the norm of all gradients together. Default: none. */
  clipNorm?: number;
  /** The batches' order, the encoder's spikes and dropout follow from it. Default 0. */
  seed?: number;
}

export interface FitOptions {
  epochs: number;
  /** Default 128. */
  batchSize?: number;
  /** How images become input over time. Default: `constant`, the intensities as a current at all steps. */
  encoder?: EncoderMaker;
  normalize?: BatchLoaderOptions["normalize"];
  augment?: BatchLoaderOptions["augment"];
  testDataset?: ImageDataset;
  /** Epochs between evaluations on the test set; the last epoch is always evaluated. Default 1. */
  evaluateEvery?: number;
  /** Where checkpoints are written, and at the end the weights and metrics (Node only). Default: nowhere. */
  runDirectory?: string;
  /** Updates between checkpoints; there is one after every epoch too. Default 200. */
  checkpointEvery?: number;
  /** Go on from the run directory's checkpoint, if it holds one. Without it, a directory that holds one is refused. Default false. */
  resume?: boolean;
  /** After each update. A promise that it returns is awaited, out of the measured time: the place to evaluate, to look at spikes, to pause. */
  onStep?: (event: StepEvent) => unknown;
  onEpoch?: (metrics: EpochMetrics) => void;
  /** While the test set is evaluated: samples done so far. */
  onEvaluate?: (samples: number, total: number) => void;
}

export interface StepEvent extends StepMetrics {
  /** Updates that the whole training has. */
  totalSteps: number;
  /** From 1. */
  epoch: number;
  /** Means over the epoch so far. */
  epochLoss: number;
  epochAccuracy: number;
}

export interface FitResult extends History {
  /** False if `stop` ended it early. */
  finished: boolean;
}

/** Trains a model on labelled images. */
export class Trainer {
  readonly model: Model;
  readonly optimizer: OptimizerRun;
  readonly loss: Loss;
  readonly schedule: Schedule;
  readonly seed: number;
  readonly clipNorm: number | undefined;
  readonly #random: Random;
  readonly #clipper: GradientClipper | undefined;
  #stopping = false;

  /** @throws OptionError if an option is out of range. */
  constructor(model: Model, { optimizer, loss = crossEntropy(), schedule = constant(), clipNorm, seed = 0 }: TrainerOptions) {
    this.model = model;
    this.loss = loss;
    this.schedule = schedule;
    this.seed = seed;
    this.clipNorm = clipNorm;
    this.#random = new Random(seed);
    this.#clipper = clipNorm === undefined ? undefined : new GradientClipper(clipNorm, model.device);
    this.optimizer = new OptimizerRun(optimizer, model.parameters(), model.device);
  }

  /**
   * Trains for a number of epochs. The same model, data, options and seed give the same weights, bit for bit, on the same device,
   * also when the process is killed at any moment, any number of times, and resumed from its run directory.
   * @throws TrainingError if the loss or a weight is no longer finite (the last checkpoint stays); OptionError for options out of range, or that
   * differ from those of the run that is resumed; FileFormatError for a checkpoint that is damaged or of another model.
   */
  async fit(dataset: ImageDataset, options: FitOptions): Promise<FitResult> {
    this.#stopping = false;
    const { epochs, batchSize = 128, evaluateEvery = 1, checkpointEvery = 200, testDataset, normalize, augment, onStep, onEpoch } = options;
    for (const [name, value] of Object.entries({ epochs, evaluateEvery, checkpointEvery })) checkInteger(name, value, 1);
    for (const each of [dataset, ...(testDataset ? [testDataset] : [])]) checkFit(this.model, each);
    const loader = new BatchLoader(dataset, { batchSize, normalize, augment, shuffle: true, random: this.#random.fork("batches") });
    const { batchesPerEpoch } = loader;
    const totalSteps = epochs * batchesPerEpoch;
    const run: Run = { setup: describeSetup(this, dataset, options), position: { ...START }, history: { epochs: [], steps: [] }, directory: undefined };
    await this.#openDirectory(run, options);
    const { position, history } = run;
    if (position.epoch > epochs) throw new OptionError(`epochs is ${epochs}: the run has ${position.epoch} already`);
    if (position.batch < batchesPerEpoch) loader.restore(position);
    else loader.restore({ epoch: position.epoch + 1, batch: 0 });

    while (position.epoch < epochs) {
      while (position.batch < batchesPerEpoch && !this.#stopping) {
        const start = performance.now();
        const batch = loader.next();
        const factor = this.schedule.factor({ step: position.step, totalSteps, stepsPerEpoch: batchesPerEpoch });
        const { loss, correct } = await this.#step(batch, options.encoder, position.step, factor);
        position.step++;
        position.updates = this.optimizer.count;
        position.batch++;
        position.lossSum += loss * batch.size;
        position.correct += correct;
        position.samples += batch.size;
        position.seconds += (performance.now() - start) / 1000;
        const metrics: StepMetrics = { step: position.step, loss, accuracy: Math.fround(correct / batch.size) };
        history.steps.push(metrics);
        await onStep?.({
          ...metrics, totalSteps, epoch: position.epoch + 1,
          epochLoss: position.lossSum / position.samples, epochAccuracy: position.correct / position.samples,
        });
        if (position.step % checkpointEvery === 0 && !this.#stopping) await this.#save(run);
        await yieldToEvents();
      }
      if (this.#stopping) {
        await this.#save(run);
        return { ...history, finished: false };
      }
      const metrics = epochMetrics(position);
      if (testDataset && (metrics.epoch % evaluateEvery === 0 || metrics.epoch === epochs)) {
        const { onEvaluate } = options;
        const test = await this.evaluate(testDataset, {
          encoder: options.encoder, normalize, onBatch: onEvaluate && ((samples) => onEvaluate(samples, testDataset.count)),
        });
        metrics.testLoss = test.loss;
        metrics.testAccuracy = test.accuracy;
      }
      history.epochs.push(metrics);
      Object.assign(position, { ...START, step: position.step, updates: position.updates, epoch: position.epoch + 1 });
      await this.#save(run);
      onEpoch?.(metrics);
    }
    await run.directory?.write("model", await encodeModel(this.model));
    await run.directory?.writeJson("metrics", history);
    return { ...history, finished: true };
  }

  /** Loss and accuracy on a data set, as after training: running statistics, no dropout. */
  evaluate(dataset: ImageDataset, { encoder = constantInput, batchSize, normalize, recorder, onBatch }: {
    encoder?: EncoderMaker;
    /** Default 256. */
    batchSize?: number;
    normalize?: BatchLoaderOptions["normalize"];
    recorder?: Recorder;
    onBatch?: (samples: number) => void;
  } = {}): Promise<Evaluation> {
    return evaluate(this.model, dataset, { encoder, batchSize, normalize, recorder, onBatch, loss: this.loss, random: this.#random });
  }

  /** Ends the `fit` that is under way after its current step, with a checkpoint if it has a run directory. */
  stop(): void {
    this.#stopping = true;
  }

  /** Frees what the trainer has on the device; the model stays. */
  dispose(): void {
    this.optimizer.dispose();
    this.#clipper?.dispose();
  }

  async #step(batch: Batch, encoder: EncoderMaker = constantInput, step: number, factor: number) {
    const { model } = this;
    const { device, steps } = model;
    const parameters = model.parameters();
    const encode = encoder({ steps, random: this.#random.fork(`encoding of step ${step}`) });
    clearGradients(parameters);
    using tape = new Tape(device, { steps, training: true, random: this.#random.fork(`dropout of step ${step}`) });
    using input = encodeBatch(model, encode, batch.inputs, batch.size);
    const output = model.forward(tape, onTape(tape, input));
    const { loss, gradient, correct } = this.loss.evaluate(classScores(output), batch.labels, steps);
    try {
      tape.backward(output, gradient);
      this.optimizer.step(factor, this.#clipper?.factor(parameters.flatMap(({ gradient: each }) => each ?? [])));
      clearGradients(parameters);
      const [lossValue, correctCount] = await readScalars(loss, correct);
      if (!Number.isFinite(lossValue)) {
        throw new TrainingError(
          `the loss of step ${step + 1} is ${lossValue}: training diverged. Try a smaller learning rate, a warm-up, or clipNorm: 1; the last checkpoint is intact.`,
        );
      }
      return { loss: lossValue, correct: correctCount };
    } finally {
      for (const tensor of [loss, gradient, correct]) tensor.dispose();
    }
  }

  async #openDirectory(run: Run, { runDirectory, resume = false }: FitOptions): Promise<void> {
    if (runDirectory === undefined) {
      if (resume) throw new OptionError("resume needs a runDirectory that holds a checkpoint");
      return;
    }
    run.directory = await RunDirectory.open(runDirectory);
    const bytes = await run.directory.read("checkpoint");
    if (!bytes) return;
    const file = run.directory.file("checkpoint");
    if (!resume) throw new OptionError(`${file} is there already: resume that run, or choose another runDirectory`);
    this.#restore(run, decodeCheckpoint(bytes, file), file);
  }

  #restore(run: Run, { setup, position, random, history, model, optimizer }: Checkpoint, file: string): void {
    checkSetup(setup, run.setup, file);
    upload({ ...model, ...underName("optimizer", optimizer) }, { ...modelTensors(this.model), ...underName("optimizer", this.optimizer.state()) }, file);
    this.#random.state = random;
    this.optimizer.count = position.updates;
    run.position = position;
    run.history = history;
  }

  async #save({ setup, position, history, directory }: Run): Promise<void> {
    if (!directory) return;
    const [model, optimizer] = [await download(modelTensors(this.model)), await download(this.optimizer.state())];
    await directory.write("checkpoint", encodeCheckpoint({ setup, position, history, random: this.#random.state, model, optimizer }));
  }
}

interface Run {
  setup: Setup;
  position: TrainingPosition;
  history: History;
  directory: RunDirectory | undefined;
}

const START: TrainingPosition = { step: 0, updates: 0, epoch: 0, batch: 0, lossSum: 0, correct: 0, samples: 0, seconds: 0 };

const epochMetrics = ({ epoch, lossSum, correct, samples, seconds }: TrainingPosition): EpochMetrics => ({
  epoch: epoch + 1, trainLoss: lossSum / samples, trainAccuracy: correct / samples, seconds, samplesPerSecond: samples / seconds,
});

const underName = <T>(name: string, values: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${name}.${key}`, value]));
