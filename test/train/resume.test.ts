import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { latency } from "../../src/data/encode.ts";
import { Random } from "../../src/data/random.ts";
import { relaxedSimd, roundsOnce } from "../../src/device/cpu/features.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { defineNeuron, leaky, lif, type Neuron, parametricLif, spike, surrogate } from "../../src/neuron/index.ts";
import { dropout, type Layer, type LayerLike, linear, Model, rate, residual, sequential, spiking, type SpikingOptions, type Tape, type Variable } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { type FitOptions, Trainer } from "../../src/train/trainer.ts";
import { encodeModel, restoreModel } from "../../src/train/weights.ts";
import { quadrants } from "./digits.ts";

const train = quadrants(64, 1);
let device: Device;
let portable: Device;
let directory: string;
beforeAll(async () => {
  device = await openDevice("cpu", { threads: 1 });
  portable = await openDevice("cpu", { threads: 1, portable: true });
});
afterAll(() => Promise.all([device.dispose(), portable.dispose()]));
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "spikefold-resume-"));
});
afterEach(() => rm(directory, { recursive: true }));

const build = (body: LayerLike, on = device): Model => Model.build(body, { device: on, inputShape: [16], steps: 4, random: new Random(1) });

/** Trains, or resumes, for three updates of four. */
async function fit(body: LayerLike, options: Partial<FitOptions> = {}, { stopAfter = Infinity, on = device } = {}) {
  const trainer = new Trainer(build(body, on), { optimizer: adam({ lr: 0.02 }), seed: 3 });
  return trainer.fit(train, { epochs: 2, batchSize: 32, runDirectory: directory, resume: true, onWarning() {}, onStep: ({ step }) => step === stopAfter && trainer.stop(), ...options });
}

const withNeuron = (neuron: Neuron, options?: SpikingOptions) => (): Layer => sequential(linear(16, 4), spiking(neuron, options), rate());

/** A hidden layer, added to what it is made from if `skips`. */
function freeForm(skips: boolean): LayerLike {
  const [first, second, fire, again, read] = [linear(16, 4), linear(4, 4), spiking(lif()), spiking(lif()), rate()];
  return (tape: Tape, x: Variable) => {
    const h = fire.forward(tape, first.forward(tape, x));
    const y = second.forward(tape, h);
    return read.forward(tape, again.forward(tape, skips ? tape.add(h, y) : y));
  };
}

function twice(times: number): LayerLike {
  const [widen, mix, fire, read] = [linear(16, 4), linear(4, 4), spiking(lif()), rate()];
  return (tape: Tape, x: Variable) => read.forward(tape, fire.forward(tape, Array.from({ length: times }).reduce<Variable>((h) => mix.forward(tape, h), widen.forward(tape, x))));
}

function shared(...order: number[]): Layer {
  const layers = [linear(16, 4), linear(4, 4), linear(4, 4)];
  return sequential(layers[0], layers[1], layers[2], ...order.map((i) => layers[i]), spiking(lif()), rate());
}

const custom = (name: string, limit: number) => defineNeuron({ name, state: { v: 0 }, step: ({ v }, { x }) => ({ spike: spike(v.add(x).sub(limit), surrogate.atan()), v: v.mul(0.5) }) });

