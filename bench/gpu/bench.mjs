// Part b: times the fused kernels, the paper's algorithm and other libraries on one GPU, taking turns, on the same inputs; see README.md.
//   node bench/gpu/bench.mjs [--out FILE] [--seconds N] [--steps T,…] [--neurons N,…] [--dtypes fp32,bf16] [--python PATH] [--sources DIR]
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { cpus } from "node:os";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { CudaDevice } from "../../dist/device/cuda/device.js";
import { checkPaper, hostCost, OurCase, ours, summary } from "./ours.mjs";
import { Peers } from "./peers.mjs";
import { commandLine } from "./pieces.mjs";
import { directions, dtypes as dtypeTable, Timer } from "./work.mjs";

/**
 * @typedef {import("./work.mjs").Case} Case
 * @typedef {import("./work.mjs").Dtype} Dtype
 * @typedef {import("./work.mjs").Direction} Direction
 * @typedef {{ contestant: string, direction: Direction, times: number[], clock: string, details: Record<string, unknown> }} Entry
 * @typedef {Case & { contestant?: string, direction?: Direction, reason: string }} Skip
 */

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    seconds: { type: "string", default: "460" },
    steps: { type: "string", default: "4,8,16,32,64,128,512,1024" },
    neurons: { type: "string", default: [1 << 16, 1 << 20, 1 << 22, 1 << 24].join() },
    dtypes: { type: "string", default: "fp32,bf16" },
    rounds: { type: "string", default: "5" },
    repetitions: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
    device: { type: "string", default: "0" },
    python: { type: "string", default: "python3" },
    sources: { type: "string" },
    "peers-device": { type: "string", default: "cuda" },
    "no-peers": { type: "boolean", default: false },
  },
});
const numbers = (/** @type {string} */ text) => text.split(",").map(Number);
const [rounds, repetitions, seed] = [Number(values.rounds), Number(values.repetitions), Number(values.seed)];
const chosen = values.dtypes.split(",").map((name) => {
  if (!(name in dtypeTable)) throw new Error(`--dtypes ${name}: one of ${Object.keys(dtypeTable).join(", ")} was expected`);
  return /** @type {Dtype} */ (name);
});

const begin = performance.now();
const end = begin + 1000 * Number(values.seconds);
const say = (/** @type {string} */ text) => process.stderr.write(`[${((performance.now() - begin) / 1000).toFixed(0)} s] ${text}\n`);

const device = await CudaDevice.open(Number(values.device));
const timer = new Timer(device);
const peers = new Peers({ program: values.python, device: values["peers-device"], sources: values.sources });
if (!values["no-peers"]) await peers.start();
for (const { name, present, reason } of peers.contestants) if (!present) say(`${name} is missing: ${reason}`);

const check = await checkPaper(device, seed);
const hostMicroseconds = await hostCost(device);
say(`a launch costs the host ${hostMicroseconds.emptyKernel.medianUs.toFixed(1)} µs, a fused forward call ${hostMicroseconds.fusedForward.medianUs.toFixed(1)} µs`);

/** What an earlier run of the same file found: its cases are not run again. */
const before = values.out && existsSync(values.out) ? JSON.parse(readFileSync(values.out, "utf8")) : { results: [], skipped: [], missing: [] };
const isDone = (/** @type {Case} */ of) => [...before.results, ...before.skipped].some(({ T, N, dtype }) => T === of.T && N === of.N && dtype === of.dtype);
/** @type {(Case & Record<string, unknown>)[]} */
const results = before.results;
/** @type {Skip[]} */
const skipped = before.skipped;
/** @type {string[]} */
const missing = [];
for (const of of cases().filter((each) => !isDone(each))) {
  if (performance.now() > end) missing.push(`T = ${of.T}, N = ${of.N}, ${of.dtype}`);
  else await runCase(of);
  write();
}
await peers.stop();
timer.dispose();
await device.dispose();
const text = write();
if (!values.out) process.stdout.write(text);

/** All cases, those that matter most first: T = 32 with 4 M neurons, then what is nearest to it. @returns {Case[]} */
function cases() {
  const distance = (/** @type {Case} */ { T, N }) => Math.abs(Math.log2(T / 32)) + Math.abs(Math.log2(N / 2 ** 22));
  const all = numbers(values.steps).flatMap((T) => numbers(values.neurons).flatMap((N) => chosen.map((dtype) => ({ T, N, dtype }))));
  return all.sort((a, b) => distance(a) - distance(b));
}

