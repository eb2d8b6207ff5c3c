import { ShapeError } from "../../errors.ts";
import type { Target } from "../loss.ts";

/** The steps of a batch as rows of [T·B, K], time-major. */
export interface Rows {
  /** B. */
  batch: number;
  /** Whether the labels are of steps. */
  ofSteps: boolean;
  /** [T·B], the label of each row; −1 where it counts for nothing. */
  labels: Int32Array;
  /** [T·B]: 1 / (B · steps of the sample that count), or 0. All samples weigh the same, however long they are. */
  weights: Float32Array;
}

/**
 * What of each step counts, for labels [B] or [T·B].
 * @throws ShapeError for a sample of which no step has a label.
 */
export function rowsOf(labels: Int32Array, steps: number, lengths?: Int32Array): Rows {
  const batch = lengths?.length ?? labels.length;
  const ofSteps = labels.length !== batch;
  const length = (sample: number): number => lengths?.[sample] ?? steps;
  const ofRow = Int32Array.from({ length: steps * batch }, (_, row) => (Math.floor(row / batch) < length(row % batch) ? labels[ofSteps ? row : row % batch] : -1));
  const counted = new Float64Array(batch);
  ofRow.forEach((label, row) => (counted[row % batch] += label < 0 ? 0 : 1));
  const none = counted.indexOf(0);
  if (none >= 0) throw new ShapeError(`no step of sample ${none} of the batch has a label`);
  return { batch, ofSteps, labels: ofRow, weights: Float32Array.from(ofRow, (label, row) => (label < 0 ? 0 : 1 / (batch * counted[row % batch]))) };
}

/** Of each output, [B, K]: how many steps of its sample are valid. */
export function lengthsOfOutputs(batch: number, classes: number, steps: number, lengths?: Int32Array): Target & { data: Float32Array } {
  return { data: Float32Array.from({ length: batch * classes }, (_, i) => lengths?.[Math.floor(i / classes)] ?? steps), shape: [batch, classes] };
}

export const labelTarget = (labels: Int32Array): Target => ({ data: labels, shape: [labels.length] });
