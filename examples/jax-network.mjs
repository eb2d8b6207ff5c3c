// A whole spiking network in plain jax-js: matrix products, the neuron lifted by toJax, and Adam, all differentiated and compiled by
// jax-js. This is the reference for the compiler of Spikefold rather than the fast way: see train-custom.mjs for that.
// Run: node examples/jax-network.mjs
//
// spikefold/jax comes before jax-js: it gives jax-js threads in Node. jax-js arrays are counted: a function uses its arguments up,
// and `.ref` is one more use.
import { toJax } from "spikefold/jax";
import { jit, nn, numpy as np, tree, valueAndGrad } from "@jax-js/jax";
import { lif, loadMnist, Random, BatchLoader, surrogate } from "spikefold";

const [steps, batch, hidden, classes, epochs, rate] = [4, 100, 100, 10, 3, 3e-3];
const fire = toJax(lif({ decayInput: false, detachReset: true, surrogate: surrogate.atan() }));

/** @typedef {{ w1: np.Array, b1: np.Array, w2: np.Array, b2: np.Array }} Params */
/** @typedef {{ params: Params, m: Params, v: Params }} State The parameters and Adam's two moments. */

/**
 * Spike counts [B, classes] of images x [B, 784], a constant current at all steps.
 * @type {(params: Params, x: np.Array) => np.Array}
 */
function network({ w1, b1, w2, b2 }, x) {
  const size = x.shape[0];
  const current = np.matmul(x, w1).add(b1);
  const spikes = fire(np.broadcastTo(current, [steps, size, hidden])).reshape([steps * size, hidden]);
  const output = np.matmul(spikes, w2).add(b2).reshape([steps, size, classes]);
  return np.sum(fire(output), 0);
}

/**
 * Mean cross-entropy of softmax(counts) against one-hot labels y.
 * @type {(params: Params, x: np.Array, y: np.Array) => np.Array}
 */
const loss = (params, x, y) => np.sum(nn.logSoftmax(network(params, x)).mul(y)).mul(-1 / batch);

/**
 * One update of Adam (Kingma & Ba, 2015). `correction` holds 1 − β₁ᵗ and 1 − β₂ᵗ.
 * @type {(state: State, correction: np.Array, x: np.Array, y: np.Array) => State & { loss: np.Array }}
 */
function adam({ params, m, v }, correction, x, y) {
  const [value, gradient] = valueAndGrad(loss)(tree.ref(params), x, y);
  const nextM = tree.map((a, g) => a.mul(0.9).add(g.mul(0.1)), m, tree.ref(gradient));
  const nextV = tree.map((a, g) => a.mul(0.999).add(np.square(g).mul(0.001)), v, gradient);
  const [c1, c2] = np.split(correction, 2);
  const next = tree.map(
    (p, a, b) => p.sub(a.div(c1.ref).div(np.sqrt(b.div(c2.ref)).add(1e-8)).mul(rate)),
    params, tree.ref(nextM), tree.ref(nextV),
  );
  c1.dispose();
  c2.dispose();
  return { loss: value, params: next, m: nextM, v: nextV };
}
const update = jit(adam);
const infer = jit(network);

const random = new Random(0);
const uniform = (name = "", shape = [1], bound = 1) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b));
  random.fork(name).uniformInto(data, -bound, bound);
  return np.array(data).reshape(shape);
};
const params = {
  w1: uniform("w1", [784, hidden], 1 / 28), b1: np.zeros([hidden]),
  w2: uniform("w2", [hidden, classes], 1 / Math.sqrt(hidden)), b2: np.zeros([classes]),
};
const zeros = () => ({ w1: np.zeros([784, hidden]), b1: np.zeros([hidden]), w2: np.zeros([hidden, classes]), b2: np.zeros([classes]) });
/** @type {State} */
let state = { params, m: zeros(), v: zeros() };

const oneHot = (/** @type {Int32Array} */ labels) => {
  const rows = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => (rows[i * classes + label] = 1));
  return np.array(rows).reshape([labels.length, classes]);
};
const images = (/** @type {Float32Array} */ inputs, size = 1) => np.array(inputs.slice()).reshape([size, 784]);

const trainLoader = new BatchLoader(await loadMnist({ split: "train", limit: 3000 }), { batchSize: batch, shuffle: true, random });
const testLoader = new BatchLoader(await loadMnist({ split: "test", limit: 1000 }), { batchSize: batch });
let step = 0;
for (let epoch = 1; epoch <= epochs; epoch++) {
  let total = 0;
  for (const { inputs, labels, size } of trainLoader) {
    step++;
    const correction = np.array(Float32Array.of(1 - 0.9 ** step, 1 - 0.999 ** step));
    const { loss: value, ...next } = update(state, correction, images(inputs, size), oneHot(labels));
    state = next;
    total += (await value.data())[0];
  }
  let correct = 0;
  for (const { inputs, labels, size } of testLoader) {
    const counts = infer(tree.ref(state.params), images(inputs, size));
    const predicted = await np.argmax(counts, 1).data();
    correct += labels.reduce((sum, label, i) => sum + Number(predicted[i] === label), 0);
  }
  console.log(`epoch ${epoch}: loss ${(total / trainLoader.batchesPerEpoch).toFixed(3)}, test accuracy ${((100 * correct) / testLoader.dataset.count).toFixed(1)} %`);
}
tree.dispose(state);
