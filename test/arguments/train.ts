import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  adam, adamW, buildRunReport, compareStepTime, conv, crossEntropy, csvLogger, defineLoss, encode, encodeModel, evaluate, meanSquaredError, mlp, modelNotes, OptimizerRun, predict, rateRegularizer,
  renderComparison, renderReport, restoreModel,
  readRun, RunDirectory, schedule, sgd, spikeCountRegularizer, spikeTimeCrossEntropy, spikeTimeSquaredError, sumOfLosses, tensorboardLogger, tet, Trainer, writeRunReport,
} from "../../src/index.ts";
import { sampleRun } from "../train/report/sampleRun.ts";
import { dataset, normalize } from "./data.ts";
import { device, makeModel, model, tensor } from "./kit.ts";
import { neuron, random } from "./nn.ts";
import { argument, callback, choice, count, finite, flag, natural, notNegative, object, optional, options, positive, row, type Row, share, text } from "./table.ts";

const betas = argument(() => [0.9, 0.99]);
const adamOptions = options({ lr: positive, betas, eps: positive, weightDecay: notNegative });
const of = choice("count");
const over = choice("samples");
const lengths = optional(argument(() => Int32Array.of(1, 2)));
const outputsOverTime = argument(() => tensor(3, 2, 3));
const layers = argument(() => ["1"], "list", "list of texts");
const optimizer = argument(() => sgd({ lr: 0.1 }));
const loss = argument(() => crossEntropy());
const encoder = argument(() => encode.constant);
const outputs = argument(() => tensor(2, 3));
const labels = argument(() => Int32Array.of(0, 1));
const aModel = argument(makeModel);
const trainer = (): Trainer => new Trainer(makeModel(), { optimizer: sgd({ lr: 0.1 }) });
const aTrainer = argument(trainer);
const bytes = await encodeModel(model);
const file = argument(() => bytes);
const fileName = argument(() => "model", "text");
const position = options({ step: natural, epoch: natural, totalSteps: count, stepsPerEpoch: count }, "step", "epoch", "totalSteps", "stepsPerEpoch");
const evaluation = { encoder, batchSize: count, normalize, recorder: argument(() => undefined), onBatch: callback };
const history = argument(() => ({ epochs: [], steps: [] }));
const optimizing = (): OptimizerRun => new OptimizerRun(sgd({ lr: 0.1 }), model.parameters(), device);

const parent = mkdtempSync(join(tmpdir(), "spikefold-arguments-"));
let directories = 0;
const freshPath = (): string => join(parent, `${directories++}`);
const path = argument(freshPath, "text");
const contents = argument(() => "{}", "text", "empty text");
/** One directory for all rows that write into one. */
let opened: Promise<RunDirectory> | undefined;
const run = (): Promise<RunDirectory> => (opened ??= RunDirectory.open(freshPath()));
const wanted = {};

export async function removeRuns(): Promise<void> {
  await (await opened)?.close();
  rmSync(parent, { recursive: true });
}

