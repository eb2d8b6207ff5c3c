import { checkArgument, checkOptions } from "../check.ts";
import type { Augmentation } from "../data/batches.ts";
import type { ImageDataset } from "../data/dataset.ts";
import type { SequenceAugmentation } from "../data/sequenceLoader.ts";
import type { Dataset, SequenceDataset } from "../data/sequences.ts";
import { constant as constantInput } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import { OptionError, ParallelError } from "../errors.ts";
import { type Model, modelKind } from "../nn/model.ts";
import { TrainingWatch } from "./activity.ts";
import { type Checkpoint, decodeCheckpoint, encodeCheckpoint, type TrainingPosition } from "./checkpoint.ts";
import { BUCKET_BYTES } from "./buckets.ts";
import { GradientClipper } from "./clip.ts";
import { afterRun, type Before, beforeOf, checkCourse, factorOf, NOTHING, schedulePosition, totalStepsOf, withBefore } from "./course.ts";
import { afterEpoch, checkEarlyStopping, type EarlyStoppingState, isOver, NOT_BEGUN } from "./earlyStopping.ts";
import { checkFit, evaluateKinds, evaluateOn, type Evaluation, type TrainerEvaluateOptions, yieldToEvents } from "./evaluation.ts";
import { requireFinite } from "./finite.ts";
import type { EpochMetrics, History, StepMetrics } from "./history.ts";
import type { Loss } from "./loss.ts";
import { crossEntropy } from "./losses/crossEntropy.ts";
import type { Setup } from "./manifest.ts";
import { OptimizerRun } from "./optimizer.ts";
import { broadcastAll, exchange, exchangeValues, Ranks, requireSame } from "./ranks.ts";
import { checkRegularizers, type Regularizer } from "./regularizer.ts";
import { RunDirectory } from "./runDirectory.ts";
import { checkMetric } from "./metric.ts";
import { constant, type Schedule, type ScheduleState } from "./schedule.ts";
import { checkSetup, describeSetup } from "./setup.ts";
import { type Source, sourceOf } from "./source.ts";
import { TrainingStep } from "./step.ts";
import { checkTimeChunks, type TimeChunking } from "./timeChunks.ts";
import { TimeChunkStep } from "./timeChunkStep.ts";
import { type FitOptions, type FitResult, fitKinds, trainerKinds, type TrainerOptions } from "./trainerOptions.ts";
import type { NamedTensor } from "./safetensors.ts";
import { download, encodeModel, modelTensors, upload } from "./weights.ts";

export type { FitOptions, FitResult, StepEvent, TrainerOptions } from "./trainerOptions.ts";

/** Trains a model on labelled images, or signals over time. */
export class Trainer {
  readonly model: Model;
  readonly optimizer: OptimizerRun;
  readonly loss: Loss;
  readonly regularizers: readonly Regularizer[];
  readonly schedule: Schedule;
  readonly seed: number;
  readonly clipNorm: number | undefined;
  readonly #random: Random;
  readonly #clipper: GradientClipper | undefined;
  readonly #step: TrainingStep | TimeChunkStep;
  readonly #chunking: TimeChunking | undefined;
  readonly #watch = new TrainingWatch();
  /** With whom it trains, where there are others. */
  readonly #ranks: Ranks | undefined;
  /** The last call of `fit`. */
  #run: Run | undefined;
  #training = false;
  #stopping = false;
  /** The directory that `fit` opened itself. */
  #opened: RunDirectory | undefined;

