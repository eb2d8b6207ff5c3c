import { SpikefoldError } from "../errors.ts";

/** Training cannot go on: the loss or a weight is no longer a finite number. */
export class TrainingError extends SpikefoldError {
  override name = "TrainingError";
}
