// Fused kernels on arrays of jax-js against the same neuron unrolled by toJax and compiled by jit, forward and backward, taking turns:
//   node bench/fused-jax.mjs [--device wasm|webgpu] [--steps T] [--neurons N] [--repetitions N]
// Prints one JSON object; milliseconds. Copies between the memories of wasm are in the fused time.
import { parseArgs } from "node:util";
import { fusedJax, toJax } from "spikefold/jax";
import { blockUntilReady, defaultDevice, grad, jit, numpy as np } from "@jax-js/jax";
import { lif, Random } from "spikefold";
import { measure } from "../dist/bench/measure.js";

const { values } = parseArgs({
  options: { device: { type: "string", default: "wasm" }, steps: { type: "string", default: "32" }, neurons: { type: "string", default: "65536" }, repetitions: { type: "string", default: "10" } },
});
const [steps, neurons, repetitions] = [values.steps, values.neurons, values.repetitions].map(Number);
const device = /** @type {"wasm" | "webgpu"} */ (values.device);
const fire = await fusedJax(lif(), { device });
defaultDevice(device);

const random = new Random(0);
const uniform = (low = 0, high = 1) => {
  const data = new Float32Array(steps * neurons);
  random.uniformInto(data, low, high);
  return np.array(data, { shape: [steps, neurons], device });
};
const [x, gradient] = [uniform(-1, 2.2), uniform(-1, 1)];

const run = toJax(lif());
// The gradient alone: asked for the spikes as well, jax-js takes twice as long.
const unrolled = jit(grad((/** @type {np.Array} */ input, /** @type {np.Array} */ dSpikes) => np.sum(run(input).mul(dSpikes))));
/** @type {(arrays: np.Array[]) => Promise<void>} */
const finish = async (arrays) => {
  await blockUntilReady(arrays);
  for (const array of arrays) array.dispose();
};
const { fused, unrolled: other } = await measure({
  async fused() {
    const [spikes, pullback] = fire.vjp(x.ref);
    const { x: dx } = pullback(gradient.ref);
    pullback.dispose();
    await finish([spikes, dx]);
  },
  unrolled: () => finish([unrolled(x.ref, gradient.ref)]),
}, { repetitions, warmUp: 2 });
console.log(JSON.stringify({ device: `${device}: ${fire.device.description}`, neuron: "lif", steps, neurons, fused, unrolled: other, speedup: other.median / fused.median }));
