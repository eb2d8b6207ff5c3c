import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../../src/data/random.ts";
import type { Device, Precision } from "../../../src/device/index.ts";
import { importTorch } from "../../../src/formats/index.ts";
import * as nn from "../../../src/nn/index.ts";
import { crossEntropy } from "../../../src/train/index.ts";
import { encodeSafetensors } from "../../../src/train/safetensors.ts";
import { channelsLast, type Digest, digest, type PeerModel, peerModels, uniform } from "../../peers/models.ts";
import { stateNames } from "../../peers/stateDicts.ts";
import { describeOnStandIn, openCuda } from "../../device/cuda/standIn.ts";
import { occasionally, sample, thorough } from "../../sample.ts";
import { openTestDevice, product, read } from "../helpers.ts";

const make = (peer: PeerModel): nn.Layer =>
  (nn[peer.model as "sewResnet18"] as (options: object) => nn.Layer)({ ...peer.options, classes: peer.classes, inputChannels: peer.shape[2] });

/** Shape as PyTorch has it: [outputs, inputs, positions of the kernel or map]. Of VGG's first linear layer, inputs are 512 channels of 7 × 7 positions. */
function axes(shape: readonly number[]): [outer: number, inner: number, map: number] {
  if (shape.length === 1) return [1, shape[0], 1];
  const [inputs, outputs] = shape.slice(-2);
  const map = shape.length === 2 && inputs === 512 * 49 ? 49 : product(shape.slice(0, -2));
  return [outputs, (product(shape) / map) / outputs, map];
}

/** The state dict that models.py makes, by the peer's names. */
function stateDict({ seed, model, options }: PeerModel): Uint8Array {
  const [gamma, beta] = model.startsWith("sew") ? [0.9, 0] : [0.45, -0.3];
  const scale = options.batchNorm === false ? 0.7 * Math.sqrt(6) : Math.sqrt(6);
  const names = stateNames[options.batchNorm === false ? `${model} without norm` : model];
  const norms = new Set(names.flatMap(([name]) => (name.endsWith(".running_mean") ? [name.replace(".running_mean", ".bias")] : [])));
  let stream = 0;
  const values = (name: string, shape: readonly number[]): Float32Array => {
    if (name.includes(".running_")) return new Float32Array(product(shape)).fill(name.endsWith("var") ? 1 : 0);
    const [middle, spread] = shape.length > 1 ? [0, scale / Math.sqrt(product(shape.slice(1)))] : [name.endsWith("weight") ? gamma : norms.has(name) ? beta : 0, 0.1];
    const draw = uniform(seed, stream++);
    return Float32Array.from({ length: product(shape) }, (_, i) => middle + draw(i) * spread);
  };
  return encodeSafetensors(Object.fromEntries(names.map(([name, shape]) => [name, { shape, data: name.endsWith("num_batches_tracked") ? BigInt64Array.of(0n) : values(name, shape) }])));
}

/** Images [T·B, C, H, W] of models.py as [T, B, H, W, C]. */
function images({ seed, steps, batch, shape: [height, width, channels] }: PeerModel): Float32Array {
  const draw = uniform(seed, 65535);
  const size = channels * height * width;
  const index = channelsLast(1, channels, height * width);
  const values = new Float32Array(steps * batch * size);
  for (let i = 0; i < values.length; i++) values[Math.floor(i / size) * size + index(i % size)] = Math.fround((draw(i) + 1) / 2);
  return values;
}

/** Differences relative to the norm. Of one that is next to nothing beside the others, as that of a bias before a batch normalisation, to theirs. */
function expectDigests(found: readonly Digest[], expected: readonly Digest[], names: readonly string[], tolerance: number): void {
  const floor = 1e-3 * Math.max(...expected.map(({ norm }) => norm));
  expect(found).toHaveLength(expected.length);
  expected.forEach(({ norm, samples }, i) => {
    const difference = Math.max(Math.abs(found[i].norm - norm), ...samples.map((x, k) => Math.abs(found[i].samples[k] - x)));
    expect(difference / Math.max(norm, floor), names[i]).toBeLessThan(tolerance);
  });
}

