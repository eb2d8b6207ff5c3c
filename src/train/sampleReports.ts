import { BatchLoader, type BatchLoaderOptions } from "../data/batches.ts";
import { type ImageDataset, isFloat } from "../data/dataset.ts";
import { Random } from "../data/random.ts";
import { leaves, type Model } from "../nn/model.ts";
import { type LayerRecord, Recorder } from "../nn/recorder.ts";
import { Tape } from "../nn/tape.ts";
import { encodeBatch, type EncoderMaker } from "./encoding.ts";
import { classScores, onTape } from "./evaluation.ts";
import { type MembraneTrace, type Raster, rasterOf, type SampleReport } from "./report/data.ts";

/** How images become input. */
export interface Reading {
  encoder: EncoderMaker;
  normalize: BatchLoaderOptions["normalize"];
}

/**
 * Some samples of a data set: one of each of the first classes that the model gets right, then up to a third that it gets wrong.
 * @param predictions the class that each image is taken for
 */
export function chooseSamples({ labels, count }: ImageDataset, predictions: readonly number[], wanted: number): number[] {
  const positions = predictions.map((_, i) => i);
  const wrong = positions.filter((i) => predictions[i] !== labels[i]).slice(0, Math.floor(wanted / 3));
  const right = positions.filter((i) => predictions[i] === labels[i] && predictions.indexOf(predictions[i]) === i);
  const first = new Set([...right, ...wrong]);
  return [...[...right, ...positions.filter((i) => !first.has(i))].slice(0, Math.min(wanted, count) - wrong.length), ...wrong];
}

/** What the layers make of the images at some positions. */
export async function sampleReports(model: Model, dataset: ImageDataset, positions: readonly number[], { encoder, normalize }: Reading): Promise<{ scoreName: string; samples: SampleReport[] }> {
  const { name: scoreName, shown } = scoresOf(model);
  if (positions.length === 0) return { scoreName, samples: [] };
  const { device, steps } = model;
  const chosen = imagesAt(dataset, positions);
  using recorder = new Recorder({ spikes: true, firing: true });
  using tape = new Tape(device, { steps, training: false, recorder });
  const { inputs, size } = new BatchLoader(chosen, { batchSize: chosen.count, normalize }).next();
  using input = encodeBatch(model, encoder, new Random(0), inputs, size);
  const scores = await device.read(classScores(model.forward(tape, onTape(tape, input))));
  const records = await recorder.records();
  const classLayer = layerOfClasses(model);
  const samples = positions.map((position, i): SampleReport => {
    const ofClass = Array.from(scores.subarray((i * scores.length) / size, ((i + 1) * scores.length) / size));
    return {
      image: { width: dataset.width, height: dataset.height, pixels: greyPixels(dataset, position) },
      label: dataset.labels[position],
      prediction: largest(ofClass),
      scores: shown(ofClass),
      layers: records.map((record): Raster => {
        const classes = record.layer === classLayer;
        return { ...rasterOf(record.layer, ofSample(record.spikes, record, i), record.steps, classes ? Infinity : undefined), classes };
      }),
      membranes: records.flatMap((record) => membraneOf(record, i)),
    };
  });
  return { scoreName, samples };
}

/** What each read-out gives for a class. */
const readOuts: Readonly<Record<string, string>> = { rate: "firing rate", spikeCount: "spike count", lastMembrane: "last membrane", meanMembrane: "mean membrane" };

/** What the scores of a model's samples are. Counts and rates are shown as they are; of anything else, which may be negative, the softmax. */
function scoresOf({ body }: Model): { name: string; shown: (scores: readonly number[]) => number[] } {
  const kind = leaves(body).at(-1)?.kind ?? "";
  if (kind === "rate" || kind === "spikeCount") return { name: readOuts[kind], shown: (scores) => [...scores] };
  return { name: `softmax of the ${readOuts[kind] ?? "output"}`, shown: softmax };
}

/** The spiking layer whose neurons stand for the classes: that right before the read-out at the end. */
function layerOfClasses({ body }: Model): string | undefined {
  const [before, last] = leaves(body).slice(-2);
  return before?.kind === "spiking" && Object.hasOwn(readOuts, last?.kind ?? "") ? before.name : undefined;
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

/** The values [T, N] of one sample in [T, B, ...]. */
function ofSample(values: Float32Array, { steps, batch }: LayerRecord, sample: number): Float32Array {
  const size = values.length / (steps * batch);
  const own = new Float32Array(steps * size);
  for (let t = 0; t < steps; t++) own.set(values.subarray((t * batch + sample) * size, (t * batch + sample + 1) * size), t * size);
  return own;
}

/** The membrane of the neuron that comes nearest to spiking at half of the steps. */
function membraneOf(record: LayerRecord, sample: number): MembraneTrace[] {
  const { layer, steps, firing } = record;
  if (!firing) return [];
  const [spikes, potential, threshold] = [record.spikes, firing.potential, firing.threshold].map((values) => ofSample(values, record, sample));
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
