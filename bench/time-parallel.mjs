// Long sequences of few neurons on cpu: chunks of time side by side against one step after the other, taking turns; beside another build's, if one is named:
//   node bench/time-parallel.mjs [OTHER_DIST] [--steps 16384] [--sizes 1,2,4,8,12,16,32,128] [--neurons lif,lifSoft,integrateAndFireSoft] [--threads N] [--repetitions 40]
// Forward + backward, with the gradient of the input. Compares all that both write bit for bit. Prints a table, then one JSON object.
import { availableParallelism, cpus, loadavg } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    steps: { type: "string", default: "16384" }, sizes: { type: "string", default: "1,2,4,8,12,16,32,128" }, neurons: { type: "string", default: "lif,lifSoft,integrateAndFireSoft" },
    threads: { type: "string" }, repetitions: { type: "string", default: "40" },
  },
});
const threads = values.threads ? Number(values.threads) : availableParallelism();
const steps = Number(values.steps);
const own = new URL("../dist/", import.meta.url).href;

/** @typedef {typeof import("spikefold")} Spikefold */

/** @type {Record<string, (spikefold: Spikefold) => import("spikefold").Neuron>} */
const neurons = {
  lif: ({ lif }) => lif(),
  lifSoft: ({ lif }) => lif({ reset: "soft" }),
  lif20: ({ lif }) => lif({ tau: 20 }),
  synaptic: ({ synaptic }) => synaptic(),
  // Never forgets: every guess is wrong.
  integrateAndFireSoft: ({ integrateAndFire }) => integrateAndFire({ reset: "soft" }),
};

/** @param {string} name @param {string} dist @param {boolean | undefined} timeParallel */
async function open(name, dist, timeParallel) {
  const spikefold = /** @type {Spikefold} */ (await import(`${dist}index.js`));
  return { name, spikefold, device: await spikefold.openDevice("cpu", { threads, ...(timeParallel !== undefined && { timeParallel }) }) };
}

/** @param {readonly number[]} numbers */
function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/** @param {Awaited<ReturnType<typeof open>>} build @param {string} neuronName @param {number} size @param {Float32Array} input @param {Float32Array} gradient */
function prepare({ name, spikefold, device }, neuronName, size, input, gradient) {
  const neuron = neurons[neuronName](spikefold);
  const plan = spikefold.plan({ neuron, steps, gradients: ["x"] });
  const kernel = device.kernel(plan);
  const saved = plan.checkpointEvery === null ? [] : plan.states.map((state) => /** @type {const} */ ([`checkpoint.${state}`, device.empty([Math.ceil(steps / /** @type {number} */ (plan.checkpointEvery)) - 1, size])]));
  /** @type {Record<string, import("spikefold").Tensor>} */
  const buffers = {
    x: device.tensor(input, [steps, size]), spike: device.empty([steps, size]), "d.spike": device.tensor(gradient, [steps, size]), "grad.x": device.empty([steps, size]), ...Object.fromEntries(saved),
    ...Object.fromEntries(Object.entries(neuron.params).map(([param, value]) => [param, device.tensor(Float32Array.of(value), [1])])),
  };
  return { name, device, kernel, buffers, launch: { steps, size, buffers }, written: ["spike", "grad.x", ...saved.map(([state]) => state)], forward: /** @type {number[]} */ ([]), backward: /** @type {number[]} */ ([]) };
}

const builds = await Promise.all([open("serial", own, false), open("chunks", own, true), ...positionals.slice(0, 1).map((path) => open("other", `${pathToFileURL(resolve(path))}/`, undefined))]);
const before = loadavg();
const results = [];
console.log(`T = ${steps}, ${threads} threads: forward + backward, ms; how many times as fast as one step after the other: forward, backward, both, both in the fastest repetitions${builds.length > 2 ? "; as the other build, both, and in the fastest" : ""}`);
for (const neuron of values.neurons.split(",")) {
  for (const size of values.sizes.split(",").map(Number)) {
    const random = new builds[0].spikefold.Random(size);
    const [input, gradient] = [new Float32Array(steps * size), new Float32Array(steps * size)];
    random.uniformInto(input, -1, 2.2);
    random.uniformInto(gradient, -1, 1);
    const runs = builds.map((build) => prepare(build, neuron, size, input, gradient));
    for (let round = -5; round < Number(values.repetitions); round++) {
      // None runs twice in a row more often than another, on memory that it has just used.
      for (const [i] of runs.entries()) {
        const run = runs[(i + round + 5) % runs.length];
        const start = performance.now();
        run.kernel.forward(run.launch);
        const middle = performance.now();
        run.kernel.backward(run.launch);
        const end = performance.now();
        // What is learnt of a neuron in its first launches is learnt in training too, but once.
        if (round < 0) continue;
        run.forward.push(middle - start);
        run.backward.push(end - middle);
      }
    }
    const [serial, chunks, other] = runs;
    let equal = true;
    for (const name of serial.written) {
      const [a, b] = await Promise.all([serial, chunks].map(async ({ device, buffers }) => { const array = await device.read(buffers[name]); return Buffer.from(array.buffer, array.byteOffset, array.byteLength); }));
      equal &&= a.equals(b);
    }
    /** @param {typeof serial} run */
    const both = ({ forward, backward }) => forward.map((ms, i) => ms + backward[i]);
    /** Rounds' ratios: what disturbs a round disturbs both. @param {readonly number[]} a @param {readonly number[]} b */
    const ratio = (a, b) => median(a.map((ms, i) => ms / b[i]));
    const result = {
      neuron, size, equal, serialMs: median(both(serial)), chunksMs: median(both(chunks)), fastestMs: { serial: Math.min(...both(serial)), chunks: Math.min(...both(chunks)) },
      forward: ratio(serial.forward, chunks.forward), backward: ratio(serial.backward, chunks.backward), both: ratio(both(serial), both(chunks)),
      fastest: Math.min(...both(serial)) / Math.min(...both(chunks)),
      ...(other && { otherMs: median(both(other)), toOther: ratio(both(other), both(chunks)), fastestToOther: Math.min(...both(other)) / Math.min(...both(chunks)) }),
    };
    results.push(result);
    console.log(`${neuron.padEnd(22)}${String(size).padStart(5)}${result.serialMs.toFixed(3).padStart(9)}${result.chunksMs.toFixed(3).padStart(9)}${[result.forward, result.backward, result.both, result.fastest].map((times) => `${times.toFixed(2)}×`.padStart(9)).join("")}${result.toOther ? [result.toOther, result.fastestToOther].map((times) => `${times.toFixed(2)}×`.padStart(9)).join("") : ""}${equal ? "" : "  NOT EQUAL"}`);
    for (const { buffers } of runs) for (const tensor of Object.values(buffers)) tensor.dispose();
  }
}
for (const { device } of builds) await device.dispose();
console.log(JSON.stringify({
  date: new Date().toISOString().slice(0, 10), node: process.version, machine: `${cpus().length} cores of ${cpus()[0].model}`, load: { before, after: loadavg() }, steps, threads, repetitions: Number(values.repetitions), results,
}));
if (results.some(({ equal }) => !equal)) process.exitCode = 1;
