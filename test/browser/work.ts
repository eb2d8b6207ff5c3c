/** What the tests run both in Node and in pages, to compare. */
import { adam, type DeviceOptions, gradient, lif, loadMnist, Model, openDevice, Random, simulate, Trainer } from "../../src/index.ts";
import { noise } from "../conformance/suite.ts";
import { quadrants, smallNetwork } from "../train/digits.ts";

const STEPS = 40;
const SIZE = 1000;

/** What to open; default: the device "cpu". */
type Opening = DeviceOptions & { device?: string };
const open = ({ device = "cpu", ...options }: Opening) => openDevice(device, options);

/** What a neuron does on some noise, and its gradients. */
export async function neurons(opening: Opening = {}) {
  const device = await open(opening);
  const random = noise(7);
  const input = Float32Array.from({ length: STEPS * SIZE }, () => 2 * random());
  const spikeGrad = Float32Array.from(input, random);
  const simulation = await simulate(lif(), input, { steps: STEPS, device, record: ["v"] });
  const gradients = await gradient(lif(), input, spikeGrad, { steps: STEPS, device });
  await device.dispose();
  const numbers = (values: Float32Array): number[] => Array.from(values);
  return {
    spikes: numbers(simulation.spikes), v: numbers(simulation.traces.v), final: numbers(simulation.state.v),
    input: numbers(gradients.input), state: numbers(gradients.state.v),
  };
}

/** The losses of a short training, and its loss on a test set. */
export async function training(opening: Opening = {}) {
  const device = await open(opening);
  const model = Model.build(smallNetwork(), { inputShape: [16], steps: 8, device, random: new Random(3) });
  const trainer = new Trainer(model, { optimizer: adam({ lr: 0.01 }), seed: 3 });
  const { steps, epochs } = await trainer.fit(quadrants(300, 1), { epochs: 2, batchSize: 32, testDataset: quadrants(100, 2) });
  await device.dispose();
  return { losses: steps.map(({ loss }) => loss), testLosses: epochs.map(({ testLoss }) => testLoss) };
}

/** A call of a function of this module, made by a worker. */
export function inWorker(name: string, opening: Opening = {}): Promise<unknown> {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  return new Promise<unknown>((resolve, reject) => {
    worker.onmessage = ({ data }) => ("error" in data ? reject(new Error(data.error)) : resolve(data.result));
    worker.onerror = ({ message }) => reject(new Error(message));
    worker.postMessage({ name, opening });
  }).finally(() => worker.terminate());
}

/** The first images of a data set in a directory of the server, in numbers. */
export async function digits(directory?: string) {
  const { images, ...rest } = await loadMnist({ directory, split: "test", limit: 20 });
  return { ...rest, images: Array.from(images), labels: Array.from(rest.labels) };
}

/** What a training with a directory comes to, in a page. */
export async function trainingInDirectory(): Promise<void> {
  const device = await openDevice("cpu", { threads: 1 });
  const model = Model.build(smallNetwork(), { inputShape: [16], steps: 2, device, random: new Random(3) });
  await new Trainer(model, { optimizer: adam() }).fit(quadrants(10, 1), { epochs: 1, runDirectory: "runs" });
}

/** What the device says of itself. */
export async function description(opening: Opening = {}): Promise<string> {
  const device = await open(opening);
  await device.dispose();
  return device.description;
}
