import { join } from "node:path";
import { type Dataset, isSequences } from "../../data/sequences.ts";
import { ranksOf } from "../../parallel/ranks.ts";
import type { TrainingWarning } from "../../train/activity.ts";
import { csvLogger } from "../../train/csvLogger.ts";
import type { EncoderMaker } from "../../train/encoding.ts";
import type { EpochMetrics } from "../../train/history.ts";
import type { TrainingLogger } from "../../train/logger.ts";
import { createProgress, formatDuration, type Progress } from "../../train/progress.ts";
import type { RunDirectory } from "../../train/runDirectory.ts";
import { buildRunReport, writeRunReport } from "../../train/runReport.ts";
import { cosine } from "../../train/schedule.ts";
import type { GraphEvent } from "../../train/step.ts";
import { compareStepTime, type StepTime } from "../../train/stepTime.ts";
import { tensorboardLogger } from "../../train/tensorboardLogger.ts";
import { type StepEvent, Trainer } from "../../train/trainer.ts";
import type { Command } from "../command.ts";
import { onInterrupt } from "../interrupt.ts";
import { commandLine } from "../invocation.ts";
import { describeMemory } from "../memory.ts";
import { describeOptions, parseArguments } from "../options.ts";
import { mute, printResult, say } from "../output.ts";
import { encoders, optimizers, lossOf } from "../recipe.ts";
import { datasetHelp, loadDataset } from "../datasets.ts";
import { buildModel, flatSettings, type LogName, withDevice, withGroup } from "../run.ts";
import { requestedRun, trainOptions } from "../trainSettings.ts";

