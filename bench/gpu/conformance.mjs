// Part a: every kernel against a reference on this very device, and a sample of them under compute-sanitizer; see README.md.
//   node bench/gpu/conformance.mjs [--out FILE] [--seconds N] [--lanes N] [--only TEXT] [--sanitizer PATH]
// It runs itself in several processes (--lane), for compiling takes longer than running; each prints a line of JSON a check.
import { execFileSync, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { checks } from "./checks.mjs";
import { CudaDevice } from "../../dist/device/cuda/device.js";
import { PieceFile } from "./pieces.mjs";

/** @typedef {{ kind: string, name: string, failures: string[], cases?: number, inexact?: number, seconds?: number, tool?: string, reason?: string }} Row */

const { values } = parseArgs({
  options: {
    out: { type: "string" },
    seconds: { type: "string", default: "520" },
    lanes: { type: "string", default: "8" },
    lane: { type: "string" },
    only: { type: "string", default: "" },
    sample: { type: "boolean", default: false },
    device: { type: "string", default: "0" },
    sanitizer: { type: "string" },
    "no-sanitizer": { type: "boolean", default: false },
  },
});
/** Part of the time that is kept for compute-sanitizer. */
const SANITIZER_SHARE = 0.4;
const TOOLS = ["memcheck", "racecheck", "initcheck", "synccheck"];

const begin = performance.now();
const end = begin + 1000 * Number(values.seconds);
const say = (/** @type {string} */ text) => process.stderr.write(`[${((performance.now() - begin) / 1000).toFixed(0)} s] ${text}\n`);
/** @type {PieceFile<Row>} */
const piece = new PieceFile("a", values.out, ({ kind, name, tool = "" }) => [kind, name, tool].join("; "));
const isDone = (/** @type {string} */ kind, /** @type {string} */ name, tool = "") => piece.find([kind, name, tool].join("; ")) !== undefined;

if (values.lane) await lane(values.lane);
else await all();

/** The checks of one process of several: every n-th. @param {string} which "0/8" */
async function lane(which) {
  const [at, of] = which.split("/").map(Number);
  const device = await CudaDevice.open(Number(values.device));
  const wanted = (await checks(values.sample)).filter(({ kind, name }) => `${kind}: ${name}`.includes(values.only) && (values.sample || !isDone(kind, name)));
  for (const { kind, name, run } of wanted.filter((_, i) => i % of === at)) {
    const start = performance.now();
    const found = await run(device).catch((error) => ({ failures: [String(error.message)] }));
    process.stdout.write(`${JSON.stringify({ kind, name, ...found, seconds: (performance.now() - start) / 1000 })}\n`);
  }
  await device.dispose();
}

async function all() {
  const device = await CudaDevice.open(Number(values.device));
  const { driver, properties } = device.context;
  const machine = { gpu: properties.name, architecture: properties.architecture, memoryGiB: properties.bytes / 2 ** 30, description: device.description };
  piece.describe({ measurement: driver.standIn === null, machine, versions: { node: process.version, driver: `CUDA ${driver.version.major}.${driver.version.minor}`, nvrtc: /NVRTC (\S+)/.exec(device.description)?.[1] } });
  await device.dispose();

  const lanes = Number(values.lanes);
  const forChecks = begin + (end - begin) * (values["no-sanitizer"] ? 1 : 1 - SANITIZER_SHARE);
  const ended = await Promise.all(Array.from({ length: lanes }, (_, i) => child([process.execPath, ...itself(), "--lane", `${i}/${lanes}`], forChecks, (row) => {
    if (row.failures.length > 0) say(`${row.kind}: ${row.name}: ${row.failures[0]}`);
    piece.put(row);
  })));
  const wanted = (await checks(false)).filter(({ kind, name }) => `${kind}: ${name}`.includes(values.only));
  const lacking = wanted.filter(({ kind, name }) => !isDone(kind, name));
  say(`${wanted.length - lacking.length} of ${wanted.length} checks done, ${piece.piece.rows.filter(({ failures }) => failures.length > 0).length} failed`);
  for (const { kind, name } of lacking) piece.lacks(`${kind}: ${name}`);
  for (const { code, tail } of ended) if (code !== 0 && code !== null) piece.put({ kind: "process", name: `ended with ${code}`, failures: [tail] });
  if (!values["no-sanitizer"]) await sanitize();
  const text = piece.write();
  if (!values.out) process.stdout.write(text);
}

/** A sample of the checks by each of compute-sanitizer's tools, side by side. */
async function sanitize() {
  const path = values.sanitizer ?? ["compute-sanitizer", "/usr/local/cuda/bin/compute-sanitizer"].find(runs);
  await Promise.all(TOOLS.filter((tool) => !isDone("sanitizer", "a sample", tool)).map(async (tool) => {
    if (!path || !runs(path)) return piece.put({ kind: "sanitizer", name: "a sample", tool, failures: [], reason: `${path ?? "compute-sanitizer"} does not run here` });
    let cases = 0;
    /** @type {string[]} */
    const failures = [];
    const { code, output } = await child([path, "--tool", tool, "--error-exitcode", "86", process.execPath, ...itself(), "--sample", "--lane", "0/1"], end, (row) => {
      cases++;
      failures.push(...row.failures);
    });
    if (code === null) return piece.lacks(`sanitizer: ${tool} (${cases} checks were done in the time)`);
    const told = output.filter((line) => line.startsWith("========="));
    // Racecheck counts hazards where the other tools count errors.
    const errors = Number(/ERROR SUMMARY: (\d+) error|RACECHECK SUMMARY: .*\((\d+) errors/.exec(told.join("\n"))?.slice(1).find(Boolean) ?? NaN);
    piece.put({ kind: "sanitizer", name: "a sample", tool, cases, failures: errors === 0 && code === 0 ? failures : [...failures, `${errors} errors, exit status ${code}, in ${inKernels(told)}: ${told.slice(0, 40).join("\n") || output.slice(-10).join("\n")}`] });
    say(`${tool}: ${cases} checks, ${errors} errors`);
  }));
}

/** Reports by the kernel that they are of: NVIDIA's libraries have theirs. @param {readonly string[]} lines */
function inKernels(lines) {
  /** @type {Record<string, number>} */
  const counts = {};
  for (const line of lines) {
    const kernel = /^=+ {5}at (?:void )?([\w:]+)|access at ([\w:]+)/.exec(line)?.slice(1).find(Boolean);
    if (kernel) counts[kernel] = (counts[kernel] ?? 0) + 1;
  }
  return Object.entries(counts).map(([kernel, count]) => `${kernel} (${count})`).join(", ") || "no kernel";
}

/** This script again, with the options that matter to a lane. */
function itself() {
  return [fileURLToPath(import.meta.url), "--device", values.device, "--only", values.only, ...(values.out ? ["--out", values.out] : [])];
}

/** @param {string} path */
function runs(path) {
  try {
    execFileSync(path, ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

/**
 * A process that prints rows, and what else it prints; its code is null if its time ran out.
 * @param {string[]} command @param {number} until @param {(row: Row) => void} onRow
 */
async function child([program, ...given], until, onRow) {
  const running = spawn(program, given, { stdio: ["ignore", "pipe", "pipe"] });
  /** @type {string[]} */
  const output = [];
  const lines = (/** @type {import("node:stream").Readable} */ stream) => createInterface({ input: stream }).on("line", (line) => {
    if (line.startsWith("{")) onRow(JSON.parse(line));
    else output.push(line);
  });
  lines(running.stdout);
  lines(running.stderr);
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    running.kill("SIGKILL");
  }, Math.max(0, until - performance.now()));
  const code = await new Promise((resolve) => {
    running.once("error", () => resolve(127));
    running.once("close", resolve);
  });
  clearTimeout(timer);
  return { code: late ? null : /** @type {number} */ (code), output, tail: output.slice(-5).join("\n") };
}
