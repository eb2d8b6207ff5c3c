import { checkArgument, checkOptions, integer, kind, listOf, type OptionKinds, required } from "../check.ts";
import { type ParallelBound, type Grid, handOverSeconds, type ParallelScheme, partOf, type SimulatedStep, simulateGrid, simulateNeurons } from "./schemes.ts";
import { checkCluster, checkWorkload, type ParallelCluster, type ParallelWorkload } from "./workload.ts";

export interface ParallelPlanOptions {
  cluster: ParallelCluster;
  /** Numbers of GPUs to predict besides one. Default: 2, 4, 8. */
  gpus?: readonly number[];
}

const OPTIONS: OptionKinds<ParallelPlanOptions> = {
  cluster: required(kind("an object { gpusPerHost, link: { latency, bandwidth } }", (x) => typeof x === "object" && x !== null)),
  gpus: kind("a list of integers ≥ 1, at least one", (x) => listOf(integer(1)).accepts(x) && (x as number[]).length > 0),
};

/** What a scheme takes on a number of GPUs. */
export interface ParallelPrediction extends SimulatedStep {
  scheme: ParallelScheme;
  gpus: number;
  /** Times as fast as one GPU. */
  speedup: number;
  /** Parts of the batch; of `neurons`: 1. */
  replicas: number;
  /** Chunks of time; of `neurons`: 1. */
  chunks: number;
  microBatches: number;
}

export interface ParallelPlan {
  /** T_s: forward and backward on one GPU. */
  singleSeconds: number;
  /** T_c: states of one layer handed on, and their gradients handed back; of the layer for which that takes longest. */
  handOverSeconds: number;
  /** √(T_s/T_c), the best number of chunks by the closed form. */
  bestChunks: number;
  predictions: ParallelPrediction[];
  /** The fastest; of those within 2 % of it the one with the fewest GPUs. */
  best: ParallelPrediction;
  /** Why, for people. */
  reason: string;
}

/** (k − 1)·T_c + T_s/k: chunks of time on k GPUs where the passes of many trials follow one another, so that all GPUs work (Li et al., ICANN 2024). */
export const secondsOfChunks = (singleSeconds: number, handOver: number, chunks: number): number => (chunks - 1) * handOver + singleSeconds / chunks;

/** √(T_s/T_c): where `secondsOfChunks` is least. */
export const bestNumberOfChunks = (singleSeconds: number, handOver: number): number => Math.sqrt(singleSeconds / handOver);

/** What is simulated has at most so many pieces of work in one direction. */
const MAX_PIECES = 2 ** 16;
/** Of the fastest, within which fewer GPUs win. */
const TOLERANCE = 0.02;

/**
 * Predicts a training step on several GPUs by a simulation of its events: samples split, time in chunks, both, and neurons split. Numbers of GPUs that a scheme cannot use (more parts than samples
 * or steps) are left out. docs/parallel.md says what is assumed.
 * @throws OptionError for figures that are none.
 */
export function planParallel(workload: ParallelWorkload, options: ParallelPlanOptions): ParallelPlan {
  checkWorkload("planParallel", workload);
  checkOptions("planParallel", options, OPTIONS);
  const { cluster, gpus = [2, 4, 8] } = options;
  checkCluster("planParallel", cluster);
  const { stages } = workload;
  const singleSeconds = simulateGrid(workload, cluster, { replicas: 1, chunks: 1, microBatches: 1 }).seconds;
  checkArgument("planParallel", "workload: the seconds of its stages together", singleSeconds, kind("more than 0", (x) => (x as number) > 0));
  const handOver = 2 * Math.max(...stages.map(({ stateBytes }) => handOverSeconds(cluster.link, stateBytes)));

  const grid = (scheme: ParallelScheme, size: Omit<Grid, "microBatches">): ParallelPrediction => {
    const whole = { ...size, microBatches: microBatchesFor(workload, cluster, size) };
    const prediction = simulateGrid(workload, cluster, whole);
    return { scheme, gpus: size.replicas * size.chunks, ...whole, speedup: singleSeconds / prediction.seconds, ...prediction };
  };
  const predictions = [...new Set([1, ...gpus])].toSorted((a, b) => a - b).flatMap((count): ParallelPrediction[] => {
    if (count === 1) return [grid("data", { replicas: 1, chunks: 1 })];
    const neurons = simulateNeurons(workload, cluster, count);
    const mixed = bestMix(workload, cluster, count);
    return [
      ...(count <= workload.batch ? [grid("data", { replicas: count, chunks: 1 })] : []),
      ...(count <= workload.steps ? [grid("time", { replicas: 1, chunks: count })] : []),
      ...(mixed ? [grid("mixed", mixed)] : []),
      ...(stages.some((stage) => stage.neurons >= count) ? [{ scheme: "neurons" as const, gpus: count, replicas: 1, chunks: 1, microBatches: 1, speedup: singleSeconds / neurons.seconds, ...neurons }] : []),
    ];
  });
  const fastest = predictions.reduce((a, b) => (b.seconds < a.seconds ? b : a));
  const best = predictions.find(({ seconds }) => seconds <= fastest.seconds * (1 + TOLERANCE))!;
  return { singleSeconds, handOverSeconds: handOver, bestChunks: bestNumberOfChunks(singleSeconds, handOver), predictions, best, reason: reasonFor(best, predictions) };
}

