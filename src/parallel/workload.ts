import { checkOptions, flag, integer, kind, type Kind, listOf, notNegative, object, type OptionKinds, required, share, text } from "../check.ts";

/** A layer of neurons with what comes before it: the products, convolutions and normalisations that feed it. */
export interface ParallelStage {
  /** For people. */
  name: string;
  /** Seconds of one device for all T steps of the whole batch. */
  forward: number;
  backward: number;
  /** Share of those seconds in the neurons themselves, which alone wait for the states of earlier time steps. Default: 1. */
  neuronShare?: number;
  /** Whether it has a batch norm: neurons then wait for what comes before them at all time steps, and backward that waits for them. Default: false. */
  batchNorm?: boolean;
  /** Shares of the seconds that stay however few time steps, or samples, there are: launches, and layers before a neuron whose input holds at all steps. Default: 0. */
  fixed?: { time: number; batch: number };
  /** Neurons, or channels where neurons share their weights: as many ways it can be split. */
  neurons: number;
  /** Of the states that its neurons hand on from one time step to the next, of the whole batch. */
  stateBytes: number;
  /** Of its weights: as many have the gradients. */
  parameterBytes: number;
  /** Of its spikes, as they lie in memory: all T steps of the whole batch. */
  outputBytes: number;
}

/** One training step, without its update, on one device. */
export interface ParallelWorkload {
  /** T. */
  steps: number;
  batch: number;
  stages: readonly ParallelStage[];
}

/** What one message costs. */
export interface ParallelLink {
  /** Seconds until the first byte is there. */
  latency: number;
  /** Bytes a second, in each direction at once. */
  bandwidth: number;
}

/** Devices that are alike, on hosts that are alike. */
export interface ParallelCluster {
  /** Of a host. */
  gpusPerHost: number;
  /** Between two GPUs of a host. */
  link: ParallelLink;
  /** Between two hosts, for all GPUs of a host together. Default: as `link`. */
  network?: ParallelLink;
}

const bytes: Kind = kind("a number of bytes ≥ 0", (x) => Number.isFinite(x) && (x as number) >= 0);
const objectOf = <T extends object>(what: string, kinds: () => OptionKinds<T>): Kind => ({
  expected: `an object { ${what} }`,
  accepts: (x) => object.accepts(x) && Object.entries<Kind>(kinds()).every(([name, each]) => {
    const value = (x as Record<string, unknown>)[name];
    return value === undefined ? !each.required : each.accepts(value);
  }),
});

const fixedKinds: OptionKinds<NonNullable<ParallelStage["fixed"]>> = { time: required(share), batch: required(share) };
const stageKinds: OptionKinds<ParallelStage> = {
  name: required(text), forward: required(notNegative), backward: required(notNegative), neuronShare: share, batchNorm: flag, fixed: objectOf("time, batch", () => fixedKinds), neurons: required(integer(1)),
  stateBytes: required(bytes), parameterBytes: required(bytes), outputBytes: required(bytes),
};
const stages = listOf(objectOf(Object.keys(stageKinds).join(", "), () => stageKinds));
const workloadKinds: OptionKinds<ParallelWorkload> = {
  steps: required(integer(1)), batch: required(integer(1)), stages: required({ ...stages, accepts: (x) => stages.accepts(x) && (x as unknown[]).length > 0, expected: `${stages.expected}; at least one` }),
};
const linkKinds: OptionKinds<ParallelLink> = { latency: required(notNegative), bandwidth: required(kind("a number > 0", (x) => typeof x === "number" && x > 0)) };
const linkKind = objectOf("latency, bandwidth", () => linkKinds);
const clusterKinds: OptionKinds<ParallelCluster> = { gpusPerHost: required(integer(1)), link: required(linkKind), network: linkKind };

/** @throws OptionError */
export function checkWorkload(what: string, workload: ParallelWorkload): void {
  checkOptions(`${what}: workload`, workload, workloadKinds);
}

/** @throws OptionError */
export function checkCluster(what: string, cluster: ParallelCluster): void {
  checkOptions(`${what}: cluster`, cluster, clusterKinds);
}
