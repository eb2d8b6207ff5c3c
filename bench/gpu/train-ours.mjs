// Our side of parts c and d, a process of its own: what it loses of the device ends with it. Speaks as peers_train.py does.
//   node bench/gpu/train-ours.mjs --serve [--device 0]
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { CudaDevice } from "../../dist/device/cuda/device.js";
import { classOf, Spans } from "./spans.mjs";
import { Training } from "./training.mjs";
import { Timer } from "./work.mjs";

/**
 * @typedef {import("./workloads.mjs").Workload} Workload
 * @typedef {import("./workloads.mjs").Precision} Precision
 * @typedef {{ prepare?: Workload & { precision: Precision, seed: number, execution: "graph" | "calls", contestant: string, layout: string }, time?: number, profile?: number, release?: true }} Request
 */

const { values } = parseArgs({ options: { serve: { type: "boolean" }, device: { type: "string", default: "0" }, sources: { type: "string" } } });
const WARM_UP = 3;

/** What is prepared: a training, and the work of one step of it. @type {{ training: Training, run: () => void, end: () => void } | undefined} */
let prepared;

const device = await CudaDevice.open(Number(values.device)).catch((error) => {
  say({ contestants: [{ name: "spikefold", what: "", present: false, reason: error.message }], versions: {} });
  process.exit(0);
});
const { driver, properties, memory } = device.context;
const timer = new Timer(device);
say({
  contestants: [
    { name: "spikefold", what: "each step one graph launch", present: true, execution: "graph" },
    { name: "spikefold calls", what: "each step call by call", present: true, execution: "calls" },
  ],
  versions: { node: process.version, driver: `CUDA ${driver.version.major}.${driver.version.minor}`, nvrtc: /NVRTC (\S+)/.exec(device.description)?.[1] },
  machine: { gpu: properties.name, architecture: properties.architecture, memoryGiB: properties.bytes / 2 ** 30, description: device.description },
  standIn: driver.standIn !== null,
});
for await (const line of createInterface({ input: process.stdin })) {
  try {
    say(await answer(JSON.parse(line)));
  } catch (error) {
    const { message } = /** @type {Error} */ (error);
    try {
      release();
      say({ error: message });
    } catch {
      say({ error: message, fatal: true });
    }
  }
}
await device.dispose();

/** @param {Request} request */
async function answer(request) {
  if (request.release) return release();
  if (request.prepare) return prepare(request.prepare);
  if (!prepared) throw new Error("nothing is prepared");
  return request.profile ? profile(prepared, request.profile) : time(prepared, request.time ?? 1);
}

/** @param {NonNullable<Request["prepare"]>} request */
async function prepare({ precision, seed, execution, contestant: _contestant, layout: _layout, ...workload }) {
  release();
  const begin = performance.now();
  const training = new Training(device, workload, precision, seed);
  const step = () => {
    training.prepare();
    training.step();
  };
  prepared = { training, run: step, end: () => training.dispose() };
  const { parameterCount: parameters } = training;
  const { firingRate, loss } = await training.observe();
  const losses = [loss];
  while (losses.length < WARM_UP) {
    step();
    losses.push(await training.readLoss());
  }
  const { withoutGraph } = execution === "graph" ? record(training) : { withoutGraph: undefined };
  prepared.run();
  await device.synchronize();
  return { parameters, losses, firingRate, withoutGraph, prepareSeconds: (performance.now() - begin) / 1000 };
}

/** From here on a step is one launch; or it is said why not. @param {Training} training */
function record(training) {
  try {
    const graph = device.capture(() => training.step());
    prepared = { training, run: () => { training.prepare(); graph.launch(); }, end: () => { graph.dispose(); training.dispose(); } };
    return {};
  } catch (error) {
    return { withoutGraph: /** @type {Error} */ (error).message };
  }
}

/** @param {NonNullable<typeof prepared>} what @param {number} samples */
async function time({ training, run }, samples) {
  const ms = Array.from({ length: samples }, () => timer.sample(run, 1));
  return { ms, clock: "events", peakBytes: memory.bytesReserved, lastLoss: await training.readLoss() };
}

/** Milliseconds of a step by class and by operation, call by call. @param {NonNullable<typeof prepared>} what @param {number} steps */
async function profile({ training }, steps) {
  const spans = new Spans(device);
  for (let i = 0; i < steps; i++) {
    training.prepare();
    training.step();
  }
  const operations = Object.entries(spans.end()).map(([name, ms]) => ({ name, class: classOf(name), ms: ms / steps })).sort((a, b) => b.ms - a.ms);
  /** @type {Record<string, number>} */
  const profile = { dense: 0, neuron: 0, norm: 0, rest: 0 };
  for (const each of operations) profile[each.class] += each.ms;
  return { profile, operations };
}

function release() {
  prepared?.end();
  prepared = undefined;
  memory.trim();
  return { released: true };
}

/** @param {object} answer */
function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
