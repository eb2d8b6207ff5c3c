// MNIST read over time, a row or a pixel a step, by a recurrent layer of adaptive LIF neurons with time constants of their own.
// Run: node examples/sequential-mnist.mjs                              # rows, T = 28, a part of MNIST, some seconds
//      node examples/sequential-mnist.mjs --limit 60000 --epochs 10    # all of MNIST
//      node examples/sequential-mnist.mjs --by pixels --limit 60000 --epochs 15 --out run    # T = 784, over an hour; goes on where it was stopped
import { existsSync } from "node:fs";
import { parseArgs } from "node:util";
import {
  adam, crossEntropy, defineNeuron, imageSequences, leaky, linear, loadMnist, meanMembrane, Model, openDevice, Random, recurrent, schedule, sequential, spike, spiking, surrogate, Trainer,
} from "spikefold";

const { values } = parseArgs({
  options: {
    by: { type: "string", default: "rows" }, device: { type: "string", default: "cpu" }, limit: { type: "string", default: "6000" }, epochs: { type: "string", default: "3" },
    lr: { type: "string" }, batch: { type: "string" }, out: { type: "string" },
  },
});
// The longest time constants, in steps, of membranes and of thresholds.
const settings = { rows: { membrane: 10, threshold: 50, lr: 0.004, batch: 64 }, pixels: { membrane: 100, threshold: 700, lr: 0.01, batch: 32 } };
const by = /** @type {keyof settings} */ (values.by);
if (!(by in settings)) throw new Error("--by rows or pixels was expected");
const { membrane, threshold, lr, batch } = settings[by];
const hidden = 256;

/** The potential is a running mean of the input; the threshold rises with the neuron's own spikes (Bellec et al., 2018). */
const adaptive = defineNeuron({
  name: "adaptive", state: { v: 0, a: 0 }, params: { decay: 0.9, rho: 0.97, beta: 0.2, rest: 0.2 },
  step({ v, a }, { x }, { decay, rho, beta, rest }) {
    const h = v.mul(decay).add(x.mul(decay.neg().add(1)));
    const barrier = a.mul(beta).add(rest);
    const s = spike(h.sub(barrier), surrogate.multiGaussian({ sigma: 0.125, gamma: 0.3 }));
    return { spike: s, v: h.sub(s.mul(barrier)), a: a.mul(rho).add(s.mul(rho.neg().add(1))) };
  },
});
/** Its potential alone is read. */
const readOut = leaky({ beta: 0.95, reset: "none" });

const device = await openDevice(/** @type {"cpu"} */ (values.device));
const limit = Number(values.limit);
const [train, test] = [
  imageSequences(await loadMnist({ split: "train", limit }), { by }),
  imageSequences(await loadMnist({ split: "test", limit: Math.min(Math.ceil(limit / 3), 10_000) }), { by }),
];
const random = new Random(0);
const network = sequential(
  linear(train.shape[0], hidden), recurrent(adaptive, { fixed: { decay: decays(2, membrane), rho: decays(10, threshold) }, init: 0.3 / Math.sqrt(hidden) }), linear(hidden, 10, { init: 0.0075 }), spiking(readOut), meanMembrane(),
);
const model = Model.build(network, { device, inputShape: train.shape, steps: train.lengths[0], random });

const trainer = new Trainer(model, { optimizer: adam({ lr: Number(values.lr ?? lr) }), schedule: schedule.cosine(), loss: crossEntropy(), clipNorm: 1, seed: 0 });
const start = performance.now();
await trainer.fit(train, {
  epochs: Number(values.epochs), batchSize: Number(values.batch ?? batch), testDataset: test, ...(values.out ? { runDirectory: values.out, resume: existsSync(values.out) } : {}),
  onEpoch: ({ epoch, trainLoss, testAccuracy = 0, samplesPerSecond }) =>
    console.log(`epoch ${epoch}: loss ${trainLoss.toFixed(3)}, test accuracy ${(100 * testAccuracy).toFixed(2)} %, ${samplesPerSecond.toFixed(0)} samples/s, ${((performance.now() - start) / 60_000).toFixed(1)} min`),
});
trainer.dispose();
model.dispose();
await device.dispose();

/** e^(−1/τ) for a time constant τ of each neuron, spread evenly on a logarithmic scale. @param {number} shortest @param {number} longest */
function decays(shortest, longest) {
  const logarithms = new Float32Array(hidden);
  random.uniformInto(logarithms, Math.log(shortest), Math.log(longest));
  return logarithms.map((logarithm) => Math.exp(-1 / Math.exp(logarithm)));
}
