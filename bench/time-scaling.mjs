// What a neuron-step costs on cpu as the same number of them has more time steps and fewer neurons; beside another build's, if one is named, taking turns:
//   node bench/time-scaling.mjs [OTHER_DIST] [--neuron lif] [--threads N] [--repetitions 20] [--shapes 32x65536,256x8192]
// --cpu-time: what the process computes instead of what passes, for a machine whose cores are wanted by others. Prints a table, then one JSON object.
import { availableParallelism, cpus } from "node:os";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";

/** @typedef {import("spikefold").Device} Device */

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    neuron: { type: "string", default: "lif" }, threads: { type: "string" }, repetitions: { type: "string", default: "20" }, "cpu-time": { type: "boolean", default: false },
    shapes: { type: "string", default: "32x65536,256x8192,1024x2048,2048x1024,4096x512,8192x256,16384x128,65536x32" },
  },
});
const dists = [new URL("../dist/", import.meta.url).href, ...positionals.slice(0, 1).map((path) => `${pathToFileURL(resolve(path))}/`)];
const threads = values.threads ? Number(values.threads) : availableParallelism();

/** @param {string} dist */
async function open(dist) {
  const spikefold = /** @type {typeof import("spikefold")} */ (await import(`${dist}index.js`));
  return { spikefold, device: await spikefold.openDevice("cpu", { threads }) };
}

/**
 * A build's kernels for T steps of N neurons.
 * @param {Awaited<ReturnType<typeof open>>} build @param {number} steps @param {number} size @param {Float32Array} input @param {Float32Array} gradient
 */
function prepare({ spikefold, device }, steps, size, input, gradient) {
  const neuron = spikefold.neurons[/** @type {keyof typeof spikefold.neurons} */ (values.neuron)]();
  const plan = spikefold.plan({ neuron, steps, gradients: ["x"] });
  const kernel = device.kernel(plan);
  const { checkpointEvery, states } = plan;
  const saved = checkpointEvery === null ? [] : states;
  const spike = device.empty([steps, size]);
  const launch = { steps, size, buffers: {
    x: device.tensor(input, [steps, size]), spike, "d.spike": device.tensor(gradient, [steps, size]), "grad.x": device.empty([steps, size]),
    ...Object.fromEntries(Object.entries(neuron.params).map(([name, value]) => [name, device.tensor(Float32Array.of(value), [1])])),
    ...Object.fromEntries(saved.map((name) => [`checkpoint.${name}`, device.empty([Math.ceil(steps / (checkpointEvery ?? steps)) - 1, size])])),
  } };
  return { forward: () => kernel.forward(launch), backward: () => kernel.backward(launch), spikes: () => device.read(spike) };
}

/** @param {() => void} work */
function clock(work) {
  if (values["cpu-time"]) {
    const before = process.cpuUsage();
    work();
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1000 / threads;
  }
  const start = performance.now();
  work();
  return performance.now() - start;
}

/** @param {readonly number[]} numbers */
function median(numbers) {
  const sorted = numbers.toSorted((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

const builds = await Promise.all(dists.map(open));
const contestants = values.shapes.split(",").map((shape) => {
  const [steps, size] = shape.split("x").map(Number);
  const random = new builds[0].spikefold.Random(0);
  const [input, gradient] = [new Float32Array(steps * size), new Float32Array(steps * size)];
  random.uniformInto(input, -1, 2.2);
  random.uniformInto(gradient, -1, 1);
  return { steps, size, runs: builds.map((build) => ({ ...prepare(build, steps, size, input, gradient), times: /** @type {[number, number][]} */ ([]) })) };
});

// Shapes take turns as builds do: how they compare is what is asked.
for (let round = -3; round < Number(values.repetitions); round++) {
  for (const { runs } of contestants) {
    for (const { forward, backward, times } of round % 2 === 0 ? runs : runs.toReversed()) {
      const both = /** @type {[number, number]} */ ([clock(forward), clock(backward)]);
      if (round >= 0) times.push(both);
    }
  }
}

const results = await Promise.all(contestants.map(async ({ steps, size, runs }) => {
  const nanoseconds = runs.map(({ times }) => [times.map(([ahead]) => ahead), times.map(([, back]) => back), times.map(([ahead, back]) => ahead + back)]
    .map((ms) => (1e6 * median(ms)) / (steps * size)));
  const spikes = /** @type {Float32Array} */ (await runs[0].spikes());
  const ratio = runs.length === 1 ? {} : { thisToOther: median(runs[0].times.map(([ahead, back], i) => (ahead + back) / (runs[1].times[i][0] + runs[1].times[i][1]))) };
  const [own, other] = nanoseconds.map(([forward, backward, both]) => ({ forward, backward, both }));
  return { steps, neurons: size, firingRate: spikes.reduce((sum, spike) => sum + spike, 0) / spikes.length, nanoseconds: own, ...(other && { other }), ...ratio };
}));
for (const { device } of builds) await device.dispose();

const [{ nanoseconds: first, other: otherFirst }] = results;
console.log(`ns per neuron-step, ${values.neuron}, ${threads} threads: forward, backward, both, both to the first row's${otherFirst ? "; the same of the other build; this to other" : ""}`);
/** @param {{ forward: number, backward: number, both: number }} of @param {number} start */
const cells = ({ forward, backward, both }, start) => `${[forward, backward, both].map((ns) => ns.toFixed(2).padStart(8)).join("")}${`${(both / start).toFixed(2)}×`.padStart(9)}`;
for (const { steps, neurons, nanoseconds, other, thisToOther } of results) {
  console.log(`${`${steps} × ${neurons}`.padEnd(14)}${cells(nanoseconds, first.both)}${other && otherFirst ? `   |${cells(other, otherFirst.both)}${thisToOther?.toFixed(2).padStart(8)}` : ""}`);
}
console.log(JSON.stringify({
  date: new Date().toISOString().slice(0, 10), node: process.version, machine: `${cpus().length} cores of ${cpus()[0].model}`, neuron: values.neuron, threads,
  clock: values["cpu-time"] ? "time computed, over threads" : "time passed", repetitions: Number(values.repetitions), results,
}));
