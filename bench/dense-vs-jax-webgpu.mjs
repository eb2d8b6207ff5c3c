// Times dense math on webgpu: the device's own kernels, and jax-js on the same GPUDevice (a jitted function; backward, its own vjp). After a build:
//   node bench/dense-vs-jax-webgpu.mjs > bench/results/dense-vs-jax-webgpu.json
// Each on arrays of its own, in turns, medians; milliseconds to the end of the GPU's work, and host microseconds of a call on a small shape.
import { availableParallelism, cpus } from "node:os";
import { openDevice, Random } from "spikefold";
import { jit, lax, numpy as np, vjp } from "@jax-js/jax";
import { measure } from "../dist/bench/measure.js";

const device = /** @type {import("../dist/device/webgpu/device.js").WebGpuDevice} */ (await openDevice("webgpu"));
const { dense } = device;
const random = new Random(0);
const uniform = (/** @type {number[]} */ shape) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b));
  random.uniformInto(data, -1, 1);
  return data;
};
/** @typedef {{ dispose(): void }} Disposable */
/** @param {(Disposable | undefined)[]} all */
const free = (...all) => all.forEach((each) => each?.dispose());

/** @type {Record<string, () => void | Promise<void>>} */
const contestants = {};
/** @type {Record<string, [own: () => void, jax: () => void]>} */
const hosts = {};

/** @param {string} name @param {() => (Disposable | undefined)[]} own @param {() => np.Array[]} theirs */
function compare(name, own, theirs) {
  const submitted = () => theirs().map((array) => { array.ref.gpuBufferSync(); return array; });
  contestants[`${name}, own`] = async () => { free(...own()); await device.synchronize(); };
  contestants[`${name}, jax-js`] = async () => { free(...submitted()); await device.synchronize(); };
  hosts[name] = [() => free(...own()), () => free(...submitted())];
}

for (const [rows, depth, columns] of [[128, 784, 512], [1024, 512, 512], [16, 16, 16]]) {
  const [x, w, dy] = [[rows, depth], [depth, columns], [rows, columns]].map((shape) => device.tensor(uniform(shape), shape));
  const [ax, aw, ady] = [x, w, dy].map((tensor) => device.array(tensor));
  const product = (/** @type {np.Array} */ a, /** @type {np.Array} */ b) => np.matmul(a, b);
  const forward = jit(product);
  const backward = jit((/** @type {np.Array} */ a, /** @type {np.Array} */ b, /** @type {np.Array} */ d) => {
    const [y, pull] = vjp(product, [a, b]);
    y.dispose();
    return pull(d);
  });
  compare(`linear ${rows}×${depth}×${columns}`, () => [dense.linear(x, w)], () => [forward(ax.ref, aw.ref)]);
  compare(`linear ${rows}×${depth}×${columns} backward`, () => Object.values(dense.linearBackward(x, w, dy, { input: true, bias: false })), () => /** @type {np.Array[]} */ (backward(ax.ref, aw.ref, ady.ref)));
}
{
  const [images, side, from, to] = [8, 14, 32, 64];
  const window = /** @type {const} */ ({ size: [3, 3], stride: [1, 1], padding: [1, 1] });
  const [x, w, dy] = [[images, side, side, from], [3, 3, from, to], [images, side, side, to]].map((shape) => device.tensor(uniform(shape), shape));
  const [ax, aw, ady] = [[images, from, side, side], [to, from, 3, 3], [images, to, side, side]].map((shape) => np.array(uniform(shape), { shape, device: "webgpu" }));
  const convolution = (/** @type {np.Array} */ a, /** @type {np.Array} */ b) => lax.convGeneralDilated(a, b, [1, 1], [[1, 1], [1, 1]]);
  const forward = jit(convolution);
  const backward = jit((/** @type {np.Array} */ a, /** @type {np.Array} */ b, /** @type {np.Array} */ d) => {
    const [y, pull] = vjp(convolution, [a, b]);
    y.dispose();
    return pull(d);
  });
  const name = `convolution 3×3, ${images}×${side}×${side}×${from} to ${to}`;
  compare(name, () => [dense.conv2d(x, w, undefined, window)], () => [forward(ax.ref, aw.ref)]);
  compare(`${name}, backward`, () => Object.values(dense.conv2dBackward(x, w, dy, window, { input: true, bias: false })), () => /** @type {np.Array[]} */ (backward(ax.ref, aw.ref, ady.ref)));
}

const times = await measure(contestants, { repetitions: 20, warmUp: 3 });
/** Median host time of a call, each followed by a wait for the GPU. @param {() => void} call */
async function hostMicroseconds(call) {
  const found = [];
  for (let i = 0; i < 200; i++) {
    const start = performance.now();
    call();
    found.push(performance.now() - start);
    await device.synchronize();
  }
  return 1000 * found.sort((a, b) => a - b)[100];
}
const small = ["linear 16×16×16", "linear 16×16×16 backward"];
const host = /** @type {Record<string, object>} */ ({});
for (const name of small) host[name] = { own: await hostMicroseconds(hosts[name][0]), jax: await hostMicroseconds(hosts[name][1]) };
process.stdout.write(`${JSON.stringify({
  command: "node bench/dense-vs-jax-webgpu.mjs", date: new Date().toISOString().slice(0, 10), machine: `${availableParallelism()} cores of ${cpus()[0].model}`,
  node: process.version, jax: "0.1.25", adapter: device.description, milliseconds: times, hostMicroseconds: host,
}, null, 1)}\n`);
await device.dispose();
