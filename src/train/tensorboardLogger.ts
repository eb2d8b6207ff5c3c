import { nodeModule } from "../runtime.ts";
import { fileVersion, record, scalars, sessionStart } from "./eventFile.ts";
import { logFiles, restarts, type TrainingLogger } from "./logger.ts";

const { appendFileSync, mkdirSync, readdirSync } = nodeModule("node:fs");
const { hostname } = nodeModule("node:os");

/**
 * Logs a training for TensorBoard, as event files in the directory (`tensorboard --logdir DIRECTORY`): the scalars `step/loss` and `step/accuracy` over updates; `epoch/trainLoss`,
 * `epoch/trainAccuracy`, `epoch/testLoss`, `epoch/testAccuracy` and `epoch/samplesPerSecond` over epochs. After a resume a new file begins, which tells TensorBoard to forget
 * the updates that are done again. Needs Node.
 * @throws OptionError where there is no Node; from the callbacks the system's errors.
 */
export function tensorboardLogger(directory: string): TrainingLogger {
  const path = logFiles("tensorboardLogger", directory);
  const restarted = restarts();
  let file: string | undefined;

  const append = (event: Uint8Array): void => appendFileSync(file!, record(event));
  const begin = (step: number): void => {
    mkdirSync(directory, { recursive: true });
    // TensorBoard reads files in the order of their names.
    const number = readdirSync(directory).filter((name) => name.includes("tfevents")).length;
    file = path(`events.out.tfevents.${Math.floor(now())}.${String(number).padStart(4, "0")}.${hostname()}.${process.pid}`);
    append(fileVersion(now()));
    append(sessionStart(now(), step));
  };

  return {
    onStep({ step, loss, accuracy }) {
      if (restarted(step)) begin(step);
      append(scalars(now(), step, { "step/loss": loss, "step/accuracy": accuracy }));
    },
    onEpoch({ epoch, trainLoss, trainAccuracy, testLoss, testAccuracy, samplesPerSecond }) {
      if (file === undefined) begin(Number.MAX_SAFE_INTEGER);
      append(scalars(now(), epoch, {
        "epoch/trainLoss": trainLoss, "epoch/trainAccuracy": trainAccuracy, "epoch/testLoss": testLoss, "epoch/testAccuracy": testAccuracy, "epoch/samplesPerSecond": samplesPerSecond,
      }));
    },
  };
}

const now = (): number => Date.now() / 1000;
