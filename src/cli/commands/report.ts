import { basename, resolve } from "node:path";
import { FileFormatError } from "../../errors.ts";
import { writeFileAtomic } from "../../train/atomic.ts";
import { decodeCheckpoint } from "../../train/checkpoint.ts";
import type { History } from "../../train/history.ts";
import { type NamedRun, renderComparison } from "../../train/report/compare.ts";
import type { RunReport } from "../../train/report/data.ts";
import { decodeReport } from "../../train/report/file.ts";
import { renderReport } from "../../train/report/render.ts";
import { RunDirectory } from "../../train/runDirectory.ts";
import { buildRunReport } from "../../train/runReport.ts";
import { cosine } from "../../train/schedule.ts";
import type { StoredRun } from "../../train/storedRun.ts";
import { Trainer } from "../../train/trainer.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { encoders, optimizers, lossOf } from "../recipe.ts";
import { buildModel, existingRun, flatSettings, portableFor, precisionOption, settingsForTest, withDevice } from "../run.ts";
import { loadDataset } from "../datasets.ts";
import { storedNeuron } from "../runNeuron.ts";
import { restoreWeights } from "./evaluate.ts";

const options = {
  out: { type: "text", value: "FILE", help: "the page; default report.html in the run's directory, for several runs comparison.html here" },
  rebuild: { type: "flag", help: "run the test set through the weights again, though the run has a report.json" },
  device: { type: "text", value: "NAME", help: "where that is run; default auto, which says what it chose" },
  precision: { ...precisionOption, help: "what the network computes in there; default: as in training" },
  data: { type: "text", value: "DIR", help: "where the data set's files are; default: where they were in training" },
  json: { type: "flag", help: "print what was written as one JSON object" },
} satisfies OptionTable;

export const reportCommand: Command = {
  name: "report",
  summary: "Render the report of a training run anew, or lay several runs side by side",
  usage: `Usage: spikefold report RUN_DIR… [OPTIONS]

Of one run, writes its report. Of several, one page with their curves in the same charts, their results, and the settings that differ.
A run that has no report.json, because it is not finished, is tested with its weights or those of its last checkpoint first.

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, Infinity);
    if (positionals.length === 0) throw new UsageError("name the directory of a run, or several");
    const twice = positionals.find((path, i) => positionals.findIndex((other) => resolve(other) === resolve(path)) < i);
    if (twice !== undefined) throw new UsageError(`${twice} is named twice`);
    const runs: NamedRun[] = [];
    for (const [i, path] of positionals.entries()) runs.push({ name: namesOf(positionals)[i], report: await reportOf(path, values) });
    const page = runs.length > 1 ? renderComparison(runs) : renderReport(runs[0].report);
    const out = values.out ?? (runs.length > 1 ? "comparison.html" : await writeIntoRun(positionals[0], page));
    if (values.out !== undefined || runs.length > 1) await writeFileAtomic(out, page);
    process.stdout.write(values.json ? `${JSON.stringify({ report: out, runs: positionals })}\n` : `report  ${out}\n`);
    return 0;
  },
};

/** Replaces the report in a run's directory, which must be nobody else's meanwhile. Returns its path. */
async function writeIntoRun(path: string, page: string): Promise<string> {
  const directory = await RunDirectory.open(path);
  try {
    await directory.write("report", page);
    return directory.file("report");
  } finally {
    await directory.close();
  }
}

/** The directories' names, or their paths where names are the same. */
function namesOf(paths: readonly string[]): string[] {
  const names = paths.map((path) => basename(resolve(path)));
  return new Set(names).size === names.length ? names : [...paths];
}

/** What a finished run left for its report; if nothing, or if asked to, what its weights make of the test set now. */
async function reportOf(path: string, { rebuild, device, precision, data }: { rebuild: boolean; device?: string; precision?: string; data?: string }): Promise<RunReport> {
  const { run, settings } = await existingRun(path);
  const stored = rebuild ? undefined : await run.read("reportData");
  if (stored) return decodeReport(stored, run.file("reportData"));
  const neuron = await storedNeuron(settings.neuron, path);
  const testDataset = await loadDataset({ ...settings, data: data ?? settings.data }, "test");
  return withDevice(device, async (opened) => {
    const model = buildModel(settingsForTest(settings, opened, precision), neuron, testDataset, opened);
    const { finished, source } = await restoreWeights(model, run);
    const trainer = new Trainer(model, { optimizer: optimizers[settings.optimizer](settings), schedule: cosine(), loss: lossOf(settings), seed: settings.seed });
    return buildRunReport(trainer, testDataset, {
      title: `${settings.dataset}, ${settings.model}`, options: flatSettings(settings), history: await historyOf(run), encoder: encoders[settings.encoder],
      notes: ["Made after the training, of the run's weights: the machine is the one that made this report.", ...(finished ? [] : [`The run is not finished: these are the weights of ${source}.`])],
    });
  }, { portable: portableFor(settings.portable, device) });
}

/** The metrics of the last checkpoint, which is that of a finished run's end. */
async function historyOf(run: StoredRun): Promise<History> {
  const checkpoint = await run.read("checkpoint");
  if (!checkpoint) throw new FileFormatError(`${run.path} holds no checkpoint: nothing was saved there`);
  return decodeCheckpoint(checkpoint, run.file("checkpoint")).history;
}
