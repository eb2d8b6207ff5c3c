// Trains the network that the playground brings along, with the playground's own sources, on all of MNIST: node scripts/pretrain.mjs
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { createServer } from "vite";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const server = await createServer({ root, configFile: false, logLevel: "warn", appType: "custom", oxc: { target: "es2022" }, server: { middlewareMode: true } });
try {
  const from = (path) => server.ssrLoadModule(`/${path}`);
  const { initialSettings, sourceFor, toNotes } = await from("playground/src/train/settings.ts");
  const { buildNetwork } = await from("playground/src/train/networks.ts");
  const { readNeuron } = await from("playground/src/compute/neuron.ts");
  const { shift } = await from("playground/src/train/shift.ts");
  const { pretrained } = await from("playground/src/train/files.ts");
  const { adam, crossEntropy, encodeModel, loadMnist, Model, openDevice, Random, schedule, Trainer } = await from("src/index.ts");

  const network = "conv";
  const settings = { ...initialSettings, network, neuron: { source: sourceFor("lif", network), params: {} }, steps: 8, learningRate: 0.003, images: 12_000, epochs: 3 };
  const device = await openDevice("cpu", { portable: true });
  const model = Model.build(buildNetwork(network, readNeuron(settings.neuron)), { device, inputShape: [28, 28, 1], steps: settings.steps, random: new Random(1) });
  const trainer = new Trainer(model, { optimizer: adam({ lr: settings.learningRate }), schedule: schedule.cosine(), loss: crossEntropy({ of: "count" }), seed: 1 });
  await trainer.fit(await loadMnist({ split: "train" }), {
    epochs: settings.epochs, batchSize: settings.batchSize, augment: shift, testDataset: await loadMnist({ split: "test" }),
    onEpoch: ({ epoch, testAccuracy, seconds }) => console.log(`epoch ${epoch}: ${(100 * testAccuracy).toFixed(2)} % of the test images, ${seconds.toFixed(0)} s`),
  });
  const path = join(root, "playground/public", pretrained);
  const bytes = await encodeModel(model, toNotes(settings));
  writeFileSync(path, bytes);
  console.log(`${path}: ${bytes.length} bytes`);
  await device.dispose();
} finally {
  await server.close();
}
