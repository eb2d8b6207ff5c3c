// Every engine that cuDNN has for the convolutions of a training step, timed on one GPU, and which of them we take by its heuristics and by trial:
//   node bench/gpu/engines.mjs [--out FILE] [--seconds N] [--only TEXT] [--batch N] [--size N] [--steps N] [--workspace GIB]
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { parseArgs } from "node:util";
import { Cudnn } from "../../dist/device/cuda/cudnn.js";
import { CudnnError } from "../../dist/device/cuda/cudnnBackend.js";
import { CudaDevice } from "../../dist/device/cuda/device.js";
import { outputShape } from "../../dist/device/cuda/convolutionProblem.js";
import { shortest, StreamStopwatch } from "../../dist/device/cuda/trials.js";
import { CandidateList, noteNames } from "./candidates.mjs";
import { convolutionsOf } from "./convolutions.mjs";
import { nameOf, paper, sew } from "./workloads.mjs";
import { uniform } from "./work.mjs";

/**
 * @typedef {import("./workloads.mjs").Workload} Workload
 * @typedef {import("./workloads.mjs").Precision} Precision
 * @typedef {import("./convolutions.mjs").Convolution} Convolution
 * @typedef {import("../../dist/device/cuda/convolutionProblem.js").ConvolutionProblem} ConvolutionProblem
 * @typedef {import("./candidates.mjs").Row} Row
 * @typedef {{ index: number, rank: number, workspaceMiB: number, ms: number | undefined }} Choice
 * @typedef {Convolution & { workload: string, precision: Precision, heuristic: Choice, trial: Choice, trialMs: number, rows: Row[] }} Result
 */

const { values } = parseArgs({
  options: {
    out: { type: "string" }, seconds: { type: "string", default: "60" }, device: { type: "string", default: "0" }, only: { type: "string", default: "" },
    batch: { type: "string" }, size: { type: "string" }, steps: { type: "string" }, workspace: { type: "string", default: "4" },
  },
});
const begin = performance.now();
const secondsLeft = () => Number(values.seconds) - (performance.now() - begin) / 1000;

/** @type {[Workload, Precision][]} */
const wanted = [[paper(18, 28), "float32"], [paper(18, 28), "bfloat16"], [sew, "bfloat16"]];
const problems = wanted.map(([workload, precision]) => ({ name: `${nameOf(sized(workload))} ${precision}`, precision, convolutions: convolutionsOf(sized(workload), precision) })).filter(({ name }) => name.includes(values.only));

const device = await CudaDevice.open(Number(values.device));
const { context } = device;
const stopwatch = new StreamStopwatch(context);
const cudnn = Cudnn.open(context.driver, { stopwatch });
const buffers = { ...operandsFor("f32"), ...operandsFor("bf16") };
const workspace = largestBlock(Number(values.workspace) * 2 ** 30);

/** @type {Result[]} */
const results = [];
/** @type {string[]} */
const left = [];
// Every choice first, as that is what a step costs; then what else there is, while there is time.
for (const { name, precision, convolutions } of problems) for (const convolution of convolutions) results.push({ workload: name, precision, ...convolution, ...choose(convolution.problem), rows: [] });
try {
  for (const others of [false, true]) for (const result of results) {
    if (secondsLeft() > 0) list(result, others);
    else left.push(`${text(result.problem)} of ${result.workload}${others ? ", engines that no heuristics name" : ""}`);
  }
} catch (error) {
  // An engine may cost the device; what was found before is reported.
  process.stderr.write(`${error}\n`);
  process.exitCode = 1;
}
report();
cudnn.dispose();
await device.dispose();

/** What the library takes, without and with a trial. @param {ConvolutionProblem} problem @returns {Pick<Result, "heuristic" | "trial" | "trialMs">} */
function choose(problem) {
  const plan = /** @type {import("../../dist/device/cuda/cudnn.js").ConvolutionPlan & { engine: import("../../dist/device/cuda/cudnnEngines.js").Engine }} */ (cudnn.plan(problem));
  /** @returns {Choice} */
  const chosen = () => ({
    index: plan.engine.index, rank: plan.engine.rank, workspaceMiB: plan.workspaceBytes / 2 ** 20,
    ms: stopwatch.lend(plan.workspaceBytes, (at) => shortest(() => stopwatch.time(() => cudnn.run(plan, operands(problem), at, context.stream)), Infinity)),
  });
  const heuristic = chosen();
  const before = performance.now();
  cudnn.settle(plan, operands(problem));
  const trialMs = performance.now() - before;
  return { heuristic, trial: chosen(), trialMs };
}

/** Adds candidates to a result, timed. @param {Result} result @param {boolean} others */
function list({ problem, heuristic, trial, rows }, others) {
  const candidates = new CandidateList(cudnn, problem);
  let least = trial.ms ?? Infinity;
  try {
    for (const candidate of candidates.all(others)) {
      if (secondsLeft() < 0) break;
      const { row, run } = candidate;
      rows.push(row);
      row.chosen = [...(row.rank === heuristic.rank ? ["heuristic"] : []), ...(row.rank === trial.rank ? ["trial"] : [])];
      if (!run) continue;
      try {
        if (row.workspaceMiB * 2 ** 20 > workspace.bytes) row.refused = "more workspace than there is";
        else row.ms = shortest(() => stopwatch.time(() => run(operands(problem), workspace.address, context.stream)), least);
        least = Math.min(least, row.ms ?? Infinity);
      } catch (error) {
        if (!(error instanceof CudnnError)) throw error;
        row.refused = error.message.split("\n")[0];
      } finally {
        candidate.end();
      }
    }
  } finally {
    candidates.dispose();
  }
}