/** Roughly what a grid takes: each rank's work, and the time until the last chunk begins; where there is a batch norm, neurons of one chunk at a time. */
function estimate({ steps, batch, stages }: ParallelWorkload, cluster: ParallelCluster, { replicas, chunks, microBatches }: Grid): number {
  const share = Math.ceil(Math.ceil(batch / replicas) / microBatches) / batch;
  const pieces = stages.map((stage) => (stage.forward + stage.backward) * partOf(stage, Math.ceil(steps / chunks) / steps, share));
  const inNeurons = pieces.map((piece, i) => piece * (stages[i].neuronShare ?? 1));
  const handOver = 2 * Math.max(...stages.map(({ stateBytes }) => handOverSeconds(cluster.link, stateBytes * share)));
  const waiting = stages.some(({ batchNorm }) => batchNorm) ? sum(inNeurons) + stages.length * handOver : Math.max(...inNeurons) + handOver;
  return microBatches * sum(pieces) + (chunks - 1) * waiting;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The fewest of 1, 2, 4, … that are within 1 % of the best by the estimate; at most the samples of a replica. A batch norm sees whole batches. */
function microBatchesFor(workload: ParallelWorkload, cluster: ParallelCluster, size: Omit<Grid, "microBatches">): number {
  if (size.chunks === 1 || workload.stages.some(({ batchNorm }) => batchNorm)) return 1;
  const most = Math.min(Math.ceil(workload.batch / size.replicas), Math.max(1, MAX_PIECES / (size.chunks * workload.stages.length)));
  const counts = Array.from({ length: Math.floor(Math.log2(most)) + 1 }, (_, i) => 2 ** i);
  const seconds = counts.map((microBatches) => estimate(workload, cluster, { ...size, microBatches }));
  return counts[seconds.findIndex((each) => each <= 1.01 * Math.min(...seconds))];
}

/** The mix of at least two replicas and two chunks that is fastest by the estimate. */
function bestMix(workload: ParallelWorkload, cluster: ParallelCluster, count: number): Omit<Grid, "microBatches"> | undefined {
  const mixes = Array.from({ length: count }, (_, i) => i + 1).filter((chunks) => chunks > 1 && chunks < count && count % chunks === 0)
    .map((chunks) => ({ replicas: count / chunks, chunks })).filter(({ replicas, chunks }) => replicas <= workload.batch && chunks <= workload.steps);
  const of = (size: Omit<Grid, "microBatches">): number => estimate(workload, cluster, { ...size, microBatches: microBatchesFor(workload, cluster, size) });
  return mixes.length > 0 ? mixes.reduce((a, b) => (of(b) < of(a) ? b : a)) : undefined;
}

const BOUNDS: Readonly<Record<ParallelBound, string>> = {
  compute: "computing", pipeline: "chunks that wait for their turn", handOver: "handing states on", gather: "gathering spikes", allReduce: "summing gradients",
};

const NAMES: Readonly<Record<ParallelScheme, string>> = { data: "data parallel", time: "chunks of time", mixed: "data parallel with chunks of time", neurons: "neurons split" };

export const nameOfScheme = (scheme: ParallelScheme): string => NAMES[scheme];

function reasonFor(best: ParallelPrediction, predictions: readonly ParallelPrediction[]): string {
  const most = Math.max(...predictions.map(({ gpus }) => gpus));
  if (best.gpus === 1) return most === 1 ? "one GPU is all there is" : `no scheme on up to ${most} GPUs is faster than one: ${BOUNDS[fastestBeyondOne(predictions).bound]} takes most of the fastest of them`;
  const share = best.path[best.bound] / best.seconds;
  const others = predictions.filter(({ gpus, scheme }) => gpus === best.gpus && scheme !== best.scheme).map(({ scheme, seconds, bound }) => `${NAMES[scheme]} takes ${(seconds / best.seconds).toFixed(2)}× as long (${BOUNDS[bound]})`);
  return `${NAMES[best.scheme]} on ${best.gpus} GPUs: ${(100 * share).toFixed(0)} % of the step is ${BOUNDS[best.bound]}${others.length > 0 ? `; ${others.join(", ")}` : ""}`;
}

const fastestBeyondOne = (predictions: readonly ParallelPrediction[]): ParallelPrediction => predictions.filter(({ gpus }) => gpus > 1).reduce((a, b) => (b.seconds < a.seconds ? b : a));
