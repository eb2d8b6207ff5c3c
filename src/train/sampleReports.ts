import type { BatchLoaderOptions } from "../data/batches.ts";
import { type ImageDataset, isFloat } from "../data/dataset.ts";
import { Random } from "../data/random.ts";
import { type Dataset, isSequences, type SequenceDataset } from "../data/sequences.ts";
import { Lengths } from "../nn/lengths.ts";
import { leaves, type Model } from "../nn/model.ts";
import { type LayerRecord, Recorder } from "../nn/recorder.ts";
import { Tape } from "../nn/tape.ts";
import type { EncoderMaker } from "./encoding.ts";
import { onTape, scoresOfSamples } from "./evaluation.ts";
import { crossEntropy } from "./losses/crossEntropy.ts";
import { type MembraneTrace, type Raster, rasterOf, type SampleReport } from "./report/data.ts";
import { sourceOf } from "./source.ts";

/** How images become input. */
export interface Reading {
  encoder: EncoderMaker;
  normalize: BatchLoaderOptions["normalize"];
}

/**
 * Some samples of a data set: one of each of the first classes that the model gets right, then up to a third that it gets wrong.
 * @param predictions the class that each image is taken for
 */
export function chooseSamples({ labels, count }: Pick<Dataset, "labels" | "count">, predictions: readonly number[], wanted: number): number[] {
  const positions = predictions.map((_, i) => i);
  const wrong = positions.filter((i) => predictions[i] !== labels[i]).slice(0, Math.floor(wanted / 3));
  const right = positions.filter((i) => predictions[i] === labels[i] && predictions.indexOf(predictions[i]) === i);
  const first = new Set([...right, ...wrong]);
  return [...[...right, ...positions.filter((i) => !first.has(i))].slice(0, Math.min(wanted, count) - wrong.length), ...wrong];
}

/** What the layers make of the samples at some positions. */
export async function sampleReports(model: Model, dataset: Dataset, positions: readonly number[], { encoder, normalize }: Reading): Promise<{ scoreName: string; samples: SampleReport[] }> {
  const { name: scoreName, shown } = scoresOf(model);
  if (positions.length === 0) return { scoreName, samples: [] };
  const { device } = model;
  const chosen = isSequences(dataset) ? sequencesAt(dataset, positions) : imagesAt(dataset, positions);
  const { input: encoded, steps, lengths, size } = await sourceOf(model, chosen, { batchSize: chosen.count, encoder, normalize }, crossEntropy()).next(new Random(0));
  using recorder = new Recorder({ spikes: true, firing: true });
  using valid = lengths && new Lengths(device, lengths);
  using tape = new Tape(device, { steps, training: false, recorder, lengths: valid });
  using input = device.tensor(encoded.data, encoded.shape);
  const output = model.forward(tape, onTape(tape, input));
  const scores = await scoresOfSamples(output.value, size, lengths);
  const records = await recorder.records();
  const classLayer = layerOfClasses(model);
  const samples = await Promise.all(positions.map(async (position, i): Promise<SampleReport> => {
    const ofClass = Array.from(scores.subarray((i * scores.length) / size, ((i + 1) * scores.length) / size));
    const own = lengths?.[i] ?? steps;
    return {
      image: isSequences(dataset) ? pictureOf(await dataset.sequence(position), dataset.shape) : { width: dataset.width, height: dataset.height, pixels: greyPixels(dataset, position) },
      label: dataset.labels[position],
      prediction: largest(ofClass),
      scores: shown(ofClass),
      layers: records.map((record): Raster => {
        const classes = record.layer === classLayer;
        return { ...rasterOf(record.layer, ofSample(record.spikes, record, i, own), own, classes ? Infinity : undefined), classes };
      }),
      membranes: records.flatMap((record) => membraneOf(record, i, own)),
    };
  }));
  return { scoreName, samples };
}

/** What each read-out gives for a class. */
const readOuts: Readonly<Record<string, string>> = { rate: "firing rate", spikeCount: "spike count", lastMembrane: "last membrane", meanMembrane: "mean membrane", maxMembrane: "largest membrane", everyStep: "spike count", membranes: "sum of membranes" };

/** What the scores of a model's samples are. Counts and rates are shown as they are; of anything else, which may be negative, the softmax. */
function scoresOf({ body }: Model): { name: string; shown: (scores: readonly number[]) => number[] } {
  const kind = leaves(body).at(-1)?.kind ?? "";
  if (kind === "rate" || kind === "spikeCount") return { name: readOuts[kind], shown: (scores) => [...scores] };
  return { name: `softmax of the ${readOuts[kind] ?? "output"}`, shown: softmax };
}

/** The spiking layer whose neurons stand for the classes: that right before the read-out at the end. */
function layerOfClasses({ body }: Model): string | undefined {
  const [before, last] = leaves(body).slice(-2);
  return (before?.kind === "spiking" || before?.kind === "recurrent") && Object.hasOwn(readOuts, last?.kind ?? "") ? before.name : undefined;
}

