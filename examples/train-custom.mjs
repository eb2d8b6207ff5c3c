// Trains a network of a neuron of one's own, whose threshold is learnt, one value for each channel, on a part of MNIST.
// Run: node examples/train-custom.mjs
import {
  adam, crossEntropy, defineNeuron, linear, loadMnist, Model, openDevice, Random, rate, Recorder, schedule, sequential, spike, spiking, surrogate, Trainer,
} from "spikefold";

const adaptiveLif = defineNeuron({
  name: "adaptiveLif",
  state: { v: 0, a: 0 },
  params: { decay: 0.5, rho: 0.9, beta: 0.1, threshold: 1 },
  step({ v, a }, { x }, { decay, rho, beta, threshold }) {
    const h = v.mul(decay).add(x);
    const s = spike(h.sub(a.mul(beta)).sub(threshold), surrogate.atan({ alpha: 2 }));
    return { spike: s, v: h.sub(s.mul(threshold)), a: a.mul(rho).add(s) };
  },
});

const device = await openDevice("cpu");
const dataset = await loadMnist({ split: "train", limit: 6000 });
const testDataset = await loadMnist({ split: "test", limit: 2000 });

const neurons = () => spiking(adaptiveLif, { learn: ["threshold", "beta"], perChannel: ["threshold"] });
const model = Model.build(sequential(linear(784, 256), neurons(), linear(256, 10), neurons(), rate()), {
  device, inputShape: [784], steps: 8, random: new Random(0),
});
const trainer = new Trainer(model, { optimizer: adam({ lr: 2e-3 }), loss: crossEntropy({ of: "count" }), schedule: schedule.cosine(), seed: 0 });
await trainer.fit(dataset, {
  epochs: 3, batchSize: 100, testDataset,
  onEpoch: ({ epoch, trainLoss, testAccuracy = 0, samplesPerSecond }) =>
    console.log(`epoch ${epoch}: loss ${trainLoss.toFixed(3)}, test accuracy ${(100 * testAccuracy).toFixed(1)} %, ${samplesPerSecond.toFixed(0)} images/s`),
});

// What was learnt, and how much the layers fire.
for (const { name, value } of model.parameters().filter((parameter) => /threshold|beta/.test(parameter.name))) {
  const values = await device.read(value);
  console.log(`${name}: ${values.length} values from ${Math.min(...values).toFixed(3)} to ${Math.max(...values).toFixed(3)}`);
}
const recorder = new Recorder();
const { accuracy } = await trainer.evaluate(testDataset, { recorder });
for (const { layer, rate: firing } of await recorder.firingRates()) console.log(`${layer}: ${firing.toFixed(3)} spikes per neuron and step`);
console.log(`test accuracy: ${(100 * accuracy).toFixed(1)} %`);

recorder.dispose();
trainer.dispose();
model.dispose();
await device.dispose();
