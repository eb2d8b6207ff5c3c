import { measureLink, measureParallel, planParallel } from "../../src/index.ts";
import { alone } from "../../src/parallel/group.ts";
import { device, makeModel } from "./kit.ts";
import { argument, callback, count, flag, options, row, type Row } from "./table.ts";

const stage = { name: "lif", forward: 1, backward: 2, neurons: 8, stateBytes: 32, parameterBytes: 0, outputBytes: 64 };
const workload = argument(() => ({ steps: 2, batch: 4, stages: [stage] }));
const cluster = argument(() => ({ gpusPerHost: 8, link: { latency: 1e-5, bandwidth: 1e9 } }));
const signal = argument(() => new AbortController().signal);

export const parallelPlan: Record<string, Row> = {
  planParallel: row(planParallel, { workload, options: options({ cluster, gpus: argument(() => [1, 2], "list of numbers") }, "cluster") }),
  measureParallel: row(measureParallel, { model: argument(makeModel), options: options({ batch: count, timeConstant: flag, repetitions: count, onPass: callback, signal }, "batch") }),
  // A group of one has no link.
  measureLink: { ...row(measureLink, { group: argument(alone), device: argument(() => device) }), incomplete: true },
};