  /** @throws OptionError if an option is unknown, missing or out of range. */
  constructor(model: Model, options: TrainerOptions) {
    checkArgument("new Trainer", "model", model, modelKind);
    if (Object.hasOwn(Object(options), "lr")) throw new OptionError("new Trainer: the learning rate is the optimiser's: { optimizer: adam({ lr: 0.001 }) }");
    checkOptions("new Trainer", options, trainerKinds);
    const { optimizer, loss = crossEntropy(), regularizers = [], schedule = constant(), groups, clipNorm, seed = 0, graph = true, group, bucketBytes = BUCKET_BYTES, syncBatchNorm = false } = options;
    const { parallel = "data", microBatches = 1 } = options;
    if (parallel === "data" && options.microBatches !== undefined) throw new OptionError('new Trainer: microBatches is for parallel: "time"; with "data" each process has one part of a batch');
    this.model = model;
    checkRegularizers(regularizers, model);
    this.#chunking = group && group.size > 1 && parallel === "time" ? { group, microBatches } : undefined;
    if (this.#chunking) checkTimeChunks(model, this.#chunking, regularizers);
    this.loss = loss;
    this.regularizers = regularizers;
    this.schedule = schedule;
    this.seed = seed;
    this.clipNorm = clipNorm;
    this.#random = new Random(seed);
    this.#clipper = clipNorm === undefined ? undefined : new GradientClipper(clipNorm, model.device);
    this.optimizer = new OptimizerRun(optimizer, model.parameters(), model.device, groups);
    this.#ranks = group && group.size > 1 ? new Ranks(group, { bucketBytes, syncBatchNorm: syncBatchNorm || parallel === "time" }) : undefined;
    const parts = { model, loss, regularizers, optimizer: this.optimizer, clipper: this.#clipper, parallel: this.#ranks };
    this.#step = this.#chunking ? new TimeChunkStep(parts, this.#chunking) : new TrainingStep(parts, graph);
  }

  /**
   * Trains for a number of epochs; a later call goes on where the one before ended. The same model, data, options and seed give the same weights, bit for bit,
   * on the same device, in one call or in several, also when the process is killed at any moment, any number of times, and resumed from its run directory.
   * @throws TrainingError if the loss, a gradient or a weight is no longer finite (the last checkpoint stays); OptionError for data, options or encoded inputs that are
   * not as they should be, or options that differ from those of the run that is resumed; FileFormatError for a checkpoint that is damaged or of another model; ParallelError if the ranks of a
   * group were not given the same, or if one is lost, with the last checkpoint, from which any number of them goes on.
   */
  fit(dataset: ImageDataset, options: FitOptions): Promise<FitResult>;
  fit(dataset: SequenceDataset, options: FitOptions<SequenceAugmentation>): Promise<FitResult>;
  fit(dataset: Dataset, options: FitOptions<undefined>): Promise<FitResult>;
  async fit(dataset: Dataset, options: AnyFitOptions): Promise<FitResult> {
    checkOptions("fit", options, fitKinds);
    if (this.#training) throw new OptionError("fit: this trainer trains already: await that fit, or stop() it and await it, before the next");
    this.#training = true;
    this.#stopping = false;
    if (this.#run) this.#run.begun = false;
    try {
      return await this.#fit(dataset, options);
    } catch (error) {
      throw error instanceof ParallelError && this.#run?.begun ? withCheckpoint(error, this.#run) : error;
    } finally {
      this.#training = false;
      await this.#opened?.close();
      this.#opened = undefined;
    }
  }

  async #fit(dataset: Dataset, options: AnyFitOptions): Promise<FitResult> {
    const { epochs, evaluateEvery = 1, checkpointEvery = 200, testDataset, onStep, onEpoch, earlyStopping, onWarning = ({ message }) => console.warn(message), onGraph = () => undefined } = options;
    const { source, run } = await this.#agree(dataset, options);
    const { batchesPerEpoch } = source;
    this.#run = run;
    await this.#begin(run, options);
    run.begun = true;
    const { position, history, before } = run;
    if (position.epoch > epochs) throw new OptionError(`epochs is ${epochs}: the run has ${position.epoch} already`);
    const totalSteps = totalStepsOf(before, options, batchesPerEpoch);
    if (position.batch < batchesPerEpoch) source.restore({ epoch: before.epochs + position.epoch, batch: position.batch });
    else source.restore({ epoch: before.epochs + position.epoch + 1, batch: 0 });
    // Ranks stop together: after the update in which one of them asks for it.
    const isStopping = (): boolean => (this.#ranks ? run.stopping : this.#stopping);
    while (position.epoch < epochs && !isOver(earlyStopping, run.earlyStopping)) {
      while (position.batch < batchesPerEpoch && !isStopping()) {
        const start = performance.now();
        const factor = factorOf(this.schedule, schedulePosition(before, position, options, batchesPerEpoch, run.schedule));
        const step = before.steps + position.step;
        const { input, steps, lengths, lossLabels: labels, size, share, validSteps } = await source.next(this.#random.fork(`encoding of step ${step}`));
        const isLast = position.epoch + 1 === epochs && position.batch + 1 === batchesPerEpoch;
        const { loss, correct, penalty, activity, stop } = await this.#step.run({
          input, steps, lengths, labels, share, validSteps, stop: this.#stopping,
          random: () => this.#random.fork(`dropout of step ${step}`), factor, looks: this.#watch.looksAt(step, isLast), update: step + 1,
        }, onGraph);
        run.stopping ||= stop;
        position.step++;
        position.updates = this.optimizer.count;
        position.batch++;
        position.lossSum += loss * size;
        position.correct += correct;
        if (penalty !== undefined) position.penaltySum = (position.penaltySum ?? 0) + penalty * size;
        position.samples += size;
        position.seconds += (performance.now() - start) / 1000;
        const metrics: StepMetrics = { step: step + 1, loss, accuracy: Math.fround(correct / size), ...(penalty === undefined ? {} : { penalty }) };
        history.steps.push(metrics);
        if (run.directory?.state === "new") await run.directory.begin(run.setup);
        for (const warning of this.#watch.see(step + 1, loss, metrics.accuracy, activity)) onWarning(warning);
        await onStep?.({
          ...metrics, totalSteps, epoch: before.epochs + position.epoch + 1,
          epochLoss: position.lossSum / position.samples, epochAccuracy: position.correct / position.samples,
        });
        if (position.step % checkpointEvery === 0 && !isStopping()) await this.#save(run);
        await yieldToEvents();
      }
      if (isStopping()) {
        await this.#save(run);
        return { ...history, finished: false, warnings: [...this.#watch.warnings] };
      }
      this.#shareStatistics();
      await requireFinite({ ...modelTensors(this.model), ...underName("optimizer", this.optimizer.state()) }, `after epoch ${before.epochs + position.epoch + 1}`);
      const metrics = epochMetrics(before, position);
      if (testDataset && (metrics.epoch % evaluateEvery === 0 || position.epoch + 1 === epochs)) {
        const test = await this.#evaluateUnlessStopped(testDataset, options);
        if (!test) {
          await this.#save(run);
          return { ...history, finished: false, warnings: [...this.#watch.warnings] };
        }
        metrics.testLoss = test.loss;
        metrics.testAccuracy = test.accuracy;
      }
      history.epochs.push(metrics);
      run.schedule = this.schedule.observe?.(run.schedule, metrics);
      if (earlyStopping) {
        run.earlyStopping = afterEpoch(earlyStopping, run.earlyStopping, metrics);
        if (earlyStopping.restoreBest && run.earlyStopping.bestEpoch === metrics.epoch) run.best = await download(modelTensors(this.model));
      }
      Object.assign(position, { ...START, step: position.step, updates: position.updates, epoch: position.epoch + 1 });
      await this.#save(run);
      onEpoch?.(metrics);
    }
    for (const warning of this.#watch.end(before.steps + position.step)) onWarning(warning);
    if (run.best) upload(run.best, modelTensors(this.model), "the best epoch");
    if (this.#ranks && earlyStopping?.restoreBest) broadcastAll(this.#ranks.group, Object.values(modelTensors(this.model)));
    await this.#onFirst(async () => run.directory?.finish(await encodeModel(this.model), `${JSON.stringify(history, null, 2)}\n`));
    return { ...history, finished: true, bestEpoch: run.earlyStopping.bestEpoch, warnings: [...this.#watch.warnings] };
  }

  #prepare(dataset: Dataset, options: AnyFitOptions): Prepared {
    const { batchSize = 128, testDataset, normalize, augment, bucket, padTo, encoder, earlyStopping } = options;
    if (earlyStopping) checkEarlyStopping(earlyStopping);
    checkMetric(`the schedule ${this.schedule.name}`, this.schedule.metric, testDataset);
    checkMetric("earlyStopping", earlyStopping && (earlyStopping.metric ?? "testLoss"), testDataset);
    for (const each of [dataset, ...(testDataset ? [testDataset] : [])]) checkFit(this.model, each);
    if (this.optimizer.parameters.length === 0) throw new OptionError("fit: the model has no parameters to learn, or all are frozen");
    const source = sourceOf(this.model, dataset, { batchSize, normalize, augment, encoder, bucket, padTo, shuffle: true, random: this.#random.fork("batches"), group: this.#chunking ? undefined : this.#ranks?.group }, this.loss);
    const begun = this.#run ? afterRun(this.#run.before, this.#run.position) : NOTHING;
    const run: Run = {
      setup: withBefore(describeSetup(this, dataset, options), begun), before: begun, position: { ...START }, history: { epochs: [], steps: [] }, directory: undefined,
      schedule: options.restartSchedule ? undefined : this.#run?.schedule, earlyStopping: NOT_BEGUN, best: undefined, file: undefined, saved: undefined, begun: false, stopping: false,
    };
    return { source, run };
  }

  /**
   * Loss and accuracy on a data set, as after training: running statistics, no dropout. With a group, all ranks call it and share the samples, or the time steps; but a recorder and
   * `onScores` see all of them, and a rank that has one evaluates by itself.
   * @throws TrainingError if a weight or the loss is not finite; OptionError for data or options that are not as they should be.
   */
  async evaluate(dataset: Dataset, options: TrainerEvaluateOptions = {}): Promise<Evaluation> {
    checkOptions("evaluate", options, evaluateKinds);
    const { encoder = constantInput, ...rest } = options;
    this.#step.release("its memory was given to an evaluation");
    const shared = { ...rest, encoder, loss: this.loss, random: this.#random };
    const isAlone = rest.recorder !== undefined || rest.onScores !== undefined;
    if (isAlone) return evaluateOn(undefined, this.model, dataset, shared);
    return this.#chunking ? evaluateOn(this.#chunking.group, this.model, dataset, shared) : evaluateOn(undefined, this.model, dataset, { ...shared, group: this.#ranks?.group });
  }

  /** Ends the `fit` that is under way after its current step, or batch of evaluation, with a checkpoint if it has a run directory; with a group, on all ranks, after the update that follows. */
  stop(): void {
    this.#stopping = true;
  }

  /** Frees what the trainer has on the device; the model stays. */
  dispose(): void {
    this.#step.dispose();
    this.optimizer.dispose();
    this.#clipper?.dispose();
  }

  async #evaluateUnlessStopped(dataset: Dataset, { encoder, normalize, padTo, onEvaluate }: AnyFitOptions): Promise<Evaluation | undefined> {
    const onBatch = (samples: number): void => {
      if (this.#stopping && !this.#ranks && samples < dataset.count) throw new Stopped();
      onEvaluate?.(samples, dataset.count);
    };
    try {
      return await this.evaluate(dataset, { encoder, normalize, padTo, onBatch });
    } catch (error) {
      if (error instanceof Stopped) return undefined;
      throw error;
    }
  }

  /** What a call of `fit` begins with; of a group, once all ranks were given the same. */
  async #agree(dataset: Dataset, options: AnyFitOptions): Promise<Prepared> {
    if (!this.#ranks) return this.#prepare(dataset, options);
    const { group, bucketBytes, syncBatchNorm } = this.#ranks;
    const { epochs, evaluateEvery, checkpointEvery, testDataset, resume } = options;
    let prepared: Prepared | undefined;
    requireSame(await exchangeValues(group, () => {
      prepared = this.#prepare(dataset, options);
      return { ...prepared.run.setup, parallel: this.#chunking ? "time" : "data", microBatches: this.#chunking?.microBatches, epochs, evaluateEvery, checkpointEvery, testDataset: testDataset && `${testDataset.name}, ${testDataset.count} samples`, resume, bucketBytes, syncBatchNorm };
    }));
    return prepared!;
  }

  /** Opens the run directory, and goes on from what is in it. Of a group, rank 0 does, and the others have all from it. */
  async #begin(run: Run, options: AnyFitOptions): Promise<void> {
    const first = async (): Promise<void> => {
      await this.#openDirectory(run, options);
      checkCourse(this.schedule, run.before, options);
    };
    if (!this.#ranks) return first();
    const { group } = this.#ranks;
    const isFirst = group.rank === 0;
    const [state] = await exchange(group, async () => {
      if (isFirst) await first();
      return isFirst && run.saved !== undefined ? this.#encoded(run) : new Uint8Array(0);
    });
    const [{ before, file }] = await exchangeValues(group, () => ({ before: run.before, file: run.file }));
    if (!isFirst) {
      Object.assign(run, { before, file });
      if (state.length > 0) this.#goOn(run, decodeCheckpoint(state, "the state that rank 0 sent"));
    }
    broadcastAll(group, [...Object.values(modelTensors(this.model)), ...Object.values(this.optimizer.state())]);
  }

  /** Does something on rank 0, or where there is no other; all ranks wait for it. */
  async #onFirst(work: () => Promise<void>): Promise<void> {
    if (!this.#ranks) return work();
    const { group } = this.#ranks;
    await exchangeValues(group, async () => void (group.rank === 0 && (await work())));
  }

  /** Gives all ranks the running statistics of rank 0, where each has its own. */
  #shareStatistics(): void {
    if (this.#ranks && !this.#ranks.syncBatchNorm) broadcastAll(this.#ranks.group, this.model.buffers().map(({ value }) => value));
  }

  async #openDirectory(run: Run, { runDirectory, resume = false, allowChanged = [] }: AnyFitOptions): Promise<void> {
    if (runDirectory === undefined) {
      if (resume) throw new OptionError("resume needs a runDirectory");
      return;
    }
    if (!(runDirectory instanceof RunDirectory)) this.#opened = await RunDirectory.open(runDirectory);
    const directory = runDirectory instanceof RunDirectory ? runDirectory : this.#opened!;
    run.directory = directory;
    run.file = directory.file("checkpoint");
    if (directory.state === "new") return;
    if (!resume) throw new OptionError(`${directory.path} holds a run already: resume: true goes on with it; or choose another runDirectory`);
    const bytes = await directory.read("checkpoint");
    if (bytes) run.before = beforeOf(directory.setup);
    run.setup = withBefore(run.setup, run.before);
    checkSetup(directory.setup, run.setup, allowChanged, directory.file("run"));
    const file = directory.file("checkpoint");
    if (bytes) this.#restore(run, decodeCheckpoint(bytes, file), file);
  }

  #restore(run: Run, checkpoint: Checkpoint, file: string): void {
    const { model, optimizer } = checkpoint;
    upload({ ...model, ...underName("optimizer", optimizer) }, { ...modelTensors(this.model), ...underName("optimizer", this.optimizer.state()) }, file);
    this.#goOn(run, checkpoint);
  }

  /** Takes over all of a checkpoint but tensors of the model and the optimiser. */
  #goOn(run: Run, { position, random, history, schedule, earlyStopping = NOT_BEGUN, best }: Checkpoint): void {
    this.#random.state = random;
    this.optimizer.count = position.updates;
    Object.assign(run, { position, schedule, earlyStopping, best, saved: run.before.steps + position.step });
    run.history = { ...history, steps: history.steps.map((metrics) => ({ ...metrics, step: run.before.steps + metrics.step })) };
  }

  async #save(run: Run): Promise<void> {
    if (run.file === undefined) return;
    this.#shareStatistics();
    await this.#onFirst(async () => {
      const [model, optimizer] = [await download(modelTensors(this.model)), await download(this.optimizer.state())];
      await run.directory!.save(run.setup, this.#encoded(run, { model, optimizer, best: run.best }));
      run.file = run.directory!.file("checkpoint");
    });
    run.saved = run.before.steps + run.position.step;
  }

  #encoded({ position, history, schedule, earlyStopping }: Run, tensors: Pick<Checkpoint, "model" | "optimizer" | "best"> = { model: {}, optimizer: {} }): Uint8Array {
    return encodeCheckpoint({ position, history, random: this.#random.state, schedule, earlyStopping, ...tensors });
  }
}

type AnyFitOptions = FitOptions<Augmentation | SequenceAugmentation | undefined>;

interface Run {
  setup: Setup;
  before: Before;
  position: TrainingPosition;
  history: History;
  directory: RunDirectory | undefined;
  /** What the schedule remembers. */
  schedule: ScheduleState | undefined;
  earlyStopping: EarlyStoppingState;
  /** The model of the best epoch, where it is to be taken back. */
  best: Record<string, NamedTensor> | undefined;
  /** The last checkpoint, and after which update it is. */
  file: string | undefined;
  saved: number | undefined;
  /** Whether updates may have been made. */
  begun: boolean;
  /** Whether one of several ranks asks to stop. */
  stopping: boolean;
}

interface Prepared {
  source: Source;
  run: Run;
}

/** What a run that lost a rank goes on from. */
const withCheckpoint = (error: ParallelError, { file, saved }: Run): ParallelError => new ParallelError(
  `${error.message}. ${saved === undefined ? "There is no checkpoint yet" : `The last checkpoint, ${file}, is after update ${saved}: resume: true, or --resume, goes on from it with any number of processes`}`, { cause: error });

const START: TrainingPosition = { step: 0, updates: 0, epoch: 0, batch: 0, lossSum: 0, correct: 0, samples: 0, seconds: 0, penaltySum: undefined };

const epochMetrics = (before: Before, { epoch, lossSum, correct, penaltySum, samples, seconds }: TrainingPosition): EpochMetrics => ({
  epoch: before.epochs + epoch + 1, trainLoss: lossSum / samples, trainAccuracy: correct / samples, ...(penaltySum === undefined ? {} : { trainPenalty: penaltySum / samples }), seconds, samplesPerSecond: samples / seconds,
});

/** Thrown to end an evaluation. */
class Stopped extends Error {}

const underName = <T>(name: string, values: Record<string, T>): Record<string, T> =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [`${name}.${key}`, value]));
