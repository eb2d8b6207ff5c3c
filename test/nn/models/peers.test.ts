import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../../src/device/index.ts";
import * as nn from "../../../src/nn/index.ts";
import { crossEntropy } from "../../../src/train/index.ts";
import { channelsLast, type Digest, digest, type PeerModel, peerModels, uniform } from "../../peers/models.ts";
import { occasionally } from "../../sample.ts";
import { buildModel, openTestDevice, product, read } from "../helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const make = (peer: PeerModel): nn.Layer =>
  (nn[peer.model as "sewResnet18"] as (options: object) => nn.Layer)({ ...peer.options, classes: peer.classes, inputChannels: peer.shape[2] });

/** Shape as PyTorch has it: [outputs, inputs, positions of the kernel or map]. Of VGG's first linear layer, inputs are 512 channels of 7 × 7 positions. */
function axes(shape: readonly number[]): [outer: number, inner: number, map: number] {
  if (shape.length === 1) return [1, shape[0], 1];
  const [inputs, outputs] = shape.slice(-2);
  const map = shape.length === 2 && inputs === 512 * 49 ? 49 : product(shape.slice(0, -2));
  return [outputs, (product(shape) / map) / outputs, map];
}

function weights({ seed, model, options }: PeerModel, stream: number, name: string, shape: readonly number[], isNorm: boolean): Float32Array {
  const [gamma, beta] = model.startsWith("sew") ? [0.9, 0] : [0.45, -0.3];
  const scale = options.batchNorm === false ? 0.7 * Math.sqrt(6) : Math.sqrt(6);
  const [outer, inner, map] = axes(shape);
  const [middle, spread] = shape.length > 1 ? [0, scale / Math.sqrt(inner * map)] : [name.endsWith("weight") ? gamma : isNorm ? beta : 0, 0.1];
  const draw = uniform(seed, stream);
  const values = new Float32Array(product(shape));
  let i = 0;
  for (let position = 0; position < map; position++) {
    for (let input = 0; input < inner; input++) for (let output = 0; output < outer; output++) values[i++] = middle + draw((output * inner + input) * map + position) * spread;
  }
  return values;
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

async function compare(peer: PeerModel): Promise<void> {
  const { steps, batch, shape } = peer;
  using model = buildModel(make(peer), device, shape, steps);
  const parameters = model.parameters();
  expect(parameters.reduce((sum, { value }) => sum + value.size, 0)).toBe(peer.parameters);
  const norms = new Set(model.summary().filter(({ kind }) => kind === "batchNorm2d").map(({ name }) => name.split(":")[0]));
  parameters.forEach(({ name, value }, i) => device.write(value, weights(peer, i, name, value.shape, norms.has(name.slice(0, name.lastIndexOf("."))))));

  using x = device.tensor(images(peer), [steps, batch, ...shape]);
  using recorder = new nn.Recorder();
  using tape = new nn.Tape(device, { steps, training: true, recorder });
  const output = model.forward(tape, tape.input(x));
  const { loss, gradient, correct } = crossEntropy().evaluate(output.value, Int32Array.from({ length: batch }, (_, i) => i), steps);
  const logits = await read(output.value);
  tape.backward(output, gradient);

  const rates = new Map((await recorder.firingRates()).map(({ layer, rate }) => [layer, rate]));
  const spikes = model.summary().filter(({ kind }) => kind === "spiking").map(({ name, outputShape }) => Math.round(rates.get(name)! * steps * batch * product(outputShape)));
  expect(spikes).toEqual(peer.spikes);
  expect(Math.abs((await read(loss))[0] - peer.loss)).toBeLessThan(1e-5);
  logits.forEach((logit, i) => expect(Math.abs(logit - peer.logits[i])).toBeLessThan(1e-5));

  const gradients = await Promise.all(parameters.map(async (p) => digest(await read(p.gradient!), channelsLast(...axes(p.value.shape)))));
  expectDigests(gradients, peer.gradients, parameters.map(({ name }) => name), 1e-4);
  const statistics = await Promise.all(model.buffers().map(async ({ value }) => digest(await read(value), (i) => i)));
  expectDigests(statistics, peer.statistics, model.buffers().map(({ name }) => name), 1e-5);
  nn.clearGradients(parameters);
  for (const tensor of [loss, gradient, correct]) tensor.dispose();
}

const isSmall = ({ model }: PeerModel): boolean => !/34|50/.test(model);
const title = ({ model, options }: PeerModel): string => (Object.keys(options).length > 0 ? `${model} ${JSON.stringify(options)}` : model);
const named = (peers: readonly PeerModel[]) => peers.map((peer): [string, PeerModel] => [title(peer), peer]);

describe("parameters, spikes, loss, gradients and running statistics of a training step are SpikingJelly's for the same weights", () => {
  it.each(named(peerModels.filter(isSmall)))("%s", (_, peer) => compare(peer), 60_000);
  occasionally.each(named(peerModels.filter((peer) => !isSmall(peer))))("%s", (_, peer) => compare(peer), 120_000);
});

