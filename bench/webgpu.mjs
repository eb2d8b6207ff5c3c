// Every WebGPU figure of docs/performance.md, one measurement after the other, as one JSON object on stdout:
//   node bench/webgpu.mjs [--neurons-only] > bench/results/webgpu-software.json
// VK_ICD_FILENAMES chooses the Vulkan driver on Linux: SwiftShader of Debian's chromium is /usr/lib/chromium/vk_swiftshader_icd.json.
import { availableParallelism, cpus, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { adam, flatten, lif, linear, loadMnist, Model, openDevice, plan, Random, rate, sequential, spiking, synaptic, Trainer } from "spikefold";
import { benchNeuron } from "../dist/bench/neuron.js";
import { benchTrain } from "../dist/bench/train.js";

const neuronsOnly = parseArgs({ options: { "neurons-only": { type: "boolean", default: false } } }).values["neurons-only"];
const device = /** @type {import("../dist/device/webgpu/device.js").WebGpuDevice} */ (await openDevice("webgpu"));
const load = () => loadavg().map((x) => x.toFixed(2)).join(" ");

/** Milliseconds from a plan that no device has seen to its first results, forward and backward. */
async function compileTime() {
  const [steps, neurons] = [32, 1024];
  const fresh = await openDevice("webgpu");
  const start = performance.now();
  const kernel = fresh.kernel(plan({ neuron: lif({ tau: 1.875 }), steps, gradients: ["x"] }));
  const buffers = Object.fromEntries(["x", "spike", "d.spike", "grad.x"].map((name) => [name, fresh.zeros([steps, neurons])]));
  kernel.forward({ steps, size: neurons, buffers });
  kernel.backward({ steps, size: neurons, buffers });
  await fresh.synchronize();
  return performance.now() - start;
}

/** Buffers alive on the GPU, and their bytes, while a small network trains. */
async function memoryOfTraining(updates = 1000) {
  const { gpu } = device;
  const alive = new Map();
  const create = gpu.createBuffer.bind(gpu);
  gpu.createBuffer = (descriptor) => {
    const buffer = create(descriptor);
    const destroy = buffer.destroy.bind(buffer);
    alive.set(buffer, descriptor.size);
    buffer.destroy = () => { alive.delete(buffer); return destroy(); };
    return buffer;
  };
  const count = () => ({ buffers: alive.size, bytes: [...alive.values()].reduce((sum, size) => sum + size, 0), tensorBytes: device.bytesInUse });
  const dataset = await loadMnist({ split: "train", limit: 1600 });
  const layers = sequential(flatten(), linear(784, 32), spiking(lif()), linear(32, 10), spiking(lif()), rate());
  const model = Model.build(layers, { device, inputShape: [28, 28, 1], steps: 4, random: new Random(0) });
  const trainer = new Trainer(model, { optimizer: adam() });
  const found = /** @type {Record<string, object>} */ ({});
  await trainer.fit(dataset, { epochs: updates / 100, batchSize: 16, onStep: ({ step }) => { if ([10, 100, updates].includes(step)) found[`after ${step} updates`] = count(); } });
  trainer.dispose();
  model.dispose();
  return found;
}

const cases = [[lif(), 32, 1024], [lif(), 32, 4096], [lif(), 32, 16_384], [lif(), 32, 65_536], [lif(), 256, 4096], [lif(), 256, 65_536], [synaptic(), 32, 16_384]];
// What software takes minutes for.
if (!device.software) cases.push([lif(), 32, 1 << 20], [lif(), 32, 1 << 22]);
const neurons = [];
for (const [neuron, steps, count] of /** @type {[import("spikefold").Neuron, number, number][]} */ (cases)) neurons.push(await benchNeuron({ neuron, steps, neurons: count, device }));
const result = {
  date: new Date().toISOString().slice(0, 10), command: "node bench/webgpu.mjs", node: process.version,
  machine: `${availableParallelism()} cores of ${cpus()[0].model}`, adapter: device.description, load: load(), neurons,
  compileMilliseconds: await compileTime(), trainingMemory: neuronsOnly ? undefined : await memoryOfTraining(),
  train: neuronsOnly ? undefined : await benchTrain({ model: "mlp", device, repetitions: 5 }), loadAtTheEnd: load(),
};
process.stdout.write(`${JSON.stringify(result, null, 1)}\n`);
await device.dispose();
