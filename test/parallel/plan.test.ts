import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { bestNumberOfChunks, planParallel, secondsOfChunks } from "../../src/parallel/plan.ts";
import { allReduceSeconds, gatherSeconds, simulateGrid, simulateNeurons } from "../../src/parallel/schemes.ts";
import type { ParallelCluster, ParallelStage, ParallelWorkload } from "../../src/parallel/workload.ts";
import { root } from "../built.ts";

const stage = (more: Partial<ParallelStage> = {}): ParallelStage => ({ name: "lif", forward: 1, backward: 2, neurons: 4096, stateBytes: 0, parameterBytes: 0, outputBytes: 0, ...more });
const workload = (stages: ParallelStage[], more: Partial<ParallelWorkload> = {}): ParallelWorkload => ({ steps: 1024, batch: 1024, stages, ...more });
/** Where nothing that is sent takes any time. */
const free: ParallelCluster = { gpusPerHost: 8, link: { latency: 0, bandwidth: Infinity } };
const real: ParallelCluster = { gpusPerHost: 4, link: { latency: 1e-3, bandwidth: 1e9 }, network: { latency: 1e-2, bandwidth: 1e8 } };
const inChunks = (chunks: number, microBatches: number) => ({ replicas: 1, chunks, microBatches });

describe("a simulated training step", () => {
  it("takes on one GPU what its stages take", () => {
    const { seconds, utilisation, bound, path } = simulateGrid(workload([stage(), stage({ forward: 3 })]), real, inChunks(1, 1));
    expect([seconds, utilisation, bound, path.compute]).toEqual([8, 1, "compute", 8]);
  });

  it("gains nothing by chunks of one layer and one pass: each waits for the one before", () => {
    for (const chunks of [2, 4, 8]) expect(simulateGrid(workload([stage()]), free, inChunks(chunks, 1)).seconds).toBeCloseTo(3, 10);
  });

  it("is a pipeline over layers and over micro-batches: the k-th chunk begins k − 1 pieces late, forward and backward", () => {
    for (const [layers, chunks, micro] of [[1, 4, 8], [6, 4, 1], [6, 8, 4], [3, 2, 16]]) {
      const piece = 1 / chunks / micro;
      const { seconds, utilisation } = simulateGrid(workload(Array.from({ length: layers }, () => stage())), free, inChunks(chunks, micro));
      expect(seconds).toBeCloseTo(3 * piece * (layers * micro + chunks - 1), 10);
      expect(utilisation).toBeCloseTo((layers * micro) / (layers * micro + chunks - 1), 10);
    }
  });

  it("pays a latency for each boundary that the last chunk waits for", () => {
    const slow = { gpusPerHost: 8, link: { latency: 0.5, bandwidth: Infinity } };
    const { seconds, path, bound } = simulateGrid(workload([stage()]), slow, inChunks(4, 64));
    // Forward and backward three each, and two rounds of two for the read-outs.
    expect(path.handOver).toBeCloseTo(2 * 3 * 0.5 + 2 * 2 * 0.5, 10);
    expect(seconds).toBeCloseTo(3 * (1 / 4) * (1 + 3 / 64) + 5, 10);
    expect(bound).toBe("handOver");
  });

  it("is bound by a link that carries states more slowly than chunks make them", () => {
    const thin = { gpusPerHost: 8, link: { latency: 0, bandwidth: 1 } };
    // Each of 16 messages takes 1 s, in each direction; a piece of work takes 1/32 and 2/32.
    expect(simulateGrid(workload([stage({ stateBytes: 16 })]), thin, inChunks(2, 16)).seconds).toBeCloseTo(32 + 6 / 32, 10);
  });

  it("lets only the neurons wait for the chunk before: what feeds them does not", () => {
    const [neuronShare, chunks] = [0.25, 4];
    const one = simulateGrid(workload([stage({ neuronShare })]), free, inChunks(chunks, 1));
    expect(one.seconds).toBeCloseTo(3 * (0.75 / chunks + 0.25), 10);
    expect(simulateGrid(workload([stage({ neuronShare })]), free, inChunks(1, 1)).seconds).toBeCloseTo(3, 10);
  });

  it("has all chunks wait at a batch norm for the slowest", () => {
    const layers = (batchNorm: boolean) => workload(Array.from({ length: 6 }, () => stage({ neuronShare: 0.25, batchNorm })));
    // Forward each layer's products wait for all neurons of the layer before; backward likewise.
    expect(simulateGrid(layers(true), free, inChunks(4, 1)).seconds).toBeCloseTo(6 * 3 * (0.75 / 4 + 0.25), 10);
    expect(simulateGrid(layers(false), free, inChunks(4, 1)).seconds).toBeLessThan(6 * 3 * (0.75 / 4 + 0.25) - 1);
    expect(planParallel(layers(true), { cluster: real }).predictions.every(({ microBatches }) => microBatches === 1)).toBe(true);
  });

  it("crosses the network where two neighbours are of two hosts", () => {
    const across = simulateGrid(workload([stage({ stateBytes: 1e6 })]), real, inChunks(8, 1));
    const within = simulateGrid(workload([stage({ stateBytes: 1e6 })]), { ...real, gpusPerHost: 8 }, inChunks(8, 1));
    expect(across.path.handOver - within.path.handOver).toBeCloseTo(2 * (1e-2 - 1e-3 + 1e6 / 1e8 - 1e6 / 1e9) + 2 * 3 * (1e-2 - 1e-3), 10);
  });

  it("splits a batch without any cost but that of the gradients' sum, which goes on beside what is left of backward", () => {
    expect(simulateGrid(workload([stage()]), real, { replicas: 4, chunks: 1, microBatches: 1 }).seconds).toBeCloseTo(0.75, 10);
    const bytes = 8 * 2 ** 20;
    const sum = allReduceSeconds(real, 4, bytes);
    const two = simulateGrid(workload([stage({ parameterBytes: bytes }), stage({ parameterBytes: bytes })]), real, { replicas: 4, chunks: 1, microBatches: 1 });
    expect(sum).toBeLessThan(0.5);
    expect(two.seconds).toBeCloseTo(1.5 + sum, 10);
    expect(two.path.allReduce).toBeCloseTo(sum, 10);
  });

  it("sums small gradients in one bucket", () => {
    const small = Array.from({ length: 4 }, () => stage({ parameterBytes: 1000 }));
    expect(simulateGrid(workload(small), real, { replicas: 4, chunks: 1, microBatches: 1 }).seconds).toBeCloseTo(3 + allReduceSeconds(real, 4, 4000), 10);
  });

  it("counts a part that cannot be split evenly as its largest", () => {
    expect(simulateGrid(workload([stage()], { batch: 5 }), free, { replicas: 4, chunks: 1, microBatches: 1 }).seconds).toBeCloseTo(3 * (2 / 5), 10);
    expect(simulateNeurons(workload([stage({ neurons: 3 })]), free, 8).seconds).toBeCloseTo(1, 10);
  });

  it("keeps what stays however small a part is", () => {
    const fixed = stage({ fixed: { time: 0.5, batch: 0.2 } });
    expect(simulateGrid(workload([fixed]), free, { replicas: 1, chunks: 1, microBatches: 1 }).seconds).toBeCloseTo(3, 10);
    expect(simulateGrid(workload([fixed]), free, { replicas: 2, chunks: 1, microBatches: 1 }).seconds).toBeCloseTo(3 * 0.6, 10);
    expect(simulateGrid(workload([fixed]), free, { replicas: 1, chunks: 2, microBatches: 1 }).seconds).toBeCloseTo(2 * 3 * 0.75, 10);
    expect(simulateGrid(workload([fixed]), free, { replicas: 1024, chunks: 1, microBatches: 1 }).seconds).toBeCloseTo(3 * (0.2 + 0.8 / 1024), 10);
  });

  it("splits the neurons of one layer without sending anything, and gathers spikes between layers", () => {
    expect(simulateNeurons(workload([stage({ stateBytes: 1e9, outputBytes: 1e9, parameterBytes: 1e9 })]), real, 4).seconds).toBeCloseTo(0.75, 10);
    const two = simulateNeurons(workload([stage({ outputBytes: 1e8 }), stage({ outputBytes: 1e12 })]), real, 4);
    expect(two.seconds).toBeCloseTo(1.5 + 2 * gatherSeconds(real, 4, 1e8), 10);
  });
});