export const trainCommand: Command = {
  name: "train",
  summary: "Train a spiking network on images, events or speech",
  usage: `Usage: spikefold train DATASET [OPTIONS]

${datasetHelp}

Trains a network of spiking neurons, of yours too (--neuron mine.mjs); writes checkpoints, weights, metrics and a report into the run's directory.
Ctrl-C stops after the current step. A run that was stopped or killed goes on with --resume, to the same weights.

${describeOptions(trainOptions)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(trainOptions, args, 1);
    const isFirst = ranksOf().rank === 0;
    if (!isFirst) mute();
    const { settings, neuron, open } = await requestedRun(values, positionals[0], isFirst);
    const [dataset, testDataset] = await Promise.all([loadDataset(settings, "train"), loadDataset(settings, "test")]);
    return withDevice(settings.device, (device) => withGroup(device, async (group) => {
      const { seed, epochs, batch: batchSize, parallel, microBatches } = settings;
      const inTime = group.size > 1 && parallel === "time";
      const ownBatch = inTime ? batchSize : Math.ceil(batchSize / group.size);
      const encoder = encoders[settings.encoder];
      const model = buildModel(settings, neuron, dataset, device);
      const optimizer = optimizers[settings.optimizer](settings);
      say(`${describeMemory(model, { dataset, testDataset, batch: ownBatch, timeChunks: inTime ? group.size : 1, optimizer, timeConstant: settings.encoder === "constant" && !isSequences(dataset), recompute: settings.recompute ?? false })}\n`);
      if (group.size > 1) say(`${group.size} processes, ${group.description}: each ${inTime ? `has a chunk of the ${settings.steps} time steps` : `trains on its share of every ${batchSize} samples`}\n`);
      const trainer = new Trainer(model, { optimizer, schedule: cosine(), loss: lossOf(settings), seed, group, parallel, microBatches, syncBatchNorm: settings.syncBatchNorm });
      const interruption = new AbortController();
      let isTraining = true;
      const release = onInterrupt(() => {
        trainer.stop();
        interruption.abort();
        return isTraining ? "stopping after this step" : "leaving out the timing; the report is being written";
      });
      let directory: RunDirectory | undefined;
      try {
        directory = isFirst ? await open() : undefined;
        if (interruption.signal.aborted) return 130;
        if (directory?.state === "finished") say(`the run in ${directory.path} is finished, there is nothing left to train: its report is made again\n`);
        const { finish, ...progress } = showProgress(values.verbose ?? false);
        const loggers: TrainingLogger[] = directory ? [progress, ...(settings.log ?? []).map((name) => makeLogger[name](directory!.path))] : [];
        const result = await trainer.fit(dataset, {
          epochs, batchSize, encoder, testDataset, runDirectory: directory, resume: true, checkpointEvery: values.checkpoint ?? 100,
          allowChanged: values["any-device"] ? ["arithmetic"] : [],
          ...progress,
          onStep: (event) => loggers.forEach(({ onStep }) => onStep(event)),
          onEpoch: (metrics) => loggers.forEach(({ onEpoch }) => onEpoch(metrics)),
        });
        finish();
        if (!directory) return result.finished ? 0 : 130;
        if (!result.finished) {
          say(`stopped after ${result.steps.length} steps; go on with: ${commandLine("train", "--resume", directory.path)}\n`);
          return 130;
        }
        isTraining = false;
        // All time steps of a batch that is trained in chunks may be more than one device holds.
        const stepTime = inTime ? undefined : await timeStep(trainer, dataset, { batchSize: ownBatch, encoder, signal: interruption.signal });
        await writeRunReport(directory, await buildRunReport(trainer, testDataset, {
          title: `${settings.dataset}, ${settings.model}`, options: flatSettings(settings), history: result, encoder, stepTime,
        }));
        const last = result.epochs[result.epochs.length - 1];
        const summary: Summary = {
          ...settings, device: device.name, testAccuracy: last.testAccuracy!, testLoss: last.testLoss!, trainAccuracy: last.trainAccuracy, trainLoss: last.trainLoss,
          seconds: result.epochs.reduce((sum, { seconds }) => sum + seconds, 0), samplesPerSecond: last.samplesPerSecond,
          stepTime: stepTime ? { ...stepTime, batch: ownBatch } : null, runDirectory: directory.path, report: directory.file("report"),
        };
        const code = await printResult(values.json ? `${JSON.stringify(summary)}\n` : describe(summary));
        return interruption.signal.aborted ? 130 : code;
      } finally {
        await directory?.close();
        release();
      }
    }), { portable: settings.portable });
  },
};

const makeLogger: Record<LogName, (directory: string) => TrainingLogger> = { csv: csvLogger, tensorboard: (directory) => tensorboardLogger(join(directory, "tensorboard")) };

/** Seconds that the comparison for the report may take. */
const TIMING_BUDGET = 10;

async function timeStep(trainer: Trainer, dataset: Dataset, options: { batchSize: number; encoder: EncoderMaker; signal: AbortSignal }): Promise<StepTime | undefined> {
  const { signal } = options;
  if (signal.aborted || isSequences(dataset)) return undefined;
  say(`timing a training step with all time steps in one kernel, and step by step, for ${TIMING_BUDGET} s at most; Ctrl-C leaves it out\n`);
  const stepTime = await compareStepTime(trainer, dataset, { ...options, repetitions: 5, budget: TIMING_BUDGET });
  if (!stepTime && !signal.aborted) say(`step by step, one training step takes longer than ${TIMING_BUDGET} s: it is left out of the report\n`);
  return stepTime;
}

interface Summary {
  testAccuracy: number;
  testLoss: number;
  trainAccuracy: number;
  trainLoss: number;
  epochs: number;
  batch: number;
  steps: number;
  seconds: number;
  samplesPerSecond: number;
  /** Of a process's share of the batch. Null where it was left out. */
  stepTime: (StepTime & { batch: number }) | null;
  runDirectory: string;
  report: string;
  [option: string]: unknown;
}

function describe({ testAccuracy, epochs, seconds, samplesPerSecond, steps, stepTime, report }: Summary): string {
  return `
test accuracy   ${percent(testAccuracy)} after ${epochs} ${epochs === 1 ? "epoch" : "epochs"}, ${formatDuration(seconds)} of training, ${samplesPerSecond.toFixed(0)} samples/s
${stepTime ? stepTimeLine(stepTime, steps) : ""}report          ${report}
`;
}

const stepTimeLine = ({ fusedMs, stepwiseMs, speedup, batch }: StepTime & { batch: number }, steps: number): string =>
  `training step   ${fusedMs.toFixed(1)} ms with all ${steps} time steps in one kernel, ${stepwiseMs.toFixed(1)} ms step by step: ${speedup.toFixed(2)}× (batch ${batch}, same weights)\n`;

const percent = (fraction: number): string => `${(100 * fraction).toFixed(2)}%`;

/** A bar over all steps, with a line after each epoch and for each warning. */
function showProgress(verbose: boolean) {
  let progress: Progress | undefined;
  const line = (text: string): void => (progress ? progress.log(text) : say(`${text}\n`));
  return {
    finish: (): void => progress?.finish(),
    onStep({ step, totalSteps, epoch, epochLoss, epochAccuracy }: StepEvent): void {
      progress ??= createProgress({ total: totalSteps, label: "training", initial: step });
      progress.update(step, { loss: epochLoss, accuracy: epochAccuracy, epoch });
    },
    onEpoch({ epoch, trainLoss, trainAccuracy, testAccuracy, seconds, samplesPerSecond }: EpochMetrics): void {
      const test = testAccuracy === undefined ? "" : `, test accuracy ${percent(testAccuracy)}`;
      progress?.log(`epoch ${epoch}: loss ${trainLoss.toFixed(4)}, accuracy ${percent(trainAccuracy)}${test} (${formatDuration(seconds)}, ${samplesPerSecond.toFixed(0)} samples/s)`);
    },
    onWarning({ message }: TrainingWarning): void {
      line(`warning: ${message}`);
    },
    onGraph({ kind, message }: GraphEvent): void {
      if (verbose || kind === "callByCall") line(message);
    },
  };
}
