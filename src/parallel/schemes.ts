import { Simulation, type Simulated, type Stream, type Task } from "./simulation.ts";
import type { ParallelCluster, ParallelLink, ParallelStage, ParallelWorkload } from "./workload.ts";

/**
 * How a training step is shared out: `data`, samples; `time`, chunks of time steps, whose states are handed on at their ends; `mixed`, both; `neurons`, the neurons of each layer.
 */
export type ParallelScheme = "data" | "time" | "mixed" | "neurons";

/** Shares of a batch, each of them in chunks of time: `data` has one chunk, `time` one replica. */
export interface Grid {
  replicas: number;
  chunks: number;
  /** Parts of a replica's samples that go through the chunks one after the other, so that chunks work at once. */
  microBatches: number;
}

/** One training step on several GPUs, without its update. */
export interface SimulatedStep {
  seconds: number;
  /** Share of the time in which a GPU computes, on average. */
  utilisation: number;
  /** The critical path, in seconds: what a GPU computes; how long it waits for the chunks before it and after it to begin; states; spikes; gradients. */
  path: Readonly<Record<ParallelBound, number>>;
  /** What takes most of the critical path. */
  bound: ParallelBound;
}

export type ParallelBound = "compute" | "pipeline" | "handOver" | "gather" | "allReduce";

/** Gradients are summed in buckets of at least so many bytes, as soon as they are there. */
const BUCKET_BYTES = 4 * 2 ** 20;

/** Of so many equal parts of a whole, the share that the largest has. */
const largest = (whole: number, parts: number): number => Math.ceil(whole / parts) / whole;

/** Between neighbours: two ranks of one host, or of two. */
const linkBetween = ({ gpusPerHost, link, network = link }: ParallelCluster, rank: number): ParallelLink => (Math.floor(rank / gpusPerHost) === Math.floor((rank + 1) / gpusPerHost) ? link : network);
const slowestLink = ({ gpusPerHost, link, network = link }: ParallelCluster, ranks: number): ParallelLink => (ranks <= gpusPerHost ? link : network);

/** Seconds in which all ranks have the sum of what each has, by a ring or by trees, whichever is faster: the bytes pass each link twice. */
export function allReduceSeconds(cluster: ParallelCluster, ranks: number, bytes: number): number {
  if (ranks === 1) return 0;
  const { latency, bandwidth } = slowestLink(cluster, ranks);
  const ring = 2 * (ranks - 1) * (latency + bytes / ranks / bandwidth);
  const trees = 2 * (Math.ceil(Math.log2(ranks)) * latency + bytes / bandwidth);
  return Math.min(ring, trees);
}

/** Seconds in which all ranks have what each has a part of; as long as it takes that each has its part of the sum of what all have. */
export function gatherSeconds(cluster: ParallelCluster, ranks: number, bytes: number): number {
  if (ranks === 1) return 0;
  const { latency, bandwidth } = slowestLink(cluster, ranks);
  return Math.ceil(Math.log2(ranks)) * latency + ((ranks - 1) / ranks) * (bytes / bandwidth);
}

export const handOverSeconds = ({ latency, bandwidth }: ParallelLink, bytes: number): number => latency + bytes / bandwidth;

/**
 * Of a stage's seconds, those for a part of the time steps and of the samples: some stay, some go with either, the rest with both. What stays however few steps, and however few samples, there are
 * is the same as far as it can be.
 */
export function partOf({ fixed: { time, batch } = { time: 0, batch: 0 } }: ParallelStage, timeShare: number, batchShare: number): number {
  const always = Math.min(time, batch);
  return always + (batch - always) * timeShare + (time - always) * batchShare + (1 - Math.max(time, batch)) * timeShare * batchShare;
}

/**
 * Chunks of time, in replicas that each have a part of the batch. A chunk runs the micro-batches in order, layer by layer; neurons wait for their states from the chunk before, and backward for
 * the gradients of their states from the chunk after. Gradients are summed over all ranks: where time is whole, as soon as a layer has them, else at the end. Replicas are alike, so one of them
 * stands for all.
 */