describe("planParallel", () => {
  const one = workload([stage({ stateBytes: 1e6 })]);

  it("has the closed forms' least time at √(T_s/T_c)", () => {
    expect(bestNumberOfChunks(25.8, 0.1)).toBeCloseTo(16.06, 2);
    const best = bestNumberOfChunks(9, 0.01);
    expect(best).toBeCloseTo(30, 10);
    for (const other of [best - 1, best + 1]) expect(secondsOfChunks(9, 0.01, other)).toBeGreaterThan(secondsOfChunks(9, 0.01, best));
  });

  it("finds for one layer that its neurons are better split than its time", () => {
    const { predictions, best, reason, bestChunks, handOverSeconds, singleSeconds } = planParallel(one, { cluster: real });
    const seconds = (scheme: string, gpus: number): number => predictions.find((each) => each.scheme === scheme && each.gpus === gpus)!.seconds;
    for (const gpus of [2, 4, 8]) {
      expect(seconds("neurons", gpus)).toBeCloseTo(3 / gpus, 10);
      expect(seconds("data", gpus)).toBeCloseTo(3 / gpus, 10);
      expect(seconds("time", gpus)).toBeGreaterThan(3 / gpus);
    }
    expect([best.gpus, ["data", "neurons"].includes(best.scheme)]).toEqual([8, true]);
    expect(reason).toMatch(/on 8 GPUs: 100 % of the step is computing; chunks of time takes [\d.]+× as long/);
    expect([singleSeconds, handOverSeconds, bestChunks]).toEqual([3, 0.004, Math.sqrt(750)]);
  });

  it("finds chunks of time where neither the batch nor the neurons can be split", () => {
    const { best } = planParallel(workload(Array.from({ length: 8 }, () => stage({ neurons: 1 })), { batch: 1 }), { cluster: real });
    expect([best.scheme, best.gpus, best.microBatches]).toEqual(["time", 8, 1]);
  });

  it("leaves out what cannot be split so far, and says when one GPU is best", () => {
    const { predictions, best, reason } = planParallel(workload([stage({ forward: 1e-6, backward: 1e-6, neurons: 3, stateBytes: 8, parameterBytes: 8 })], { batch: 2, steps: 3 }), { cluster: real, gpus: [1, 2, 3, 4] });
    expect(predictions.map(({ scheme, gpus }) => `${scheme} ${gpus}`)).toEqual(["data 1", "data 2", "time 2", "neurons 2", "time 3", "neurons 3", "mixed 4"]);
    expect(best.gpus).toBe(3);
    const alone = planParallel(workload([stage({ forward: 1e-6, backward: 1e-6, neurons: 1, parameterBytes: 8 })], { batch: 2, steps: 3 }), { cluster: real, gpus: [2, 1] });
    expect(alone.best.gpus).toBe(1);
    expect(alone.reason).toMatch(/no scheme on up to 2 GPUs is faster than one: (summing gradients|handing states on) takes most/);
    expect(reason).toContain("on 3 GPUs");
  });

  it("has one GPU always, so that there is something to say of more than anything can be split into", () => {
    const { best, predictions, reason } = planParallel(workload([stage({ neurons: 1 })], { batch: 1, steps: 1 }), { cluster: real, gpus: [64] });
    expect([best.gpus, predictions.length, reason]).toEqual([1, 1, "one GPU is all there is"]);
  });

  it("chooses micro-batches by what a launch costs", () => {
    const time = (fixed: number) => planParallel(workload([stage({ fixed: { time: fixed, batch: fixed } })]), { cluster: real, gpus: [4] }).predictions.find(({ scheme }) => scheme === "time")!;
    expect(time(0).microBatches).toBeGreaterThan(time(0.05).microBatches);
    expect(time(0.05).microBatches).toBeGreaterThan(1);
    expect(time(0.9).microBatches).toBe(1);
  });

  it("predicts a thousand GPUs within seconds", { timeout: 60_000 }, () => {
    const gpus = Array.from({ length: 11 }, (_, i) => 2 ** i);
    const plan = planParallel(workload(Array.from({ length: 5 }, () => stage({ stateBytes: 1e6, parameterBytes: 4e6, outputBytes: 1e7 }))), { cluster: real, gpus });
    expect(plan.predictions.filter(({ gpus: count }) => count === 1024).map(({ scheme }) => scheme)).toEqual(["data", "time", "mixed", "neurons"]);
    for (const { seconds, utilisation, path } of plan.predictions) {
      expect(utilisation).toBeGreaterThan(0);
      expect(utilisation).toBeLessThanOrEqual(1 + 1e-12);
      expect(Object.values(path).reduce((a, b) => a + b)).toBeCloseTo(seconds, 6);
    }
  });
});

