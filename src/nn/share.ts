import { checkArgument, checkOptions, integer, kind, object, type OptionKinds, required } from "../check.ts";
import { groupKind, type SharedStatistics } from "./statistics.ts";

/** The samples that a pass has of a batch that lies on several processes. Where it has none, it runs the first of the batch, which then counts for nothing. */
export interface BatchShare extends SharedStatistics {
  /** Its first sample, in the batch. */
  first: number;
}

const KINDS: OptionKinds<BatchShare> = { group: required(groupKind), own: required(integer(0)), all: required(integer(1)), passed: integer(1), first: required(integer(0)) };
export const shareKind = kind("an object { group, own, all, first }", object.accepts);

/** @throws OptionError for what is out of range. */
export function checkShare(share: BatchShare): void {
  checkOptions("Tape: share", share, KINDS);
  checkArgument("Tape: share", "first", share.first, integer(0, share.all - Math.max(share.own, 1)));
}

/** Of values for each sample of a whole batch, one sample behind the other, those of a share. */
export function cut<A extends { subarray(from: number, to: number): A }>(values: A, { first, own }: BatchShare, perSample: number): A {
  return values.subarray(first * perSample, (first + Math.max(own, 1)) * perSample);
}