export const train: Record<string, Row> = {
  sgd: row(sgd, { options: options({ lr: positive, momentum: share, nesterov: argument(() => false), weightDecay: notNegative }, "lr") }),
  adam: row(adam, { options: adamOptions }),
  adamW: row(adamW, { options: adamOptions }),
  crossEntropy: row(crossEntropy, { options: options({ of, over }) }),
  defineLoss: row(defineLoss, {
    definition: options({ name: text, options: argument(() => ({}), "object", "bare object", "unknown option"), over, targets: callback, evaluate: callback }, "name", "targets", "evaluate"),
  }),
  "crossEntropy().evaluate": row(crossEntropy().evaluate, { output: outputs, labels, steps: count, lengths }),
  meanSquaredError: row(meanSquaredError, { options: options({ of, over, correct: finite, incorrect: finite }) }),
  "meanSquaredError().evaluate": row(meanSquaredError().evaluate, { output: outputs, labels, steps: count, lengths }),
  spikeTimeCrossEntropy: row(spikeTimeCrossEntropy, { options: options({ inverse: choice("negate") }) }),
  "spikeTimeCrossEntropy().evaluate": row(spikeTimeCrossEntropy().evaluate, { output: outputsOverTime, labels, steps: count, lengths }),
  spikeTimeSquaredError: row(spikeTimeSquaredError, { options: options({ correct: argument(() => 0, "number", "negative"), incorrect: argument(() => -1, "number", "negative"), tolerance: notNegative }) }),
  "spikeTimeSquaredError().evaluate": row(spikeTimeSquaredError().evaluate, { output: outputsOverTime, labels, steps: count, lengths }),
  tet: row(tet, { options: options({ lambda: share, phi: finite }) }),
  "tet().evaluate": row(tet().evaluate, { output: outputsOverTime, labels, steps: count, lengths }),
  sumOfLosses: row(sumOfLosses, { terms: argument(() => [[1, crossEntropy()]]) }),
  rateRegularizer: row(rateRegularizer, { options: options({ weight: notNegative, layers, target: finite, norm: choice("l1"), of: choice("layer"), side: choice("above") }, "weight") }),
  spikeCountRegularizer: row(spikeCountRegularizer, { options: options({ weight: notNegative, layers }, "weight") }),
  "schedule.constant": row(schedule.constant),
  "schedule.cosine": row(schedule.cosine, { options: options({ warmup: natural, final: share }) }),
  "schedule.cosine().factor": row(schedule.cosine().factor, { position }),
  "schedule.stepDecay": row(schedule.stepDecay, { options: options({ every: count, gamma: positive }, "every") }),
  "schedule.stepDecay().factor": row(schedule.stepDecay({ every: 1 }).factor, { position }),
  "schedule.reduceOnPlateau": row(schedule.reduceOnPlateau, {
    options: options({ metric: choice("trainLoss"), factor: share, patience: natural, threshold: notNegative, thresholdMode: choice("absolute"), cooldown: natural, minFactor: share }),
  }),
  "schedule.reduceOnPlateau().factor": row(schedule.reduceOnPlateau().factor, { position }),
  evaluate: row(evaluate, { model: aModel, dataset, options: options({ ...evaluation, loss, random }, "encoder", "loss", "random") }),

  predict: row(predict, { model: aModel, images: argument(() => new Uint8Array(8)), options: options(evaluation) }),
  OptimizerRun: row((...given: [never, never, never]) => new OptimizerRun(...given), { optimizer, parameters: argument(() => model.parameters(), "list"), device: argument(() => device), groups: optional(argument(() => [], "list")) }),
  "OptimizerRun.step": row((...given: [never, never]) => optimizing().step(...given), { factor: optional(positive), clip: optional(argument(() => tensor(1))) }),
  "OptimizerRun.prepare": row((...given: [never]) => optimizing().prepare(...given), { factor: optional(positive) }),
  "OptimizerRun.update": row((...given: [never]) => optimizing().update(...given), { clip: optional(argument(() => tensor(1))) }),
  "OptimizerRun.state": row(() => optimizing().state()),
  "OptimizerRun.dispose": row(() => optimizing().dispose()),
  Trainer: row((...given: [never, never]) => new Trainer(...given), {
    model: aModel, options: options({ optimizer, loss, schedule: argument(() => schedule.constant()), regularizers: argument(() => [], "list"), clipNorm: positive, seed: natural, graph: flag, bucketBytes: argument(() => 64, "number"), syncBatchNorm: flag }, "optimizer"),
  }),
  "Trainer.fit": row((...given: [never, never]) => trainer().fit(...given), {
    dataset,
    options: options({
      epochs: count, batchSize: count, encoder, normalize, augment: callback, testDataset: dataset, evaluateEvery: count, earlyStopping: argument(() => ({ patience: 1, metric: "trainLoss" })), runDirectory: argument(() => undefined, "text"), checkpointEvery: count,
      resume: argument(() => false), onStep: callback, onEpoch: callback, onEvaluate: callback, onGraph: callback,
    }, "epochs"),
  }),
  "Trainer.evaluate": row((...given: [never, never]) => trainer().evaluate(...given), { dataset, options: options(evaluation) }),
  "Trainer.stop": row(() => trainer().stop()),
  "Trainer.dispose": row(() => trainer().dispose()),

  encodeModel: row(encodeModel, { model: aModel, notes: optional(argument(() => ({ a: "b" }), "object", "bare object")) }),
  modelNotes: row(modelNotes, { bytes: file, fileName }),
  restoreModel: row(restoreModel, { model: aModel, bytes: file, fileName }),
  mlp: row(mlp, { options: options({ neuron, inputs: count, hidden: argument(() => [4], "list", "list of numbers"), classes: count }, "neuron") }),
  conv: row(conv, { options: options({ neuron, channels: count, size: argument(() => 28), classes: count }, "neuron") }),
  compareStepTime: row(compareStepTime, {
    trainer: aTrainer, dataset, options: options({ batchSize: count, encoder, repetitions: count, alternate: callback }),
  }),
  buildRunReport: row(buildRunReport, {
    trainer: aTrainer, dataset,
    options: options({ title: text, options: argument(() => ({}), "object", "bare object", "unknown option", "neuron"), history, encoder, threshold: finite, samples: count, notes: argument(() => [], "list", "list of texts") }, "title", "options", "history"),
  }),
  writeRunReport: row(async (...[directory, report]: [RunDirectory, never]) => writeRunReport(directory === wanted ? await run() : directory, report), {
    directory: argument(() => wanted), report: argument(() => sampleRun()),
  }),
  renderReport: row(renderReport, { report: argument(() => sampleRun()) }),
  renderComparison: row(renderComparison, { runs: argument(() => [{ name: "a", report: sampleRun() }]) }),
  csvLogger: row(csvLogger, { directory: path }),
  tensorboardLogger: row(tensorboardLogger, { directory: path }),
  readRun: { ...row(readRun, { path }), incomplete: true },
  "RunDirectory.open": row(async (...given: [never, never]) => (await RunDirectory.open(...given)).close(), { path: argument(freshPath, "text"), options: options({ notes: object, fresh: flag }) }),
  "RunDirectory.file": row(async (given: never) => (await run()).file(given), { name: choice("model") }),
  "RunDirectory.read": row(async (given: never) => (await run()).read(given), { name: choice("model") }),
  "RunDirectory.begin": row(async (given: never) => (await run()).begin(given), { setup: object }),
  "RunDirectory.save": row(async (...given: [never, never]) => (await run()).save(...given), { setup: object, checkpoint: contents }),
  "RunDirectory.finish": row(async (...given: [never, never]) => (await run()).finish(...given), { model: contents, metrics: contents }),
  "RunDirectory.write": row(async (...given: [never, never]) => (await run()).write(...given), { name: choice("metrics"), contents }),
  "RunDirectory.close": row(async () => (await RunDirectory.open(freshPath())).close()),
};
