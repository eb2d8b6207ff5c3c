import { checkArgument, checkOptions, instanceOf, integer, kind, listOf, object, type OptionKinds, required, text } from "../check.ts";
import type { BatchLoaderOptions } from "../data/batches.ts";
import type { Dataset } from "../data/sequences.ts";
import { constant } from "../data/encode.ts";
import { Recorder } from "../nn/recorder.ts";
import { environment } from "./environment.ts";
import { encoderKind, type EncoderMaker } from "./encoding.ts";
import type { EpochMetrics, History } from "./history.ts";
import { confusionMatrix, type EpochReport, type LayerRate, type RunReport, type Settings, spreadOf } from "./report/data.ts";
import { checkReport, encodeReport } from "./report/file.ts";
import { renderReport } from "./report/render.ts";
import { RunDirectory } from "./runDirectory.ts";
import { chooseSamples, largest, sampleReports } from "./sampleReports.ts";
import type { StepTime } from "./stepTime.ts";
import { Trainer } from "./trainer.ts";
import type { FitResult } from "./trainerOptions.ts";

export interface RunReportOptions {
  title: string;
  /** Of the run, for its readers. What the trainer knows (optimiser, loss, schedule, seed) is in the report anyway. */
  options: Readonly<Settings>;
  /** What `fit` returned. */
  history: History & Partial<Pick<FitResult, "warnings">>;
  /** As in training. Default: `constant`. */
  encoder?: EncoderMaker;
  /** As in training. Default: none. */
  normalize?: BatchLoaderOptions["normalize"];
  /** What `compareStepTime` returned. Default: no times of a step. */
  stepTime?: StepTime;
  /** Test samples shown; some of them, if there are, are such as the model gets wrong. Default 6. */
  samples?: number;
  /** Shown at the top: layers that do not fire, for example. Default: those of `history`. */
  warnings?: readonly string[];
  /** What to say of the machine besides device, processor, versions and date. */
  environment?: Readonly<Record<string, string | number>>;
  /** Shown at the end. */
  notes?: readonly string[];
}

const historyKind = kind("what trainer.fit returns, { epochs, steps }", (x) => object.accepts(x) && Array.isArray((x as History).epochs) && Array.isArray((x as History).steps));
const kinds: OptionKinds<RunReportOptions> = {
  title: required(text), options: required(object), history: required(historyKind), encoder: encoderKind, normalize: object, stepTime: object, samples: integer(0),
  warnings: listOf(text), environment: object, notes: listOf(text),
};

/** More than these make a matrix that nobody reads. */
const MATRIX_CLASSES = 256;

/**
 * Gathers what a report shows: learning curves, the confusion matrix and firing rates of the test set, what the layers do on some samples of it,
 * where the time goes, and how to run it again. Runs the test set once.
 * @throws OptionError for options that are not as they should be; what `trainer.evaluate` throws.
 */
export async function buildRunReport(trainer: Trainer, testDataset: Dataset, options: RunReportOptions): Promise<RunReport> {
  checkArgument("buildRunReport", "trainer", trainer, instanceOf(Trainer, "a Trainer: new Trainer(model, { optimizer })"));
  checkOptions("buildRunReport", options, kinds);
  const { title, history, encoder = constant, normalize, stepTime, samples = 6, warnings = (history.warnings ?? []).map(({ message }) => message), notes = [] } = options;
  const { model } = trainer;
  const predictions: number[] = [];
  using recorder = new Recorder({ perNeuron: true, operations: true });
  await trainer.evaluate(testDataset, {
    encoder, normalize, recorder,
    onScores(scores, { length }) {
      const classes = scores.length / length;
      for (let row = 0; row < length; row++) predictions.push(largest(Array.from(scores.subarray(row * classes, (row + 1) * classes))));
    },
  });
  const [classes] = model.outputShape;
  const shown = await sampleReports(model, testDataset, chooseSamples(testDataset, predictions, samples), { encoder, normalize });
  const neuronRates = new Map((await recorder.neuronRates()).map(({ layer, rates }) => [layer, spreadOf(rates)]));
  return {
    title,
    model: model.summary().map(({ name, outputShape, parameters }) => ({ name, outputShape: [...outputShape], parameters })),
    options: { ...options.options },
    training: describeTraining(trainer),
    environment: { ...(await environment(model.device)), ...options.environment } as RunReport["environment"],
    epochs: history.epochs.filter(isEvaluated),
    steps: history.steps,
    samples: shown.samples,
    firingRates: (await recorder.firingRates()).map(({ layer, rate }): LayerRate => ({ layer, rate, neurons: neuronRates.get(layer) })),
    operations: await recorder.synapticOperations(),
    confusion: classes <= MATRIX_CLASSES ? confusionMatrix(testDataset.labels, predictions, classes) : undefined,
    stepTime: stepTime && { fusedMs: stepTime.fusedMs, stepwiseMs: stepTime.stepwiseMs, speedup: stepTime.speedup, fused: stepTime.fused, stepwise: stepTime.stepwise },
    classNames: testDataset.classNames && [...testDataset.classNames],
    scoreName: shown.scoreName,
    warnings: [...warnings],
    notes: [...notes],
  };
}

/** Writes the report as report.html, and what it shows as report.json, of which `spikefold report` renders it anew. */
export async function writeRunReport(directory: RunDirectory, report: RunReport): Promise<void> {
  checkArgument("writeRunReport", "directory", directory, instanceOf(RunDirectory, "a RunDirectory: await RunDirectory.open(path)"));
  checkReport("writeRunReport", report);
  await directory.write("reportData", encodeReport(report));
  await directory.write("report", renderReport(report));
}

function describeTraining({ optimizer: { optimizer }, loss, schedule, clipNorm, seed }: Trainer): Settings {
  const described = ({ name, options }: { name: string; options: Readonly<Settings> }): string => [name, ...Object.entries(options).map(([option, value]) => `${option} ${value}`)].join(", ");
  return { optimiser: described(optimizer), loss: described(loss), schedule: described(schedule), "gradient clipping": clipNorm === undefined ? "none" : `norm ${clipNorm}`, seed };
}

const isEvaluated = (epoch: EpochMetrics): epoch is EpochReport => epoch.testLoss !== undefined && epoch.testAccuracy !== undefined;