/** @param {Case} of */
async function runCase(of) {
  const name = `T = ${of.T}, N = ${of.N}, ${of.dtype}`;
  say(name);
  /** @type {Map<string, Entry>} */
  const entries = new Map();
  /** @type {Set<string>} */
  const out = new Set();
  const record = (/** @type {string} */ contestant, /** @type {Direction} */ direction, /** @type {number[]} */ times, /** @type {string} */ clock, /** @type {Record<string, unknown>} */ details) => {
    const key = `${contestant} ${direction}`;
    const entry = entries.get(key) ?? { contestant, direction, times: [], clock, details };
    entry.times.push(...times);
    entries.set(key, entry);
  };
  const skip = (/** @type {string} */ reason, /** @type {string} */ contestant, /** @type {Direction} */ direction) => {
    const key = `${contestant} ${direction}`;
    if (out.has(key)) return;
    out.add(key);
    skipped.push({ ...of, contestant, direction, reason });
    say(`  ${key}: ${reason}`);
  };
  try {
    for (let round = 0; round < rounds && (round === 0 || performance.now() < end); round++) {
      await ourTurn(of, record, skip);
      await peersTurn(of, record, skip, out);
    }
  } catch (error) {
    if (!isOutOfMemory(error)) throw error;
    skipped.push({ ...of, reason: "out of memory" });
    return say("  out of memory");
  }
  const copy = entries.get("copy forward");
  const copyGBs = copy && rate(copy);
  for (const entry of entries.values()) {
    const GBs = rate(entry);
    const { contestant, direction, clock, times, details } = entry;
    results.push({ contestant, ...of, direction, ...summary(times, "Ms"), clock, ...details, ...(GBs && copyGBs ? { GBs, ofCopy: GBs / copyGBs } : {}) });
  }

  /** Of the bytes that must be moved. @param {Entry} entry */
  function rate({ details, times }) {
    const bytes = /** @type {number | undefined} */ (details.bytesPerNeuronStep);
    return bytes === undefined ? undefined : (bytes * of.T * of.N) / summary(times, "Ms").medianMs / 1e6;
  }
}

/**
 * Our contestants of a case, call by call in turn; the memory is given back after it.
 * @param {Case} of
 * @param {(contestant: string, direction: Direction, times: number[], clock: string, details: Record<string, unknown>) => void} record
 * @param {(reason: string, contestant: string, direction: Direction) => void} skip
 */
async function ourTurn(of, record, skip) {
  const tensors = new OurCase(device, of, seed);
  try {
    const calls = [];
    for (const name of /** @type {(keyof typeof ours)[]} */ (Object.keys(ours))) {
      if (!ours[name].dtypes.includes(of.dtype)) continue;
      try {
        const prepared = tensors.prepare(name);
        const observed = { ...(await prepared.observe()), ...(prepared.resources ? { resources: prepared.resources() } : {}) };
        for (const direction of directions) {
          const work = prepared.calls[direction];
          if (work) calls.push({ name, direction, work, count: timer.calibrate(work), details: { bytesPerNeuronStep: prepared.bytes[direction], ...observed } });
        }
      } catch (error) {
        if (!isOutOfMemory(error)) throw error;
        skip("out of memory", name, "both");
      }
    }
    for (let i = 0; i < repetitions; i++) for (const { name, direction, work, count, details } of calls) record(name, direction, [timer.sample(work, count)], "events", details);
  } finally {
    tensors.dispose();
  }
}

/**
 * @param {Case} of
 * @param {(contestant: string, direction: Direction, times: number[], clock: string, details: Record<string, unknown>) => void} record
 * @param {(reason: string, contestant: string, direction: Direction) => void} skip
 * @param {Set<string>} out
 */
async function peersTurn(of, record, skip, out) {
  const present = peers.contestants.filter((each) => each.present);
  for (const { name, directions: has = [] } of present) for (const direction of directions) {
    if (!has.includes(direction) || out.has(`${name} ${direction}`)) continue;
    const { ms, clock = "", error, ...observed } = await peers.ask({ contestant: name, ...of, direction, repetitions, seconds: 3, seed }, 150_000);
    if (ms) record(name, direction, ms, clock, observed);
    else skip(error ?? "no answer", name, direction);
  }
  if (present.length > 0) await peers.ask({ release: true }, 60_000);
}

/** @param {unknown} error */
function isOutOfMemory(error) {
  return error instanceof Error && error.message.includes("out of memory");
}

/** Keeps what there is so far, so that a run that is cut off was not for nothing. */
function write() {
  const { major, minor } = device.context.driver.version;
  const report = {
    part: "b",
    date: new Date().toISOString(),
    measurement: device.context.driver.standIn === null && values["peers-device"] === "cuda",
    machine: { gpu: device.context.properties.name, architecture: device.context.properties.architecture, memoryGiB: device.context.properties.bytes / 2 ** 30, cpu: cpus()[0]?.model ?? "unknown", description: device.description },
    versions: { node: process.version, driver: `CUDA ${major}.${minor}`, nvrtc: /NVRTC (\S+)/.exec(device.description)?.[1], ...peers.versions },
    command: commandLine(),
    settings: { rounds, repetitionsPerRound: repetitions, seed, seconds: Number(values.seconds) },
    contestants: [...Object.entries(ours).map(([name, { what }]) => ({ name, what, present: true })), ...peers.contestants],
    check, hostMicroseconds, results, skipped, missing,
  };
  const text = `${JSON.stringify(report, null, 1)}\n`;
  if (values.out) {
    mkdirSync(dirname(values.out), { recursive: true });
    writeFileSync(values.out, text);
  }
  return text;
}