/** The images at some positions as a data set of their own. */
function imagesAt(dataset: ImageDataset, positions: readonly number[]): ImageDataset {
  const size = dataset.images.length / dataset.count;
  const images = dataset.images.slice(0, positions.length * size);
  const labels = dataset.labels.slice(0, positions.length);
  positions.forEach((position, i) => {
    images.set(dataset.images.subarray(position * size, (position + 1) * size), i * size);
    labels[i] = dataset.labels[position];
  });
  return { ...dataset, images, labels, count: positions.length };
}

/** The sequences at some positions as a data set of their own. */
const sequencesAt = (dataset: SequenceDataset, positions: readonly number[]): SequenceDataset => ({
  ...dataset, count: positions.length, lengths: Uint32Array.from(positions, (position) => dataset.lengths[position]), labels: Int32Array.from(positions, (position) => dataset.labels[position]),
  sequence: (index) => dataset.sequence(positions[index]), stepLabels: undefined,
});

/** As many columns, and rows, as a picture of a signal has. */
const PICTURE = { width: 160, height: 64 };

/** A picture of a sample: of frames [H, W, …] the sum over time, of other signals time to the right and inputs downwards. 0…255, the largest value white. */
function pictureOf(values: ArrayLike<number>, shape: readonly number[]): SampleReport["image"] {
  const size = shape.reduce((product, length) => product * length, 1);
  const steps = values.length / size;
  const [height, width] = shape.length > 1 ? shape : [Math.min(PICTURE.height, size), Math.min(PICTURE.width, steps)];
  const sums = new Float64Array(height * width);
  for (let at = 0; at < values.length; at++) {
    const [t, n] = [Math.floor(at / size), at % size];
    const to = shape.length > 1 ? Math.floor(n / (size / (height * width))) : Math.floor((n * height) / size) * width + Math.floor((t * width) / steps);
    sums[to] += Math.abs(values[at]);
  }
  const most = sums.reduce((a, b) => Math.max(a, b), 0) || 1;
  return { width, height, pixels: Array.from(sums, (sum) => Math.round((255 * sum) / most)) };
}

/** Mean over the channels, 0…255. Floats outside [0, 1] are taken from their smallest to their largest. */
function greyPixels({ images, height, width, channels }: ImageDataset, sample: number): number[] {
  const grey = Array.from({ length: height * width }, (_, i) => {
    const at = (sample * height * width + i) * channels;
    return Array.from(images.subarray(at, at + channels)).reduce((sum, value) => sum + value, 0) / channels;
  });
  if (!isFloat(images)) return grey.map(Math.round);
  const [low, high] = [grey.reduce((a, b) => Math.min(a, b), 0), grey.reduce((a, b) => Math.max(a, b), 1)];
  return grey.map((value) => Math.round((255 * (value - low)) / (high - low)));
}

/** The values [own, N] of the steps that are one sample's own in [T, B, ...]. */
function ofSample(values: Float32Array, { steps, batch }: LayerRecord, sample: number, ownSteps: number): Float32Array {
  const size = values.length / (steps * batch);
  const own = new Float32Array(ownSteps * size);
  for (let t = 0; t < ownSteps; t++) own.set(values.subarray((t * batch + sample) * size, (t * batch + sample + 1) * size), t * size);
  return own;
}

/** The membrane of the neuron that comes nearest to spiking at half of the steps. */
function membraneOf(record: LayerRecord, sample: number, steps: number): MembraneTrace[] {
  const { layer, firing } = record;
  if (!firing) return [];
  const [spikes, potential, threshold] = [record.spikes, firing.potential, firing.threshold].map((values) => ofSample(values, record, sample, steps));
  const size = spikes.length / steps;
  const counts = Array.from({ length: size }, (_, neuron) => at(spikes, neuron).reduce((sum, spike) => sum + spike, 0));
  const neuron = largest(counts.map((count) => (count === 0 ? -steps : -Math.abs(count - steps / 2))));
  const limits = at(threshold, neuron);
  return [{
    layer, neuron, v: at(potential, neuron), spikes: at(spikes, neuron).map((spike) => spike !== 0),
    threshold: limits.every((value) => value === limits[0]) ? limits[0] : limits, isMembrane: firing.isMembrane,
  }];

  function at(values: Float32Array, neuron: number): number[] {
    return Array.from({ length: steps }, (_, t) => values[t * size + neuron]);
  }
}

/** Where the largest value is; of equal ones, the first. */
export const largest = (values: readonly number[]): number => values.indexOf(values.reduce((a, b) => Math.max(a, b)));

function softmax(scores: readonly number[]): number[] {
  const highest = Math.max(...scores);
  const weights = scores.map((score) => Math.exp(score - highest));
  const total = weights.reduce((sum, weight) => sum + weight);
  return weights.map((weight) => weight / total);
}