export function simulateGrid({ steps, batch, stages }: ParallelWorkload, cluster: ParallelCluster, { replicas, chunks, microBatches }: Grid): SimulatedStep {
  const simulation = new Simulation();
  const ranks = Array.from({ length: chunks }, () => simulation.stream());
  const sum = simulation.stream();
  const perReplica = Math.ceil(batch / replicas);
  const batchShare = Math.ceil(perReplica / microBatches) / batch;
  const parts = stages.map((stage) => partOf(stage, largest(steps, chunks), batchShare));

  /** One direction: through the chunks in that order, through the stages in that order. @returns the last task of each stage, of the chunk that ends last */
  const through = (order: readonly number[], stageOrder: readonly number[], direction: "forward" | "backward", after: Task | undefined): Task[] => {
    // What all chunks wait for: mean and variance, or the sums of their gradients. A batch norm sees a whole batch, so there is one micro-batch.
    const statistics = stages.map(({ batchNorm }) => (batchNorm && chunks > 1 ? simulation.task(simulation.stream(), "allReduce", 2 * allReduceSeconds(cluster, chunks, 0)) : undefined));
    let arriving: Task[] = [];
    let last: Task[] = [];
    for (const [i, rank] of order.entries()) {
      const next = order.at(i + 1);
      const link = next === undefined ? undefined : { ...linkBetween(cluster, Math.min(rank, next)), stream: simulation.stream() };
      const sent: Task[] = [];
      last = [];
      for (let micro = 0; micro < microBatches; micro++) {
        for (const stage of stageOrder) {
          const { neuronShare = 1, stateBytes } = stages[stage];
          const seconds = stages[stage][direction] * parts[stage];
          const dense = (before?: Task): Task | undefined => (neuronShare < 1 ? simulation.task(ranks[rank], "compute", seconds * (1 - neuronShare), [after, before]) : undefined);
          const neurons = (before?: Task): Task => simulation.task(ranks[rank], "compute", seconds * neuronShare, [after, arriving[sent.length], before]);
          const shared = statistics[stage];
          const share = (task: Task | undefined): void => void (shared && task && simulation.wait(shared, task));
          let fired: Task;
          if (direction === "forward") {
            share(dense());
            fired = last[stage] = neurons(shared);
          } else {
            share((fired = neurons()));
            last[stage] = dense(shared) ?? fired;
          }
          sent.push(link ? simulation.task(link.stream, "handOver", (stateBytes * batchShare) / link.bandwidth, [fired], link.latency) : fired);
        }
      }
      arriving = sent;
    }
    return last;
  };
  const upwards = [...stages.keys()];
  const downwards = upwards.toReversed();
  const chunksUpwards = [...ranks.keys()];

  const forward = through(chunksUpwards, upwards, "forward", undefined);
  // The loss sees the read-outs of all chunks.
  const readOut = chunks > 1 ? simulation.task(simulation.stream(), "handOver", allReduceSeconds(cluster, chunks, 0), [forward.at(-1)]) : undefined;
  const backward = through(chunksUpwards.toReversed(), downwards, "backward", readOut);
  let bytes = 0;
  for (const stage of downwards) {
    bytes += stages[stage].parameterBytes;
    if (bytes === 0 || (bytes < BUCKET_BYTES && stage > 0)) continue;
    simulation.task(sum, "allReduce", allReduceSeconds(cluster, replicas * chunks, bytes), [backward[chunks > 1 ? 0 : stage]]);
    bytes = 0;
  }
  return predictionOf(simulation.run(), ranks);
}

/**
 * The neurons of each layer split over the ranks, weights with them. A layer reads the spikes of the whole layer before it, so they are gathered in between, and backward the sums of their
 * gradients. The ranks are alike, so one of them stands for all.
 */
export function simulateNeurons({ stages }: ParallelWorkload, cluster: ParallelCluster, ranks: number): SimulatedStep {
  const simulation = new Simulation();
  const rank = simulation.stream();
  const link = simulation.stream();
  let before: Task | undefined;
  const pass = (order: readonly ParallelStage[], direction: "forward" | "backward"): void => {
    order.forEach((stage, i) => {
      const computed = simulation.task(rank, "compute", stage[direction] * partOf(stage, 1, largest(stage.neurons, Math.min(ranks, stage.neurons))), [before]);
      if (i === order.length - 1) return void (before = computed);
      // What lies between two stages is the output of the lower one.
      const { outputBytes } = direction === "forward" ? stage : order[i + 1];
      before = simulation.task(link, "gather", gatherSeconds(cluster, ranks, outputBytes), [computed]);
    });
  };
  pass(stages, "forward");
  pass(stages.toReversed(), "backward");
  return predictionOf(simulation.run(), [rank]);
}

function predictionOf({ seconds, path }: Simulated, ranks: readonly Stream[]): SimulatedStep {
  const busiest = Math.min(path.compute, Math.max(...ranks.map(({ busy }) => busy)));
  const parts: Record<ParallelBound, number> = { compute: busiest, pipeline: path.compute - busiest, handOver: path.handOver, gather: path.gather, allReduce: path.allReduce };
  const bound = (Object.keys(parts) as ParallelBound[]).reduce((a, b) => (parts[b] > parts[a] ? b : a));
  return { seconds, utilisation: ranks.reduce((sum, { busy }) => sum + busy, 0) / ranks.length / seconds, path: parts, bound };
}
