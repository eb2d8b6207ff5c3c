// What is bundled and run: a simulation and a small training, on the cpu device.
import { adam, encode, lif, linear, Model, openDevice, Random, rate, sequential, simulate, spiking, Trainer } from "spikefold";

/**
 * Images of 4 × 4 whose class is their bright half.
 * @param {number} count
 */
function halves(count) {
  const random = new Random(1);
  const labels = Uint8Array.from({ length: count }, () => random.integer(2));
  const images = Uint8Array.from({ length: count * 16 }, (_, i) => (labels[i >> 4] === ((i >> 3) & 1) ? 150 : 20) + random.integer(80));
  return { name: "halves", images, labels, count, height: 4, width: 4, channels: 1, classes: 2 };
}

/** @param {{ threads?: number, runDirectory?: string }} options */
export async function program({ threads, runDirectory } = {}) {
  const device = await openDevice("cpu", { threads, portable: true });
  const { spikes } = await simulate(lif(), Float32Array.from({ length: 40 * 5000 }, (_, i) => (i % 17) / 6), { steps: 40, device });
  const layers = sequential(linear(16, 12), spiking(lif()), linear(12, 2), rate());
  const model = Model.build(layers, { device, inputShape: [16], steps: 6, random: new Random(2) });
  const trainer = new Trainer(model, { optimizer: adam({ lr: 0.01 }) });
  const { steps } = await trainer.fit(halves(200), { epochs: 1, batchSize: 20, encoder: encode.poissonRate, runDirectory });
  await device.dispose();
  /** @type {string[]} */
  const refusals = [];
  for (const name of ["webgpu", "cuda"]) await openDevice(name).catch(({ message }) => refusals.push(message.replace(/ \(Cannot find.*/, "")));
  return { description: device.description, fired: spikes.reduce((sum, spike) => sum + spike, 0), losses: steps.map(({ loss }) => loss), refusals };
}
