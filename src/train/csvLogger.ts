import { FileFormatError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import { logFiles, restarts, type TrainingLogger } from "./logger.ts";

const { appendFileSync, existsSync, mkdirSync, readFileSync, truncateSync, writeFileSync } = nodeModule("node:fs");

const stepColumns = ["step", "epoch", "loss", "accuracy", "epochLoss", "epochAccuracy"];
const epochColumns = ["epoch", "trainLoss", "trainAccuracy", "testLoss", "testAccuracy", "seconds", "samplesPerSecond"];

/**
 * Logs a training as comma-separated values (RFC 4180): `steps.csv` in the directory has a row for each update, `epochs.csv` one for each epoch; the columns are the fields of
 * `StepEvent` and `EpochMetrics`, empty where the test set was not evaluated. Rows of updates and epochs that are done again, after a resume, replace the old ones. Needs Node.
 * @throws OptionError where there is no Node; from the callbacks FileFormatError if such a file is there with other columns, and the system's errors.
 */
export function csvLogger(directory: string): TrainingLogger {
  const steps = table("steps.csv", stepColumns, directory);
  const epochs = table("epochs.csv", epochColumns, directory);
  return {
    onStep(event) {
      if (steps.write({ ...event })) epochs.cut(event.epoch);
    },
    onEpoch: (metrics) => void epochs.write({ ...metrics }),
  };
}

/** A file of rows in the order of their first column. */
function table(name: string, columns: readonly string[], directory: string) {
  const file = logFiles("csvLogger", directory)(name);
  const header = `${columns.join()}\n`;
  const restarted = restarts();

  /** Takes away the row `key` and all after it, and what was written by half. */
  function cut(key: number): void {
    mkdirSync(directory, { recursive: true });
    const before = existsSync(file) ? readFileSync(file, "utf8") : "";
    if (before === "") return writeFileSync(file, header);
    if (!before.startsWith(header)) throw new FileFormatError(`${file} is there already and has other columns than ${columns.join()}: choose another directory`);
    const rows = before.slice(header.length).split("\n");
    const end = rows.findIndex((row, i) => i === rows.length - 1 || !(Number(row.split(",", 1)[0]) < key));
    truncateSync(file, header.length + rows.slice(0, end).join("\n").length + (end > 0 ? 1 : 0));
  }

  return {
    cut,
    /** Returns whether rows that were there had to give way. */
    write(values: Readonly<Record<string, unknown>>): boolean {
      const key = values[columns[0]] as number;
      const again = restarted(key);
      if (again) cut(key);
      appendFileSync(file, `${columns.map((column) => values[column] ?? "").join()}\n`);
      return again;
    },
  };
}
