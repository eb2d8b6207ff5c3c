import { BatchLoader } from "../data/batches.ts";
import { type ImageDataset, isFloat } from "../data/dataset.ts";
import { constant } from "../data/encode.ts";
import { Random } from "../data/random.ts";
import type { Model } from "../nn/model.ts";
import { type LayerRecord, Recorder } from "../nn/recorder.ts";
import { Tape } from "../nn/tape.ts";
import { classScores, encodeBatch, type EncoderMaker, onTape } from "./evaluation.ts";
import type { EpochMetrics, History } from "./history.ts";
import { type MembraneTrace, rasterOf, renderReport, type EpochReport, type RunReport, type SampleReport } from "./report/render.ts";
import type { RunDirectory } from "./runDirectory.ts";
import type { StepTime } from "./stepTime.ts";
import type { Trainer } from "./trainer.ts";

export interface RunReportOptions {
  title: string;
  /** Of the run, for its readers. */
  options: Record<string, string | number | boolean>;
  history: History;
  encoder?: EncoderMaker;
  stepTime?: StepTime;
  /** Drawn over the membranes. Default 1. */
  threshold?: number;
  /** Test samples shown; some of them, if there are, are such as the model gets wrong. Default 6. */
  samples?: number;
  environment?: Record<string, string | number>;
  notes?: string[];
}

/** Test images from which samples are taken and over which firing rates are counted. */
const LOOKED_AT = 1000;

/** Gathers what a report shows: learning curves, what the layers do on test samples, firing rates, times. */
export async function buildRunReport(trainer: Trainer, testDataset: ImageDataset, options: RunReportOptions): Promise<RunReport> {
  const { title, history, encoder = constant, stepTime, threshold = 1, samples = 6, environment, notes = [] } = options;
  const { model } = trainer;
  const looked = firstImages(testDataset, LOOKED_AT);
  using counter = new Recorder();
  await trainer.evaluate(looked, { encoder, recorder: counter });
  const { device } = model;
  const shown = await chooseSamples(model, looked, encoder, samples);
  const reports = await sampleReports(model, shown, encoder, threshold);
  const areRates = reports.every(({ scores }) => scores.every((score) => score >= 0 && score <= 1));
  return {
    title,
    model: model.summary().map(({ name, outputShape, parameters }) => ({ name, outputShape: [...outputShape], parameters })),
    options: options.options,
    environment: {
      device: `${device.name}: ${device.description}`, node: typeof process === "object" ? process.version : "", date: new Date().toISOString().slice(0, 16).replace("T", " "),
      ...environment,
    } as RunReport["environment"],
    epochs: history.epochs.filter(isEvaluated),
    steps: history.steps,
    samples: areRates ? reports : reports.map((report) => ({ ...report, scores: softmax(report.scores) })),
    firingRates: await counter.firingRates(),
    // A device that measures no time leaves all shares at 0.
    time: stepTime && stepTime.fused.dense + stepTime.fused.neuron + stepTime.fused.rest > 0 ? [{ name: "time fused", ...stepTime.fused }, { name: "step by step", ...stepTime.stepwise }] : undefined,
    stepTime: stepTime && { fusedMs: stepTime.fusedMs, stepwiseMs: stepTime.stepwiseMs, speedup: stepTime.speedup },
    classNames: testDataset.classNames && [...testDataset.classNames],
    scoreName: areRates ? "firing rate" : "probability",
    notes: [`Firing rates are those on the first ${looked.count} test images. Membranes are shown after the reset.`, ...notes],
  };
}

/** Writes report.html. */
export async function writeRunReport(directory: RunDirectory, report: RunReport): Promise<void> {
  await directory.write("report", renderReport(report));
}

const isEvaluated = (epoch: EpochMetrics): epoch is EpochReport => epoch.testLoss !== undefined && epoch.testAccuracy !== undefined;

function firstImages(dataset: ImageDataset, limit: number): ImageDataset {
  const count = Math.min(limit, dataset.count);
  return { ...dataset, count, images: dataset.images.subarray(0, (dataset.images.length / dataset.count) * count), labels: dataset.labels.subarray(0, count) };
}

/** The images at some positions as a data set of their own. */
function imagesAt(dataset: ImageDataset, positions: readonly number[]): ImageDataset {
  const size = dataset.images.length / dataset.count;
  const images = new (isFloat(dataset.images) ? Float32Array : Uint8Array)(positions.length * size);
  positions.forEach((position, i) => images.set(dataset.images.subarray(position * size, (position + 1) * size), i * size));
  return { ...dataset, images, count: positions.length, labels: Int32Array.from(positions, (position) => dataset.labels[position]) };
}