/** One training step on a device, of the peer's weights and inputs. */
async function trainingStep(device: Device, peer: PeerModel, precision?: Precision) {
  const { steps, batch, shape } = peer;
  using model = nn.Model.build(make(peer), { device, inputShape: shape, steps, random: new Random(1), precision });
  const parameters = model.parameters();
  expect(parameters.reduce((sum, { value }) => sum + value.size, 0)).toBe(peer.parameters);
  await importTorch(model, stateDict(peer), { from: "spikingjelly" });

  using x = device.tensor(images(peer), [steps, batch, ...shape]);
  using recorder = new nn.Recorder();
  using tape = new nn.Tape(device, { steps, training: true, recorder });
  const output = model.forward(tape, tape.input(x));
  const { loss, gradient, correct } = crossEntropy().evaluate(output.value, Int32Array.from({ length: batch }, (_, i) => i), steps);
  const logits = await read(output.value);
  tape.backward(output, gradient);

  const rates = new Map((await recorder.firingRates()).map(({ layer, rate }) => [layer, rate]));
  const step = {
    names: parameters.map(({ name }) => name),
    buffers: model.buffers().map(({ name }) => name),
    spikes: model.summary().filter(({ kind }) => kind === "spiking").map(({ name, outputShape }) => Math.round(rates.get(name)! * steps * batch * product(outputShape))),
    loss: (await read(loss))[0],
    logits,
    gradients: await Promise.all(parameters.map(async (p) => digest(await read(p.gradient!), channelsLast(...axes(p.value.shape))))),
    statistics: await Promise.all(model.buffers().map(async ({ value }) => digest(await read(value), (i) => i))),
  };
  nn.clearGradients(parameters);
  for (const tensor of [loss, gradient, correct]) tensor.dispose();
  return step;
}

async function compare(device: Device, peer: PeerModel): Promise<void> {
  const { names, buffers, spikes, loss, logits, gradients, statistics } = await trainingStep(device, peer);
  expect(spikes).toEqual(peer.spikes);
  expect(Math.abs(loss - peer.loss)).toBeLessThan(1e-5);
  logits.forEach((logit, i) => expect(Math.abs(logit - peer.logits[i])).toBeLessThan(1e-5));
  expectDigests(gradients, peer.gradients, names, 1e-4);
  expectDigests(statistics, peer.statistics, buffers, 1e-5);
}

const isSmall = ({ model }: PeerModel): boolean => !/34|50/.test(model);
const title = ({ model, options }: PeerModel): string => (Object.keys(options).length > 0 ? `${model} ${JSON.stringify(options)}` : model);
const named = (peers: readonly PeerModel[]) => peers.map((peer): [string, PeerModel] => [title(peer), peer]);

describe("parameters, spikes, loss, gradients and running statistics of a training step are SpikingJelly's for the same state dict", () => {
  let device: Device;
  beforeAll(async () => void (device = await openTestDevice()));
  afterAll(() => device.dispose());

  it.each(named(sample(peerModels.filter(isSmall), 2)))("%s", (_, peer) => compare(device, peer), 60_000);
  occasionally.each(named(sample(peerModels.filter((peer) => !isSmall(peer)), 1)))("%s", (_, peer) => compare(device, peer), 120_000);
});

describeOnStandIn("a training step on cuda", () => {
  let device: Device;
  beforeAll(async () => void (device = await openCuda()));
  afterAll(() => device.dispose());

  it.each(named(sample(peerModels.filter(({ model }) => thorough || model.endsWith("18")), 1)))("is SpikingJelly's: %s", (_, peer) => compare(device, peer), 300_000);

  occasionally.each(named(sample(peerModels.filter(isSmall), 1)))("stays near that in bfloat16: %s", async (_, peer) => {
    const { spikes, loss, gradients } = await trainingStep(device, peer, "bfloat16");
    // Four samples meet in a batch normalisation at the end of these networks, where one spike more or less is much.
    spikes.forEach((count, i) => expect(Math.abs(count / peer.spikes[i] - 1), `spikes of layer ${i}`).toBeLessThan(0.25));
    expect(Math.abs(loss - peer.loss)).toBeLessThan(0.5);
    expect(gradients.every(({ norm }) => norm > 0 && Number.isFinite(norm))).toBe(true);
  }, 300_000);
});
