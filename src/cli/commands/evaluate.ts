import { decodeCheckpoint } from "../../train/checkpoint.ts";
import { FileFormatError } from "../../errors.ts";
import type { Model } from "../../nn/model.ts";
import { Recorder } from "../../nn/recorder.ts";
import { adam } from "../../train/optimizer.ts";
import type { StoredRun } from "../../train/storedRun.ts";
import { Trainer } from "../../train/trainer.ts";
import { modelTensors, restoreModel, upload } from "../../train/weights.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { say } from "../output.ts";
import { encoders, lossOf } from "../recipe.ts";
import { buildModel, existingRun, portableFor, precisionOption, settingsForTest, withDevice } from "../run.ts";
import { loadDataset } from "../datasets.ts";
import { isFile, storedNeuron } from "../runNeuron.ts";

const options = {
  device: { type: "text", value: "NAME", help: "default auto, which says what it chose" },
  precision: precisionOption,
  data: { type: "text", value: "DIR", help: "where the data set's files are; default: where they were in training" },
  limit: { type: "integer", value: "N", minimum: 1, help: "use only the first N test samples; default: as many as in training" },
  neuron: { type: "text", value: "FILE", help: "where the module of the run's neuron is; default: where it was in training" },
  json: { type: "flag", help: "print the result as one JSON object" },
} satisfies OptionTable;

export const evaluateCommand: Command = {
  name: "evaluate",
  summary: "Test the network of a training run",
  usage: `Usage: spikefold evaluate RUN_DIR [OPTIONS]

Runs the test set through the weights of a run; of one that was not finished, those of its last checkpoint.

${describeOptions(options)}
`,
  async run(args) {
    const { values, positionals } = parseArguments(options, args, 1);
    if (positionals.length === 0) throw new UsageError("name the directory of a run");
    const { run, settings } = await existingRun(positionals[0]);
    const { neuron: file } = values;
    if (file !== undefined && !isFile(settings.neuron)) throw new UsageError(`--neuron is for runs whose neuron is a module's: that of ${run.path} is ${settings.neuron.name}`);
    const neuron = await storedNeuron(file === undefined ? settings.neuron : { ...settings.neuron, file }, run.path);
    const dataset = await loadDataset({ ...settings, data: values.data ?? settings.data, limit: values.limit ?? settings.limit }, "test");
    return withDevice(values.device, async (device) => {
      const model = buildModel(settingsForTest(settings, device, values.precision), neuron, dataset, device);
      const { finished, source } = await restoreWeights(model, run);
      const trainer = new Trainer(model, { optimizer: adam(), loss: lossOf(settings), seed: settings.seed });
      using recorder = new Recorder();
      const result = await trainer.evaluate(dataset, { recorder, encoder: encoders[settings.encoder] });
      const firingRates = await recorder.firingRates();
      if (values.json) {
        process.stdout.write(`${JSON.stringify({ runDirectory: run.path, dataset: settings.dataset, model: settings.model, device: device.name, finished, ...result, firingRates })}\n`);
        return 0;
      }
      if (!finished) say(`the run is ${run.inUse === undefined ? "not finished" : `under way (${run.inUse})`}: these are the weights of ${source}\n`);
      process.stdout.write(`test accuracy  ${(100 * result.accuracy).toFixed(2)}% (${result.correct} of ${result.samples}), loss ${result.loss.toFixed(4)}, ${result.seconds.toFixed(1)} s\n`);
      for (const { layer, rate } of firingRates) process.stdout.write(`firing rate    ${rate.toFixed(3)} per step  ${layer}\n`);
      return 0;
    }, { portable: portableFor(settings.portable, values.device) });
  },
};

/** Sets the final weights of a run if it is finished, else those of its checkpoint. */
export async function restoreWeights(model: Model, run: StoredRun): Promise<{ finished: boolean; source: string }> {
  if (run.state === "finished") {
    restoreModel(model, (await run.read("model"))!, run.file("model"));
    return { finished: true, source: "its end" };
  }
  const bytes = await run.read("checkpoint");
  if (!bytes) throw new FileFormatError(`${run.path} holds no checkpoint yet: nothing was saved there so far`);
  const { model: weights, position } = decodeCheckpoint(bytes, run.file("checkpoint"));
  upload(weights, modelTensors(model), run.file("checkpoint"));
  return { finished: false, source: `its last checkpoint, after ${position.step} steps` };
}
