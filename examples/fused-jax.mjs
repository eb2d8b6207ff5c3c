// A spiking network in plain jax-js with its neurons in fused kernels: fusedJax in the place of toJax (see jax-network.mjs). A fused kernel
// cannot be traced, so jax-js differentiates what stands before and behind it, and the chain rule joins the three pullbacks.
// Run: node examples/fused-jax.mjs [webgpu]
//
// spikefold/jax comes before jax-js: it gives jax-js threads in Node. jax-js arrays are counted: a function uses its arguments up,
// and `.ref` is one more use.
import { fusedJax } from "spikefold/jax";
import { defaultDevice, jit, nn, numpy as np, tree, vjp } from "@jax-js/jax";
import { BatchLoader, loadMnist, parametricLif, Random, surrogate } from "spikefold";

const device = process.argv[2] === "webgpu" ? "webgpu" : "wasm";
const fire = await fusedJax(parametricLif({ decayInput: false, surrogate: surrogate.atan() }), { device });
defaultDevice(device);

const [steps, batch, hidden, classes, epochs, rate] = [8, 100, 100, 10, 3, 3e-3];

/** @typedef {{ w1: np.Array, b1: np.Array, leak: np.Array, w2: np.Array, b2: np.Array }} Params The leak of each hidden neuron is learnt. */
/** @typedef {{ params: Params, m: Params, v: Params }} State The parameters and Adam's two moments. */

/** Images [B, 784] → a constant current [T, B, hidden]. */
const currents = jit((/** @type {np.Array} */ w1, /** @type {np.Array} */ b1, /** @type {np.Array} */ x) =>
  np.broadcastTo(np.matmul(x, w1).add(b1), [steps, batch, hidden]));

/** Spikes [T, B, hidden] → scores [B, classes], the mean over time. */
const scores = (/** @type {np.Array} */ w2, /** @type {np.Array} */ b2, /** @type {np.Array} */ spikes) =>
  np.mean(np.matmul(spikes, w2).add(b2), 0);

/** Mean cross-entropy of softmax(scores) against one-hot labels y. */
const crossEntropy = jit((/** @type {np.Array} */ w2, /** @type {np.Array} */ b2, /** @type {np.Array} */ spikes, /** @type {np.Array} */ y) =>
  np.sum(nn.logSoftmax(scores(w2, b2, spikes)).mul(y)).mul(-1 / batch));

/**
 * Forward through the three parts, backward through their pullbacks in reverse order.
 * @type {(params: Params, x: np.Array, y: np.Array) => { loss: np.Array, gradient: Params }}
 */
function lossAndGradient({ w1, b1, leak, w2, b2 }, x, y) {
  const [current, pullCurrent] = vjp((w, b) => currents(w, b, x), [w1, b1]);
  const [spikes, pullSpikes] = fire.vjp(current, { w: leak });
  const [loss, pullLoss] = vjp((w, b, s) => crossEntropy(w, b, s, y), [w2, b2, spikes]);

  const [dw2, db2, dSpikes] = /** @type {np.Array[]} */ (pullLoss(np.ones([])));
  const { x: dCurrent, params } = pullSpikes(dSpikes);
  const [dw1, db1] = /** @type {np.Array[]} */ (pullCurrent(dCurrent));
  for (const pullback of [pullLoss, pullSpikes, pullCurrent]) pullback.dispose();
  return { loss, gradient: { w1: dw1, b1: db1, leak: params.w, w2: dw2, b2: db2 } };
}

/**
 * One update of Adam (Kingma & Ba, 2015). `correction` holds 1 − β₁ᵗ and 1 − β₂ᵗ.
 * @type {(state: State, gradient: Params, correction: np.Array) => State}
 */
function adam({ params, m, v }, gradient, correction) {
  const nextM = tree.map((a, g) => a.mul(0.9).add(g.mul(0.1)), m, tree.ref(gradient));
  const nextV = tree.map((a, g) => a.mul(0.999).add(np.square(g).mul(0.001)), v, gradient);
  const [c1, c2] = np.split(correction, 2);
  const next = tree.map(
    (p, a, b) => p.sub(a.div(c1.ref).div(np.sqrt(b.div(c2.ref)).add(1e-8)).mul(rate)),
    params, tree.ref(nextM), tree.ref(nextV),
  );
  c1.dispose();
  c2.dispose();
  return { params: next, m: nextM, v: nextV };
}
const update = jit(adam);

const random = new Random(0);
const uniform = (name = "", shape = [1], bound = 1) => {
  const data = new Float32Array(shape.reduce((a, b) => a * b));
  random.fork(name).uniformInto(data, -bound, bound);
  return np.array(data, { shape });
};
const params = {
  w1: uniform("w1", [784, hidden], 1 / 28), b1: np.zeros([hidden]), leak: np.zeros([hidden]),
  w2: uniform("w2", [hidden, classes], 1 / Math.sqrt(hidden)), b2: np.zeros([classes]),
};
const zeros = () => ({ w1: np.zeros([784, hidden]), b1: np.zeros([hidden]), leak: np.zeros([hidden]), w2: np.zeros([hidden, classes]), b2: np.zeros([classes]) });
/** @type {State} */
let state = { params, m: zeros(), v: zeros() };

const images = (/** @type {Float32Array} */ inputs) => np.array(inputs.slice(), { shape: [batch, 784] });
const oneHot = (/** @type {Int32Array} */ labels) => {
  const rows = new Float32Array(labels.length * classes);
  labels.forEach((label, i) => (rows[i * classes + label] = 1));
  return np.array(rows, { shape: [labels.length, classes] });
};

const trainLoader = new BatchLoader(await loadMnist({ split: "train", limit: 3000 }), { batchSize: batch, shuffle: true, random });
const testLoader = new BatchLoader(await loadMnist({ split: "test", limit: 1000 }), { batchSize: batch });
let step = 0;
for (let epoch = 1; epoch <= epochs; epoch++) {
  let total = 0;
  for (const { inputs, labels } of trainLoader) {
    step++;
    const { loss, gradient } = lossAndGradient(tree.ref(state.params), images(inputs), oneHot(labels));
    state = update(state, gradient, np.array(Float32Array.of(1 - 0.9 ** step, 1 - 0.999 ** step)));
    total += (await loss.data())[0];
  }
  let correct = 0;
  for (const { inputs, labels } of testLoader) {
    const { w1, b1, leak, w2, b2 } = tree.ref(state.params);
    const spikes = fire(currents(w1, b1, images(inputs)), { w: leak });
    const predicted = await np.argmax(scores(w2, b2, spikes), 1).data();
    correct += labels.reduce((sum, label, i) => sum + Number(predicted[i] === label), 0);
  }
  console.log(`epoch ${epoch}: loss ${(total / trainLoader.batchesPerEpoch).toFixed(3)}, test accuracy ${((100 * correct) / testLoader.dataset.count).toFixed(1)} %`);
}
tree.dispose(state);