/** One image of each of the first classes that the model gets right, then up to a third that it gets wrong. */
async function chooseSamples(model: Model, dataset: ImageDataset, encoder: EncoderMaker, count: number): Promise<ImageDataset> {
  const scores = await scoresOf(model, dataset, encoder);
  const predicted = scores.map(largest);
  const wrong = predicted.flatMap((label, i) => (label === dataset.labels[i] ? [] : [i])).slice(0, Math.floor(count / 3));
  const right = predicted.flatMap((label, i) => (label === dataset.labels[i] && predicted.indexOf(label) === i ? [i] : []));
  const rest = predicted.map((_, i) => i).filter((i) => !right.includes(i) && !wrong.includes(i));
  return imagesAt(dataset, [...[...right, ...rest].slice(0, Math.min(count, dataset.count) - wrong.length), ...wrong]);
}

async function scoresOf(model: Model, dataset: ImageDataset, encoder: EncoderMaker, recorder?: Recorder): Promise<number[][]> {
  const { device, steps } = model;
  const scores: number[][] = [];
  for (const { inputs, size } of new BatchLoader(dataset, { batchSize: 250 })) {
    using tape = new Tape(device, { steps, training: false, recorder });
    using input = encodeBatch(model, encoder, new Random(0), inputs, size);
    const values = await device.read(classScores(model.forward(tape, onTape(tape, input))));
    for (let row = 0; row < size; row++) scores.push(Array.from(values.subarray((row * values.length) / size, ((row + 1) * values.length) / size)));
  }
  return scores;
}

async function sampleReports(model: Model, dataset: ImageDataset, encoder: EncoderMaker, threshold: number): Promise<SampleReport[]> {
  using recorder = new Recorder({ spikes: true, membrane: "v" });
  const scores = await scoresOf(model, dataset, encoder, recorder);
  const records = await recorder.records();
  return scores.map((ofClass, i) => ({
    image: { width: dataset.width, height: dataset.height, pixels: greyPixels(dataset, i) },
    label: dataset.labels[i],
    prediction: largest(ofClass),
    scores: ofClass,
    layers: records.map((record) => rasterOf(record.layer, ofSample(record.spikes, record, i), record.steps)),
    membranes: records.flatMap((record) => membraneOf(record, i, threshold)),
  }));
}

/** Mean over the channels, 0 … 255. Floats outside [0, 1] are taken from their smallest to their largest. */
function greyPixels({ images, height, width, channels }: ImageDataset, sample: number): number[] {
  const size = height * width * channels;
  const own = Array.from(images.subarray(sample * size, (sample + 1) * size));
  const grey = Array.from({ length: height * width }, (_, i) => own.slice(i * channels, (i + 1) * channels).reduce((sum, value) => sum + value, 0) / channels);
  if (!isFloat(images)) return grey.map(Math.round);
  const [low, high] = [grey.reduce((a, b) => Math.min(a, b), 0), grey.reduce((a, b) => Math.max(a, b), 1)];
  return grey.map((value) => Math.round((255 * (value - low)) / (high - low)));
}

/** The values [T, N] of one sample in [T, B, ...]. */
function ofSample(values: Float32Array, { steps, batch }: LayerRecord, sample: number): Float32Array {
  const size = values.length / (steps * batch);
  const own = new Float32Array(steps * size);
  for (let t = 0; t < steps; t++) own.set(values.subarray((t * batch + sample) * size, (t * batch + sample + 1) * size), t * size);
  return own;
}

/** The membrane of a neuron that spikes at about half of the steps, if there is one. */
function membraneOf(record: LayerRecord, sample: number, threshold: number): MembraneTrace[] {
  if (!record.membrane) return [];
  const { layer, steps } = record;
  const [spikes, v] = [ofSample(record.spikes, record, sample), ofSample(record.membrane, record, sample)];
  const size = spikes.length / steps;
  const at = (values: Float32Array, neuron: number) => Array.from({ length: steps }, (_, t) => values[t * size + neuron]);
  const counts = Array.from({ length: size }, (_, neuron) => at(spikes, neuron).reduce((sum, spike) => sum + spike, 0));
  const neuron = largest(counts.map((count) => (count === 0 ? -steps : -Math.abs(count - steps / 2))));
  return [{ layer, neuron, v: at(v, neuron), spikes: at(spikes, neuron).map((spike) => spike !== 0), threshold }];
}

function softmax(scores: readonly number[]): number[] {
  const highest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((sum, weight) => sum + weight);
  return weights.map((weight) => weight / total);
}

const largest = (values: readonly number[]): number => values.indexOf(values.reduce((a, b) => Math.max(a, b)));