/** Networks of equal parameters that compute otherwise. */
const others: [string, () => LayerLike, () => LayerLike, RegExp][] = [
  ["a parameter that is not learnt", withNeuron(leaky({ beta: 0.9 })), withNeuron(leaky({ beta: 0.5 })), /maximum\(0\.9, 0\).*maximum\(0\.5, 0\)/],
  ["a threshold", withNeuron(lif()), withNeuron(lif({ threshold: 0.3 })), /sub\(.*, 1\).*sub\(.*, 0\.3/],
  ["a reset", withNeuron(lif({ reset: "hard" })), withNeuron(lif({ reset: "soft" })), /neuron 1/],
  ["another neuron of the same name", withNeuron(custom("mine", 1)), withNeuron(custom("mine", 2)), /sub\(%1, 1\).*sub\(%1, 2\)/],
  ["a skip of a free-form model", () => freeForm(true), () => freeForm(false), /graph .*%2 \+ %3.*graph/],
  ["how often a function calls a layer", () => twice(1), () => twice(2), /graph/],
  ["the order of shared layers", () => shared(1, 2), () => shared(2, 1), /made of 0 1 2 1 2 .*made of 0 1 2 2 1 /],
];

const elsewhere: typeof others = [
  ["a skip around layers", () => sequential(residual(linear(16, 16)), linear(16, 4), spiking(lif()), rate()), () => sequential(sequential(linear(16, 16)), linear(16, 4), spiking(lif()), rate()), /residual.*sequential/],
];

/** What matters in training alone. */
const trainedOtherwise: [string, () => LayerLike, () => LayerLike, RegExp][] = [
  ["a surrogate's sharpness", withNeuron(lif({ surrogate: surrogate.atan({ alpha: 2 }) })), withNeuron(lif({ surrogate: surrogate.atan({ alpha: 3 }) })), /neuron 1/],
  ["a detached reset", withNeuron(lif({ detachReset: true })), withNeuron(lif()), /detach/],
  ["dropout", () => sequential(dropout(0.1), linear(16, 4), spiking(lif()), rate()), () => sequential(dropout(0.2), linear(16, 4), spiking(lif()), rate()), /p 0\.1.*p 0\.2/],
];

describe("a run does not resume with another network", () => {
  it.each([...others, ...elsewhere, ...trainedOtherwise])("%s", async (_, before, after, message) => {
    await fit(before(), {}, { stopAfter: 3 });
    await expect(fit(after())).rejects.toThrow(message);
    expect((await fit(before())).finished).toBe(true);
  });

  it("but with another start of a parameter that is learnt", async () => {
    await fit(withNeuron(parametricLif({ tau: 2 }))(), {}, { stopAfter: 3 });
    expect((await fit(withNeuron(parametricLif({ tau: 5 }))())).finished).toBe(true);
  });
});

describe("a run resumes with another", () => {
  const network = withNeuron(lif());

  it.skipIf(!relaxedSimd() || !roundsOnce())("arithmetic of the device only if that is allowed", async () => {
    await fit(network(), {}, { stopAfter: 3, on: portable });
    await expect(fit(network())).rejects.toThrow(/the device's arithmetic was "cpu", now it is "cpu, fused multiply-adds".*allowChanged: \["arithmetic"\]/);
    await expect(fit(network(), { allowChanged: ["functions"] })).rejects.toThrow(/arithmetic/);
    expect((await fit(network(), { allowChanged: ["arithmetic"] })).finished).toBe(true);
  });

  it("source of an encoder only if that is allowed", async () => {
    await fit(network(), { encoder: (options) => latency({ ...options, tau: 1 }) }, { stopAfter: 3 });
    const changed: Partial<FitOptions> = { encoder: (options) => latency({ ...options, tau: 2 }) };
    await expect(fit(network(), changed)).rejects.toThrow(/encoder was "encoder, source .*allowChanged: \["functions"\]/);
    expect((await fit(network(), { ...changed, allowChanged: ["functions"] })).finished).toBe(true);
  });
});

describe("weights do not load into a network that computes otherwise", () => {
  it.each(others)("%s", async (_, before, after, message) => {
    const bytes = await encodeModel(build(before()));
    expect(() => restoreModel(build(after()), bytes, "a file")).toThrow(message);
    expect(() => restoreModel(build(after()), bytes, "a file")).toThrow(/^a file was written by a network that computes otherwise/);
    restoreModel(build(after()), bytes, "a file", { ignoreStructure: true });
    restoreModel(build(before()), bytes, "a file");
  });

  it.each(trainedOtherwise)("but into one that trains otherwise: %s", async (_, before, after) => {
    restoreModel(build(after()), await encodeModel(build(before())), "a file");
  });
});
