// Times the matrix product of a linear layer: the cpu device's own kernels, and jax-js on wasm with its workers. After a build:
//
//   node bench/dense-vs-jax.mjs [--json]
//
// y [1024, 512] = x [1024, 512] · w [512, 512], f32, with x dense and with spikes in 15 % of it. jax-js is timed on arrays of its own,
// and with x and w copied in and y copied out, which it costs to call it from another memory. One process, in turns, medians.
import { availableParallelism, cpus } from "node:os";
import "spikefold/jax"; // before jax-js: gives it threads in Node
import { blockUntilReady, numpy as np } from "@jax-js/jax";
import { openDevice, Random } from "spikefold";
import { measure } from "../dist/bench/measure.js";

const [rows, depth, columns] = [1024, 512, 512];
const firingRate = 0.15;
const random = new Random(0);
const uniform = (size = 1) => {
  const data = new Float32Array(size);
  random.uniformInto(data, -1, 1);
  return data;
};
const w = uniform(depth * columns);
const inputs = { dense: uniform(rows * depth), spikes: Float32Array.from({ length: rows * depth }, () => Number(random.uniform() < firingRate)) };

const device = await openDevice("cpu");
const weights = device.tensor(w, [depth, columns]);
const ours = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, device.tensor(data, [rows, depth])]));
const jaxArray = (/** @type {Float32Array} */ data, columnCount = 1) => np.array(new Float32Array(data)).reshape([data.length / columnCount, columnCount]);
const jaxWeights = jaxArray(w, columns);
const theirs = Object.fromEntries(Object.entries(inputs).map(([name, data]) => [name, jaxArray(data, depth)]));
await blockUntilReady([jaxWeights, ...Object.values(theirs)]);

const own = (input = "dense") => device.dense.linear(ours[input], weights);
const jaxResident = () => np.matmul(theirs.dense.ref, jaxWeights.ref);
const jaxCopied = () => np.matmul(jaxArray(inputs.dense, depth), jaxArray(w, columns)).data();

const expected = await jaxResident().data();
const found = /** @type {Float32Array} */ (await device.read(own()));
const error = found.reduce((worst, y, i) => Math.max(worst, Math.abs(y - expected[i])), 0);
if (!(error < 1e-3)) throw new Error(`the two products differ by ${error}`);

const times = await measure({
  "own, dense input": () => own().dispose(),
  "own, spikes": () => own("spikes").dispose(),
  "jax-js, its own arrays": async () => {
    const y = await blockUntilReady(jaxResident());
    y.dispose();
  },
  "jax-js, copied in and out": async () => void (await jaxCopied()),
}, { repetitions: 40, warmUp: 10 });

const flops = 2 * rows * depth * columns;
const results = Object.entries(times).map(([name, { median, minimum, maximum }]) => ({ name, medianMs: median, minimumMs: minimum, maximumMs: maximum, denseGflops: flops / median / 1e6 }));
if (process.argv.includes("--json")) console.log(JSON.stringify({
  command: "node bench/dense-vs-jax.mjs --json", date: new Date().toISOString().slice(0, 10), machine: `${cpus()[0].model}, ${availableParallelism()} cores`,
  node: process.version, jax: "0.1.25", device: device.description, shape: [rows, depth, columns], firingRate, error, results,
}, null, 2));
else {
  console.log(`[${rows}, ${depth}] · [${depth}, ${columns}], f32; ${device.description}; Node ${process.version}`);
  for (const { name, medianMs, minimumMs, maximumMs, denseGflops } of results) {
    console.log(`${name.padEnd(28)}${medianMs.toFixed(1).padStart(7)} ms  (${minimumMs.toFixed(1)} to ${maximumMs.toFixed(1)})${denseGflops.toFixed(0).padStart(6)} GFLOP/s of the dense product`);
  }
}
await device.dispose();
