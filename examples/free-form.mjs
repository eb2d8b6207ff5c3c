// A model as a function of a tape: a spiking layer whose input is the sum of two paths, a residual connection written by hand.
// Run: node examples/free-form.mjs
import { adam, lif, linear, loadMnist, Model, openDevice, Random, rate, spiking, surrogate, Trainer } from "spikefold";

const neuron = lif({ decayInput: false, detachReset: true, surrogate: surrogate.atan() });
const first = linear(784, 128);
const fire = spiking(neuron);
const second = linear(128, 128);
const fireAgain = spiking(neuron);
const last = linear(128, 10);
const read = rate();

// Layers are made outside, so that every call uses the same parameters. The sum costs nothing: fireAgain adds it in its own kernel.
/** @type {(tape: import("spikefold").Tape, x: import("spikefold").Variable) => import("spikefold").Variable} */
function network(tape, x) {
  const h = fire.forward(tape, first.forward(tape, x));
  const sum = tape.add(h, second.forward(tape, h));
  return read.forward(tape, last.forward(tape, fireAgain.forward(tape, sum)));
}

const device = await openDevice("cpu");
const dataset = await loadMnist({ split: "train", limit: 4000 });
const testDataset = await loadMnist({ split: "test", limit: 1000 });
const model = Model.build(network, { device, inputShape: [784], steps: 4, random: new Random(1) });
for (const { name, outputShape, parameters } of model.summary()) console.log(`${name} → [${outputShape}], ${parameters} parameters`);

const trainer = new Trainer(model, { optimizer: adam({ lr: 2e-3 }), seed: 1 });
await trainer.fit(dataset, {
  epochs: 3, batchSize: 100, testDataset,
  onEpoch: ({ epoch, trainLoss, testAccuracy = 0 }) => console.log(`epoch ${epoch}: loss ${trainLoss.toFixed(3)}, test accuracy ${(100 * testAccuracy).toFixed(1)} %`),
});

trainer.dispose();
model.dispose();
await device.dispose();
