import { join } from "node:path";
import { Random } from "../data/random.ts";
import { type Dataset, isSequences } from "../data/sequences.ts";
import { type Device, PRECISIONS, type Precision } from "../device/device.ts";
import { type DeviceOptions, openDevice } from "../device/open.ts";
import { DeviceError, FileFormatError } from "../errors.ts";
import type { Neuron } from "../neuron/define.ts";
import type { Layer } from "../nn/layer.ts";
import { Model } from "../nn/model.ts";
import { deviceOfRank } from "../parallel/device.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import { joinGroup } from "../parallel/join.ts";
import { UsageError } from "./command.ts";
import { conv, mlp, type ReferenceModelName, referenceModels, sequenceMlp } from "../train/models.ts";
import { RunDirectory } from "../train/runDirectory.ts";
import { readRun, type StoredRun } from "../train/storedRun.ts";
import { type DatasetName, datasetNames } from "./datasets.ts";
import { say } from "./output.ts";
import { type EncoderName, encoderNames, type OptimizerName, optimizerNames } from "./recipe.ts";
import { isNeuronSettings, type NeuronSettings } from "./runNeuron.ts";

export const modelNames = Object.keys(referenceModels) as ReferenceModelName[];

/** What `spikefold train` was asked for, in the notes of run.json: enough to go on with a run, or to evaluate it. */
export interface RunSettings {
  dataset: DatasetName;
  model: ReferenceModelName;
  /** Sizes of the mlp's hidden layers. */
  hidden?: number[];
  /** Whether those layers are connected back to themselves. Default: false. */
  recurrent?: boolean;
  neuron: NeuronSettings;
  encoder: EncoderName;
  optimizer: OptimizerName;
  /** Of sgd. */
  momentum?: number;
  epochs: number;
  /** T. */
  steps: number;
  batch: number;
  lr: number;
  /** What the network computes in. Default: float32. */
  precision?: Precision;
  seed: number;
  /** Directory of the IDX files. */
  data?: string;
  /** Images taken of each split. */
  limit?: number;
  /** Default: auto. */
  device?: string;
  /** Default: false. */
  portable?: boolean;
  /** Whether activations are computed again in the backward pass. Default: false. */
  recompute?: boolean;
  /** Of several processes: how they share the work. Default: data. */
  parallel?: (typeof parallelNames)[number];
  /** With time: parts of a batch. Default: 1. */
  microBatches?: number;
  /** Of several processes: whether batch norm's statistics are of the whole batch. Default: false. */
  syncBatchNorm?: boolean;
  /** Logs that are kept in the run's directory. Default: none. */
  log?: LogName[];
}

export const parallelNames = ["data", "time"] as const;

export const logNames = ["csv", "tensorboard"] as const;
export type LogName = (typeof logNames)[number];

const PROGRAM = "spikefold train";

export const settingsToNotes = (settings: RunSettings): Record<string, unknown> => ({ program: PROGRAM, ...settings });

