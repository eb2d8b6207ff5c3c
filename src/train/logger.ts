import { checkArgument, text } from "../check.ts";
import { OptionError } from "../errors.ts";
import { inNode, nodeModule } from "../runtime.ts";
import type { EpochMetrics } from "./history.ts";
import type { StepEvent } from "./trainer.ts";

/** Callbacks for `fit` that write what they are told of into files: `fit(dataset, { epochs: 4, ...csvLogger("log") })`. Every row is in the file when they return. */
export interface TrainingLogger {
  readonly onStep: (event: StepEvent) => void;
  readonly onEpoch: (metrics: EpochMetrics) => void;
}

/**
 * The path of a file in a logger's directory, by its name.
 * @throws OptionError where there is no Node, or the directory is no text.
 */
export function logFiles(what: string, directory: string): (name: string) => string {
  checkArgument(what, "directory", directory, text);
  if (!inNode) throw new OptionError(`${what} needs Node; in a browser keep what onStep and onEpoch are given`);
  const { join } = nodeModule("node:path");
  return (name) => join(directory, name);
}

/** Tells the rows that come after all others from one that begins anew: the first, or one that was there before (a resumed training goes back to its last checkpoint). */
export function restarts(): (row: number) => boolean {
  let last = Infinity;
  return (row) => {
    const restarted = row <= last;
    last = row;
    return restarted;
  };
}