function report() {
  for (const { workload, problem, count, heuristic, trial, trialMs, rows } of results) {
    console.log(`\n${workload}: ${text(problem)}, ${count} a step; trials took ${trialMs.toFixed(0)} ms; heuristic ${time(heuristic.ms)}, trial ${time(trial.ms)}`);
    if (rows.length > 0) console.log("  from        layout  engine  repeats  workspace MiB        ms  notes");
    for (const { from, layout, index, deterministic, workspaceMiB, ms, notes, chosen, refused } of rows.toSorted((a, b) => (a.ms ?? Infinity) - (b.ms ?? Infinity))) {
      console.log(`  ${from.padEnd(11)} ${layout.padEnd(6)} ${String(index).padStart(7)}  ${(deterministic ? "yes" : "no").padEnd(7)}  ${workspaceMiB.toFixed(1).padStart(13)}  ${time(ms).padStart(11)}  ${[...notes.map((note) => noteNames[note] ?? note), ...(refused ? [refused] : [])].join(", ")}${chosen.length > 0 ? `  <- ${chosen.join(", ")}` : ""}`);
    }
  }
  const sums = problems.map(({ name }) => {
    const own = results.filter(({ workload }) => workload === name);
    const sum = (/** @type {(result: Result) => number | undefined} */ of) => own.reduce((total, result) => total + result.count * (of(result) ?? NaN), 0);
    const best = (/** @type {(row: Row, result: Result) => boolean} */ keep) => sum((result) => Math.min(result.trial.ms ?? Infinity, ...result.rows.filter((row) => row.precise && keep(row, result)).map(({ ms }) => ms ?? Infinity)));
    return {
      workload: name, heuristic: sum(({ heuristic }) => heuristic.ms), trial: sum(({ trial }) => trial.ms), trials: own.reduce((total, { trialMs }) => total + trialMs, 0),
      anyRepeating: best(({ deterministic, layout }) => deterministic && layout === "last"), anyLast: best(({ layout }) => layout === "last"), any: best(() => true),
    };
  });
  console.log("\nms of a step's convolutions: by heuristics, by trial (and what all trials took); with any workspace: repeating bits, any engine, channels first too");
  for (const { workload, heuristic, trial, trials, anyRepeating, anyLast, any } of sums) {
    console.log(`  ${workload}: ${heuristic.toFixed(2)}  ${trial.toFixed(2)} (${trials.toFixed(0)})  ${anyRepeating.toFixed(2)}  ${anyLast.toFixed(2)}  ${any.toFixed(2)}`);
  }
  if (left.length > 0) console.log(`left out for want of time, --seconds gives more:\n  ${left.join("\n  ")}`);
  if (!values.out) return;
  mkdirSync(dirname(values.out), { recursive: true });
  const versions = { node: process.version, cudnn: cudnn.version, driver: `CUDA ${context.driver.version.major}.${context.driver.version.minor}` };
  writeFileSync(values.out, `${JSON.stringify({ date: new Date().toISOString(), measurement: context.driver.standIn === null, machine: { gpu: context.properties.name }, versions, noteNames, sums, left, results }, null, 1)}\n`);
}

/** The largest block of so many bytes, a half, a quarter, … @param {number} bytes */
function largestBlock(bytes) {
  for (let asked = bytes; asked >= 2 ** 20; asked /= 2) {
    try {
      return { bytes: asked, address: context.memory.allocate(asked).address };
    } catch {
      // There is less.
    }
  }
  return { bytes: 0, address: 0 };
}

/** Random numbers for the largest x, w and y of a type. @param {"f32" | "bf16"} type */
function operandsFor(type) {
  const own = problems.flatMap(({ convolutions }) => convolutions.map(({ problem }) => problem)).filter((problem) => problem.type === type);
  const size = (/** @type {(problem: ConvolutionProblem) => readonly number[]} */ of) => Math.max(1, ...own.map((problem) => of(problem).reduce((product, each) => product * each, 1)));
  const of = [(/** @type {ConvolutionProblem} */ { x }) => x, (/** @type {ConvolutionProblem} */ { w }) => w, outputShape];
  const [x, w, y] = of.map((shape, i) => context.ptr(uniform(device, { T: 1, N: size(shape), dtype: type === "f32" ? "fp32" : "bf16" }, i, { low: -1, span: 2 }), "engines"));
  return { [type]: { x, w, y } };
}

/** @param {ConvolutionProblem} problem */
function operands({ type }) {
  return buffers[type];
}

/** @param {Workload} workload @returns {Workload} */
function sized({ batch, steps, shape: [height, , channels], ...rest }) {
  const size = Number(values.size ?? height);
  return { ...rest, batch: Number(values.batch ?? batch), steps: Number(values.steps ?? steps), shape: [size, size, channels] };
}

/** @param {ConvolutionProblem} problem */
function text({ kind, x, w, stride, type }) {
  return `${kind} ${type} x ${x.join("×")} w ${w.join("×")} stride ${stride.join("×")}`;
}

/** @param {number | undefined} ms */
function time(ms) {
  return ms === undefined ? "–" : `${ms.toFixed(3)} ms`;
}