/** @throws FileFormatError if the run is none of `spikefold train`. */
export function settingsOf({ path, notes: stored }: Pick<StoredRun, "path" | "notes">): RunSettings {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${path}: ${problem}; expected a run of ${PROGRAM}`);
  };
  if (stored.program !== PROGRAM) fail("the run is another program's, by the notes in its run.json");
  const oneOf = (name: string, allowed: readonly string[]) => allowed.includes(stored[name] as string) || fail(`${name} is ${JSON.stringify(stored[name])}`);
  const number = (name: string, accept: (value: number) => boolean) => accept(stored[name] as number) || fail(`${name} is ${JSON.stringify(stored[name])}`);
  const isCount = (value: number) => Number.isSafeInteger(value) && value >= 1;
  oneOf("dataset", datasetNames);
  oneOf("model", modelNames);
  oneOf("encoder", encoderNames);
  oneOf("optimizer", optimizerNames);
  for (const name of ["epochs", "steps", "batch"]) number(name, isCount);
  number("lr", (value) => Number.isFinite(value) && value > 0);
  number("seed", (value) => Number.isSafeInteger(value) && value >= 0);
  if (stored.precision !== undefined) oneOf("precision", PRECISIONS);
  if (stored.parallel !== undefined) oneOf("parallel", parallelNames);
  for (const name of ["limit", "microBatches"]) if (stored[name] !== undefined) number(name, isCount);
  for (const name of ["data", "device"]) if (stored[name] !== undefined && typeof stored[name] !== "string") fail(`${name} is ${JSON.stringify(stored[name])}`);
  for (const name of ["portable", "recompute", "recurrent", "syncBatchNorm"]) if (stored[name] !== undefined && typeof stored[name] !== "boolean") fail(`${name} is ${JSON.stringify(stored[name])}`);
  if (stored.momentum !== undefined) number("momentum", (value) => value >= 0 && value < 1);
  const list = (name: string, accept: (value: unknown) => boolean) => stored[name] === undefined || (Array.isArray(stored[name]) && stored[name].every(accept)) || fail(`${name} is ${JSON.stringify(stored[name])}`);
  list("hidden", (size) => isCount(size as number));
  list("log", (name) => logNames.includes(name as LogName));
  if (!isNeuronSettings(stored.neuron, referenceModels.mlp.neuron)) fail("neuron lacks an option");
  const { program: _, ...settings } = stored;
  return settings as unknown as RunSettings;
}

/** Whether a device is to be opened without relaxed SIMD, as a run was: only the cpu has it. */
export const portableFor = (portable: boolean | undefined, device = "auto"): boolean | undefined => (["cpu", "auto"].includes(device) ? portable : undefined);

/** A run's settings, flat. */
export const flatSettings = ({ neuron, hidden, log, ...rest }: RunSettings): Record<string, string | number | boolean> => ({
  ...rest, ...(hidden && { hidden: hidden.join() }), ...(log && { log: log.join() }), ...Object.fromEntries(Object.entries(neuron).map(([name, value]) => [`neuron ${name}`, value])),
});

/** Builds the model of a run, its weights drawn from the seed. */
export function buildModel(settings: RunSettings, neuron: Neuron, dataset: Dataset, device: Device): Model {
  const { steps, seed, precision, recompute } = settings;
  const inputShape = isSequences(dataset) ? dataset.shape : [dataset.height, dataset.width, dataset.channels];
  return Model.build(networkOf(settings, neuron, dataset, inputShape), { device, steps, inputShape, random: new Random(seed).fork("weights"), precision, recompute });
}

function networkOf({ model, hidden, recurrent }: RunSettings, neuron: Neuron, dataset: Dataset, inputShape: readonly number[]): Layer {
  const { classes } = dataset;
  const inputs = inputShape.reduce((product, length) => product * length, 1);
  if (model === "mlp") return isSequences(dataset) ? sequenceMlp({ neuron, inputs, hidden, classes, recurrent }) : mlp({ neuron, inputs, hidden, classes, recurrent });
  if (!isSequences(dataset)) return referenceModels[model].build({ neuron });
  const [height, width, channels] = inputShape;
  if (model === "conv" && inputShape.length === 3 && height === width) return conv({ neuron, channels, size: height, classes });
  throw new UsageError(`--model ${model} is for images: ${dataset.name} has time steps of shape [${inputShape.join(", ")}]; take mlp${inputShape.length === 3 ? " or conv" : ""}`);
}

/** For commands that test a run's weights. */
export const precisionOption = { type: "text", value: "NAME", choices: PRECISIONS, help: "what the network computes in; default: as in training" } as const;

/**
 * The settings of a run that is to be tested, in the precision that was asked for or else its own.
 * @throws DeviceError that says how else, if the device does not have that of the run
 */
export function settingsForTest(settings: RunSettings, device: Device, asked: string | undefined): RunSettings {
  const { precision } = settings;
  if (asked !== undefined) return { ...settings, precision: asked as Precision };
  try {
    if (precision !== undefined) device.denseFor(precision);
    return settings;
  } catch (error) {
    if (!(error instanceof DeviceError)) throw error;
    throw new DeviceError(`the run was trained in ${precision}: ${error.message} With --precision float32 its weights are tested in that.`, { cause: error });
  }
}

/** Looks at a directory that holds a run. */
export async function existingRun(path: string): Promise<{ run: StoredRun; settings: RunSettings }> {
  const run = await readRun(path);
  return { run, settings: settingsOf(run) };
}

/** Makes runs/NAME-1, runs/NAME-2, …: the first that is not there. */
export async function freshDirectory(name: string, notes: Readonly<Record<string, unknown>>): Promise<RunDirectory> {
  for (let counter = 1; ; counter++) {
    try {
      return await RunDirectory.open(join("runs", `${name}-${counter}`), { notes, fresh: true });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    }
  }
}

/** Opens a device by name, "auto" by default, and says which it is. Of several processes on a machine, each takes its own GPU, or its share of the cores. */
export async function openNamedDevice(name?: string, options: DeviceOptions = {}): Promise<Device> {
  const device = await openDevice(...deviceOfRank(name, options));
  say(`device ${device.name}: ${device.description}\n`);
  return device;
}

/** Runs `work` with the processes that were launched with this one, or alone. */
export async function withGroup<T>(device: Device, work: (group: ProcessGroup) => Promise<T>): Promise<T> {
  const group = await joinGroup({ device });
  try {
    return await work(group);
  } finally {
    await group.dispose();
  }
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
