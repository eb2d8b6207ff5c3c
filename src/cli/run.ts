import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { ImageDataset } from "../data/dataset.ts";
import { loadFashionMnist, loadMnist } from "../data/mnist.ts";
import { Random } from "../data/random.ts";
import type { Device } from "../device/device.ts";
import { type DeviceOptions, openDevice } from "../device/open.ts";
import { FileFormatError } from "../errors.ts";
import { Model } from "../nn/model.ts";
import { crossEntropy, type Loss } from "../train/loss.ts";
import { type ReferenceModelName, referenceModels, type ReferenceNeuron, referenceNeuron } from "../train/models.ts";
import { RunDirectory } from "../train/runDirectory.ts";

export const datasetNames = ["mnist", "fashion-mnist"] as const;
export type DatasetName = (typeof datasetNames)[number];
export const modelNames = Object.keys(referenceModels) as ReferenceModelName[];

/** What `spikefold train` was asked for, in run.json: enough to go on with a run, or to evaluate it. */
export interface RunSettings {
  dataset: DatasetName;
  model: ReferenceModelName;
  neuron: ReferenceNeuron;
  epochs: number;
  /** T. */
  steps: number;
  batch: number;
  lr: number;
  seed: number;
  /** Directory of the IDX files. */
  data?: string;
  /** Images taken of each split. */
  limit?: number;
}

const FORMAT = "spikefold-run";
const VERSION = 1;

export const writeSettings = (directory: RunDirectory, settings: RunSettings): Promise<void> =>
  directory.writeJson("run", { format: FORMAT, version: VERSION, ...settings });

/** @throws FileFormatError if run.json is missing or is none of this version. */
export async function readSettings(directory: RunDirectory): Promise<RunSettings> {
  const stored = await directory.readJson("run");
  const fail = (problem: string): never => {
    throw new FileFormatError(`${directory.file("run")}: ${problem}; expected what spikefold train writes`);
  };
  if (stored.format !== FORMAT || stored.version !== VERSION) fail(`format is ${JSON.stringify(stored.format)}, version ${JSON.stringify(stored.version)}`);
  const oneOf = (name: string, allowed: readonly string[]) => allowed.includes(stored[name] as string) || fail(`${name} is ${JSON.stringify(stored[name])}`);
  const number = (name: string, accept: (value: number) => boolean) => accept(stored[name] as number) || fail(`${name} is ${JSON.stringify(stored[name])}`);
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
  oneOf("dataset", datasetNames);
  oneOf("model", modelNames);
  for (const name of ["epochs", "steps", "batch"]) number(name, isCount);
  number("lr", (value) => Number.isFinite(value) && value > 0);
  number("seed", (value) => Number.isSafeInteger(value) && value >= 0);
  if (stored.limit !== undefined) number("limit", isCount);
  if (stored.data !== undefined && typeof stored.data !== "string") fail(`data is ${JSON.stringify(stored.data)}`);
  const { neuron } = stored;
  const expected = referenceModels.mlp.neuron;
  const isNeuron = typeof neuron === "object" && neuron !== null && Object.entries(expected).every(([name, value]) => typeof (neuron as Record<string, unknown>)[name] === typeof value);
  if (!isNeuron) fail("neuron lacks an option");
  const { format: _format, version: _version, ...settings } = stored;
  return settings as unknown as RunSettings;
}

/** A run's settings, flat. */
export const flatSettings = ({ neuron, ...rest }: RunSettings): Record<string, string | number | boolean> => ({
  ...rest, ...Object.fromEntries(Object.entries(neuron).map(([name, value]) => [`neuron ${name}`, value])),
});

/** Builds the model of a run, its weights drawn from the seed. */
export function buildModel({ model, neuron, steps, seed }: RunSettings, { height, width, channels }: ImageDataset, device: Device): Model {
  return Model.build(referenceModels[model].build({ neuron: referenceNeuron(neuron) }), {
    device, steps, inputShape: [height, width, channels], random: new Random(seed).fork("weights"),
  });
}

/** What the reference models are trained with. */
export const referenceLoss = (): Loss => crossEntropy({ of: "count" });

/** Opens a directory that holds a run. */
export async function existingRun(path: string): Promise<{ directory: RunDirectory; settings: RunSettings }> {
  const directory = new RunDirectory(path);
  return { directory, settings: await readSettings(directory) };
}

/** Makes runs/NAME-1, runs/NAME-2, …: the first that is not there. */
export async function freshDirectory(name: string): Promise<RunDirectory> {
  await mkdir("runs", { recursive: true });
  for (let counter = 1; ; counter++) {
    const path = join("runs", `${name}-${counter}`);
    try {
      await mkdir(path);
      return new RunDirectory(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

export function loadDataset({ dataset, data, limit }: Pick<RunSettings, "dataset" | "data" | "limit">, split: "train" | "test"): Promise<ImageDataset> {
  return (dataset === "mnist" ? loadMnist : loadFashionMnist)({ directory: data, split, limit });
}

/** Opens a device by name and says which it is; `auto` takes the cpu, where everything runs, without a look at the others, whose drivers may have much to say. */
export async function openNamedDevice(name = "auto", options: DeviceOptions = {}): Promise<Device> {
  const device = await openDevice(name === "auto" ? "cpu" : name, options);
  process.stderr.write(`device ${device.name}: ${device.description}${name === "auto" ? " (chosen by auto)" : ""}\n`);
  return device;
}

/** Runs `work` with a device opened by name, which it closes afterwards. */
export async function withDevice<T>(name: string | undefined, work: (device: Device) => Promise<T>, options: DeviceOptions = {}): Promise<T> {
  const device = await openNamedDevice(name, options);
  try {
    return await work(device);
  } finally {
    await device.dispose();
  }
}
