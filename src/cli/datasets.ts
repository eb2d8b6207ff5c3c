import { loadCifar10Dvs } from "../data/cifar10Dvs.ts";
import { loadDvsGesture } from "../data/dvsGesture.ts";
import { loadShd, loadSsc } from "../data/heidelberg.ts";
import { imageSequences } from "../data/imageSequences.ts";
import { loadFashionMnist, loadMnist } from "../data/mnist.ts";
import { loadNmnist } from "../data/nmnist.ts";
import { randman } from "../data/randman.ts";
import type { Dataset } from "../data/sequences.ts";
import { UsageError } from "./command.ts";
import { withDataOption } from "./dataErrors.ts";
import { say } from "./output.ts";

/** What a data set is loaded with. */
export interface DataSettings {
  /** T of frames. */
  steps: number;
  data?: string;
  limit?: number;
}

interface Entry {
  /** For people. */
  what: string;
  load(split: "train" | "test", settings: DataSettings): Promise<Dataset>;
  /** Time steps of a sample unless asked otherwise; absent: those of the model. */
  steps?: number;
  /** Whether the data say how many time steps there are. */
  fixed?: true;
  /** Whether samples are over time already. */
  sequences?: true;
}

const directoryOf = (name: string, data: string | undefined): string => {
  if (data === undefined) throw new UsageError(`${name} needs --data DIR: where its files are`);
  return data;
};

const onProgress = (done: number, total: number): void => {
  if (done === total || done % 5000 === 0) say(`counting events in frames: ${done} of ${total}\n`);
};

/** Classes and samples of `randman`, as the command has it. */
const RANDMAN = { classes: 10, units: 40, dimension: 1, alpha: 2, train: 8000, test: 2000 };

const entries = {
  mnist: { what: "handwritten digits", load: (split, { data, limit }) => loadMnist({ directory: data, split, limit }) },
  "fashion-mnist": { what: "clothes", load: (split, { data, limit }) => loadFashionMnist({ directory: data, split, limit }) },
  "row-mnist": {
    what: "MNIST, a row of an image each step", fixed: true, sequences: true, steps: 28,
    load: async (split, { data, limit }) => imageSequences(await loadMnist({ directory: data, split, limit }), { by: "rows" }),
  },
  "sequential-mnist": {
    what: "MNIST, a pixel each step", fixed: true, sequences: true, steps: 784,
    load: async (split, { data, limit }) => imageSequences(await loadMnist({ directory: data, split, limit }), { by: "pixels" }),
  },
  nmnist: { what: "N-MNIST", sequences: true, steps: 10, load: (split, { data, limit, steps }) => loadNmnist(directoryOf("nmnist", data), { split, limit, steps, onProgress }) },
  "dvs-gesture": { what: "DVS128 Gesture", sequences: true, steps: 16, load: (split, { data, limit, steps }) => loadDvsGesture(directoryOf("dvs-gesture", data), { split, limit, steps, onProgress }) },
  "cifar10-dvs": { what: "CIFAR10-DVS", sequences: true, steps: 10, load: (split, { data, limit, steps }) => loadCifar10Dvs(directoryOf("cifar10-dvs", data), { split, limit, steps, onProgress }) },
  shd: { what: "Spiking Heidelberg Digits", sequences: true, steps: 100, load: (split, { data, limit, steps }) => loadShd(directoryOf("shd", data), { split, limit, steps, duration: 1_400_000 / steps, onProgress }) },
  ssc: { what: "Spiking Speech Commands", sequences: true, steps: 100, load: (split, { data, limit, steps }) => loadSsc(directoryOf("ssc", data), { split, limit, steps, duration: 1_000_000 / steps, onProgress }) },
  randman: {
    what: "random manifolds, spike times alone", sequences: true, steps: 100,
    async load(split, { limit, steps }) {
      const { classes, units, dimension, alpha } = RANDMAN;
      return randman({ classes, units, dimension, alpha, steps, split, samples: Math.min(RANDMAN[split], limit ?? Infinity) });
    },
  },
} satisfies Record<string, Entry>;

export type DatasetName = keyof typeof entries;
export const datasetNames = Object.keys(entries) as DatasetName[];
const entryOf = (name: DatasetName): Entry => entries[name];

/** For the help of a command: a line for each. */
export const datasetHelp = datasetNames.map((name) => `  ${name.padEnd(18)}${entryOf(name).what}`).join("\n");

/** Whether its samples are over time already. */
export const ofSequences = (name: DatasetName): boolean => entryOf(name).sequences === true;

/** Time steps unless asked otherwise; undefined: those of the model. */
export const stepsOf = (name: DatasetName): number | undefined => entryOf(name).steps;

/** @throws UsageError for another number of time steps than the samples have. */
export function checkSteps(name: DatasetName, steps: number): void {
  const { fixed, steps: own } = entryOf(name);
  if (fixed && steps !== own) throw new UsageError(`--steps ${steps}: samples of ${name} have ${own} time steps`);
}

export const loadDataset = ({ dataset, ...settings }: DataSettings & { dataset: DatasetName }, split: "train" | "test"): Promise<Dataset> => withDataOption(() => entryOf(dataset).load(split, settings));
