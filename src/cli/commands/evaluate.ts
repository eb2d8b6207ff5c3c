import { decodeCheckpoint } from "../../train/checkpoint.ts";
import { FileFormatError } from "../../errors.ts";
import type { Model } from "../../nn/model.ts";
import { Recorder } from "../../nn/recorder.ts";
import { adam } from "../../train/optimizer.ts";
import type { RunDirectory } from "../../train/runDirectory.ts";
import { Trainer } from "../../train/trainer.ts";
import { modelTensors, restoreModel, upload } from "../../train/weights.ts";
import { type Command, UsageError } from "../command.ts";
import { describeOptions, type OptionTable, parseArguments } from "../options.ts";
import { buildModel, existingRun, loadDataset, referenceLoss, withDevice } from "../run.ts";

const options = {
  device: { type: "text", value: "NAME", help: "default auto, which says what it chose" },
  data: { type: "text", value: "DIR", help: "where the IDX files are; default: where they were in training" },
  limit: { type: "integer", value: "N", minimum: 1, help: "use only the first N test images; default: as many as in training" },
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
    const { directory, settings } = await existingRun(positionals[0]);
    const dataset = await loadDataset({ ...settings, data: values.data ?? settings.data, limit: values.limit ?? settings.limit }, "test");
    return withDevice(values.device, async (device) => {
      const model = buildModel(settings, dataset, device);
      const finished = await restoreWeights(model, directory);
      const trainer = new Trainer(model, { optimizer: adam(), loss: referenceLoss(), seed: settings.seed });
      using recorder = new Recorder();
      const result = await trainer.evaluate(dataset, { recorder });
      const firingRates = await recorder.firingRates();
      if (values.json) {
        process.stdout.write(`${JSON.stringify({ runDirectory: directory.path, dataset: settings.dataset, model: settings.model, device: device.name, finished, ...result, firingRates })}\n`);
        return 0;
      }
      if (!finished) process.stderr.write("the run is not finished: these are the weights of its last checkpoint\n");
      process.stdout.write(`test accuracy  ${(100 * result.accuracy).toFixed(2)}% (${result.correct} of ${result.samples}), loss ${result.loss.toFixed(4)}, ${result.seconds.toFixed(1)} s\n`);
      for (const { layer, rate } of firingRates) process.stdout.write(`firing rate    ${rate.toFixed(3)} per step  ${layer}\n`);
      return 0;
    });
  },
};

/** Sets the final weights of a run if there are, else those of its checkpoint. Returns whether the run is finished. */
export async function restoreWeights(model: Model, directory: RunDirectory): Promise<boolean> {
  const final = await directory.read("model");
  if (final) {
    restoreModel(model, final, directory.file("model"));
    return true;
  }
  const checkpoint = await directory.read("checkpoint");
  if (!checkpoint) throw new FileFormatError(`${directory.path} holds neither ${directory.file("model")} nor a checkpoint: nothing was trained there yet`);
  const file = directory.file("checkpoint");
  upload(decodeCheckpoint(checkpoint, file).model, modelTensors(model), file);
  return false;
}