/** Seconds of one LIF layer of T = 4096 on an A100, in chunks of time on 1, 2, 4 and 8 of them (Li et al., ICANN 2024, arXiv 2408.00280, Fig. 6). */
const published = new Map([[1, 25.8], [2, 13.2], [4, 7.1], [8, 3.9]]);
const single = published.get(1)!;
/** What the longest chain leaves for its hand-overs. */
const handOver = (published.get(8)! - single / 8) / 7;

/** As simulated, of one direction; T_c is what a boundary costs in the whole run, of so many trials that the filling of the pipeline is none of it. */
function simulatedChunks(whole: number, gpus: number): number {
  const layer = workload([stage({ forward: whole, backward: 0 })], { steps: 4096, batch: 4096 });
  const { path, seconds } = simulateGrid(layer, { gpusPerHost: 8, link: { latency: handOver, bandwidth: Infinity } }, inChunks(gpus, 4096));
  // The empty way back and the read-outs are no part of the published run.
  return seconds - path.handOver + (gpus - 1) * handOver;
}

describe("the published figures of chunks of time", () => {
  it("are met within 15 % by the simulator, with T_s of one GPU and T_c of the longest chain", () => {
    expect(handOver).toBeCloseTo(0.0964, 4);
    for (const [gpus, seconds] of published) {
      const simulated = simulatedChunks(single, gpus);
      expect(Math.abs(simulated / seconds - 1), `${gpus} GPUs: ${simulated} s`).toBeLessThan(0.15);
      expect(simulated / secondsOfChunks(single, handOver, gpus)).toBeCloseTo(1, 2);
    }
  });

  const page = readFileSync(join(root, "docs/parallel.md"), "utf8");

  it("stand beside the simulator's in docs/parallel.md", () => {
    const rows = [...page.matchAll(/^\| (\d) \| ([\d.]+) \| ([\d.]+) \| [^|]+ \| ([\d.]+) \| ([\d.]+) \|$/gm)].map(([, ...cells]) => cells.map(Number));
    expect(rows.map(([gpus, seconds]) => [gpus, seconds])).toEqual([...published]);
    for (const [gpus, , simulated, neurons, data] of rows) {
      expect(Math.abs(simulated - simulatedChunks(single, gpus))).toBeLessThan(0.01);
      const layer = workload([stage({ forward: single, backward: 0 })]);
      expect(Math.abs(neurons - simulateNeurons(layer, real, gpus).seconds)).toBeLessThan(0.01);
      expect(Math.abs(data - simulateGrid(layer, real, { replicas: gpus, chunks: 1, microBatches: 1 }).seconds)).toBeLessThan(0.01);
    }
  });

  it("are continued there for shorter T", () => {
    const [, longer, shorter] = /says ([\d., ]+) s for T = 2048, and ([\d., ]+) s for T = 1024/.exec(page)!;
    for (const [text, part] of [[longer, 2], [shorter, 4]] as const) {
      const seconds = text.split(", ").map(Number);
      [1, 2, 4, 8].forEach((gpus, i) => expect(Math.abs(seconds[i] - simulatedChunks(single / part, gpus))).toBeLessThan(0.01));
    }
  });
});
