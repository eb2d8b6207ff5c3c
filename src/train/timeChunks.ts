import "../dispose.ts";
import type { Encoded } from "../data/encode.ts";
import type { Tensor } from "../device/device.ts";
import { OptionError } from "../errors.ts";
import { BatchNorm } from "../nn/batchNorm.ts";
import { leaves, type Model } from "../nn/model.ts";
import { chunkOf, type Steps } from "../nn/timeChunk.ts";
import type { ProcessGroup } from "../parallel/group.ts";
import type { Loss } from "./loss.ts";
import type { Regularizer } from "./regularizer.ts";

/** How time is cut. */
export interface TimeChunking {
  /** Each rank has a chunk of time, in their order. */
  group: ProcessGroup;
  /** Into how many parts the samples of a batch fall, on which ranks work at once. */
  microBatches: number;
}

/** Samples of a batch. */
export interface Samples {
  from: number;
  count: number;
}

/** The samples of a batch in parts of nearly equal size, of at least one each. */
export function microBatchesOf(size: number, wanted: number): Samples[] {
  const parts = Math.min(size, wanted);
  return Array.from({ length: parts }, (_, part) => {
    const from = Math.floor((part * size) / parts);
    return { from, count: Math.floor(((part + 1) * size) / parts) - from };
  });
}

/** Of an input [T, B, ...], or [1, B, ...] that holds at all steps, some of the steps and samples. */
export function partOf({ data, shape: [rows, batch, ...rest] }: Encoded, steps: Steps, samples: Samples): Encoded {
  const size = rest.reduce((product, length) => product * length, 1);
  const { from, count } = rows === 1 ? { from: 0, count: 1 } : steps;
  const shape = [count, samples.count, ...rest];
  if (samples.count === batch) return { data: data.subarray(from * batch * size, (from + count) * batch * size), shape };
  const values = new Float32Array(count * samples.count * size);
  for (let t = 0; t < count; t++) {
    const at = ((from + t) * batch + samples.from) * size;
    values.set(data.subarray(at, at + samples.count * size), t * samples.count * size);
  }
  return { data: values, shape };
}

/** Of labels [B], or [T·B] of steps, those of some samples. */
export function labelsOf(labels: Int32Array, batch: number, { from, count }: Samples): Int32Array {
  return Int32Array.from({ length: (labels.length / batch) * count }, (_, i) => labels[Math.floor(i / count) * batch + from + (i % count)]);
}

/**
 * What a model says of all of time, on every rank, of what it says of each rank's chunk: scores [B, K], which the last rank has; or of steps, [T_r, B, K] on each, together [T, B, K]. The caller's.
 */
export function wholeScores(group: ProcessGroup, scores: Tensor, steps: number, over: Loss["over"] = "samples"): Tensor {
  const { device } = scores;
  if (over === "samples") {
    const whole = device.empty(scores.shape);
    if (isLast(group)) device.copy(scores, whole);
    group.broadcast(whole, group.size - 1);
    return whole;
  }
  const [, ...rest] = scores.shape;
  const whole = device.empty([steps, ...rest]);
  for (let rank = 0; rank < group.size; rank++) {
    const { from, count } = chunkOf(steps, { rank, size: group.size });
    using piece = device.empty([count, ...rest]);
    if (rank === group.rank) device.copy(scores, piece);
    group.broadcast(piece, rank);
    device.copy(piece, whole, (from * whole.size) / steps);
  }
  return whole;
}

/** Of a gradient of whole scores that of the scores of this rank. The caller's. */
export function ownGradient(group: ProcessGroup, gradient: Tensor, steps: number, over: Loss["over"] = "samples"): Tensor {
  const { device, shape, size } = gradient;
  // What ranks before the last have of a read-out is a part of it: its gradient comes back through the chunks.
  if (over === "samples" && !isLast(group)) return device.zeros(shape);
  const { from, count } = over === "steps" ? chunkOf(steps, group) : { from: 0, count: shape[0] };
  const own = device.empty([count, ...shape.slice(1)]);
  device.copy(gradient, own, (from * size) / shape[0]);
  return own;
}

const isLast = ({ rank, size }: ProcessGroup): boolean => rank === size - 1;

/** @throws OptionError for samples whose time is shorter than there are chunks */
export function checkSteps(steps: number, { size }: ProcessGroup, what: string): void {
  if (steps < size) throw new OptionError(`${what} T = ${steps} time steps, which cannot be cut into ${size} chunks, one for each process: use fewer processes, or parallel: "data"`);
}

/** @throws OptionError, naming the layer, for a model or options that time chunks cannot have */
export function checkTimeChunks(model: Model, { group, microBatches }: TimeChunking, regularizers: readonly Regularizer[]): void {
  checkSteps(model.steps, group, "new Trainer: the model has");
  if (microBatches > 1) {
    const norm = leaves(model.body).find((layer) => layer instanceof BatchNorm);
    if (norm) throw new OptionError(`new Trainer: ${norm.name} takes statistics of whole batches: microBatches must be 1, is ${microBatches}; or use layerNorm or groupNorm`);
    if (regularizers.length > 0) throw new OptionError(`new Trainer: ${regularizers[0].name} sees the rates of whole batches: microBatches must be 1, is ${microBatches}`);
  }
  // What cannot run in chunks says so itself, by name.
  model.memory({ batch: 1, timeChunks: group.size });
}
