import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError } from "../../src/errors.ts";
import { lif } from "../../src/neuron/index.ts";
import { lastMembrane, linear, Model, rate, sequential, spiking, Tape } from "../../src/nn/index.ts";
import { adam } from "../../src/train/optimizer.ts";
import { type RateRegularizerOptions, rateRegularizer, type Regularizer, spikeCountRegularizer } from "../../src/train/regularizer.ts";
import { type FitOptions, type FitResult, Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { encodeModel } from "../../src/train/weights.ts";
import { onEachDevice } from "../device/devices.ts";
import { quadrants, smallNetwork } from "./digits.ts";

const fixtures = JSON.parse(readFileSync(new URL("../peers/losses.json", import.meta.url), "utf8"));
const { steps, batch, classes: neurons } = fixtures as Record<string, number>;
const spikes: number[] = fixtures.spikes;

/** The penalty in plain doubles. */
function reference({ weight, target = 0, norm = "l2", of = "neuron", side = "both" }: RateRegularizerOptions, x: ArrayLike<number>): number {
  const groups = { neuron: (_: number, n: number) => n, sample: (b: number, n: number) => b * neurons + n, layer: () => 0 };
  const rates = new Map<number, { sum: number; count: number }>();
  for (let i = 0; i < x.length; i++) {
    const group = groups[of](Math.floor(i / neurons) % batch, i % neurons);
    const { sum, count } = rates.get(group) ?? { sum: 0, count: 0 };
    rates.set(group, { sum: sum + x[i], count: count + 1 });
  }
  const penalties = [...rates.values()].map(({ sum, count }) => {
    const away = sum / count - target;
    const counted = side === "above" ? Math.max(away, 0) : side === "below" ? Math.min(away, 0) : away;
    return norm === "l1" ? Math.abs(counted) : counted ** 2;
  });
  return (weight * penalties.reduce((sum, penalty) => sum + penalty)) / penalties.length;
}

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.dispose());

  async function penalize(regularizer: Regularizer): Promise<{ penalty: number; gradient: number[] }> {
    using tape = new Tape(device, { steps, training: true });
    using given = device.tensor(Float32Array.from(spikes), [steps, batch, neurons]);
    const x = tape.input(given, { requiresGradient: true });
    using penalty = regularizer.penalize(tape, x);
    // What else comes to the spikes is added to: here nothing but zeros.
    using zeros = device.zeros([steps, batch, neurons]);
    const [gradient] = tape.backward(x, zeros, [x]);
    const result = { penalty: (await device.read(penalty))[0], gradient: [...(await device.read(gradient!))] };
    gradient!.dispose();
    return result;
  }

  const variants: RateRegularizerOptions[] = [
    { weight: 0.5 }, { weight: 0.5, target: 0.27, norm: "l1" }, { weight: 2, target: 0.2, of: "sample" }, { weight: 2, target: 0.3, of: "layer", norm: "l1" },
    { weight: 3, target: 0.22, side: "above" }, { weight: 3, target: 0.28, of: "sample", side: "below" }, { weight: 1, target: 0.1, of: "layer" },
  ];
  it.each(variants)("is the penalty of $of, $norm, $side of $target, and has its gradient", async (options) => {
    const { penalty, gradient } = await penalize(rateRegularizer(options));
    expect(penalty).toBeCloseTo(reference(options, spikes), 6);
    expect(penalty).toBeGreaterThan(0);
    const h = 1e-5;
    gradient.forEach((slope, i) => {
      const moved = (by: number): number => reference(options, Float64Array.from(spikes, (value, j) => (i === j ? value + by : value)));
      expect(slope).toBeCloseTo((moved(h) - moved(-h)) / (2 * h), 5);
    });
  });

  it("of the number of spikes is snnTorch's l1_rate_sparsity", async () => {
    const { value, gradient } = fixtures.cases.find(({ loss }: { loss: string }) => loss === "l1_rate_sparsity");
    const result = await penalize(spikeCountRegularizer({ weight: 1e-2 }));
    expect(result.penalty).toBeCloseTo(value, 5);
    result.gradient.forEach((slope, i) => expect(slope).toBeCloseTo(gradient[i], 7));
  });

  const [train, network] = [quadrants(96, 1), () => smallNetwork(12)];
  async function fit(options: Partial<TrainerOptions> = {}, { recompute = false, ...given }: Partial<FitOptions> & { recompute?: boolean } = {}, stopAfter = Infinity): Promise<FitResult & { weights: Uint8Array }> {
    const model = Model.build(network(), { device, inputShape: [16], steps: 4, random: new Random(1), recompute });
    const trainer = new Trainer(model, { optimizer: adam({ lr: 0.02 }), seed: 3, ...options });
    const result = await trainer.fit(train, { epochs: 3, batchSize: 32, onWarning() {}, onStep: ({ step }) => step === stopAfter && trainer.stop(), ...given });
    const weights = await encodeModel(model);
    trainer.dispose();
    model.dispose();
    return { ...result, weights };
  }
  const regularizers = [rateRegularizer({ weight: 5, target: 0.05, layers: ["1: spiking(lif)"] }), spikeCountRegularizer({ weight: 1e-4, layers: ["3"] })];

  it("draws rates to the target, and says the penalty apart from the loss", async () => {
    const penaltyWith = async (weight: number): Promise<number> => {
      const { epochs, steps: updates } = await fit({ regularizers: [rateRegularizer({ weight, target: 0.3 })] }, { epochs: 6 });
      expect(updates.every(({ penalty }) => penalty! > 0)).toBe(true);
      return epochs.at(-1)!.trainPenalty! / weight;
    };
    expect(await penaltyWith(20)).toBeLessThan(0.7 * (await penaltyWith(1e-4)));
    expect((await fit()).epochs[0].trainPenalty).toBeUndefined();
  });

  it("comes to the same where activations are computed again, and in graphs", async () => {
    const whole = await fit({ regularizers });
    for (const other of [await fit({ regularizers }, { recompute: true }), await fit({ regularizers, graph: false })]) {
      expect(other.steps).toEqual(whole.steps);
      expect(other.weights).toEqual(whole.weights);
    }
  });
});

describe("regularisers", () => {
  let device: Device;
  beforeAll(async () => {
    device = await openDevice("cpu", { threads: 1 });
  });
  afterAll(() => device.dispose());
  const build = (body = smallNetwork(8)): Model => Model.build(body, { device, inputShape: [16], steps: 4, random: new Random(1) });
  const trainerWith = (model: Model, ...regularizers: Regularizer[]): Trainer => new Trainer(model, { optimizer: adam(), regularizers });

  it("resume with their history", async () => {
    const directory = await mkdtemp(join(tmpdir(), "spikefold-regularizer-"));
    const train = quadrants(96, 1);
    const fit = async (options: Partial<FitOptions>, stopAfter = Infinity) => {
      const trainer = trainerWith(build(), rateRegularizer({ weight: 1 }));
      const { epochs, steps, finished } = await trainer.fit(train, { epochs: 2, batchSize: 32, onWarning() {}, onStep: ({ step }) => step === stopAfter && trainer.stop(), ...options });
      return { finished, steps, epochs: epochs.map(({ trainLoss, trainPenalty }) => ({ trainLoss, trainPenalty })) };
    };
    const resumed = { runDirectory: directory, resume: true };
    const whole = await fit({});
    await fit(resumed, 2);
    await fit(resumed, 4);
    expect(await fit(resumed)).toEqual(whole);
    await rm(directory, { recursive: true });
  });

  it("refuse layers that there are not, or whose spikes nobody computes", async () => {
    expect(() => trainerWith(build(), rateRegularizer({ weight: 1, layers: ["2"] }))).toThrow(/no spiking layer "2".*it has 1: spiking\(lif\), 3: spiking\(lif\)/);
    expect(() => rateRegularizer({ weight: -1 })).toThrow(OptionError);
    const membrane = sequential(linear(16, 4), spiking(lif()), lastMembrane());
    await expect(trainerWith(build(membrane), spikeCountRegularizer({ weight: 1, layers: ["1"] })).fit(quadrants(32, 1), { epochs: 1 })).rejects.toThrow(/the spikes of layer "1" are not computed/);
    const silent = sequential(linear(16, 4), rate());
    await expect(trainerWith(build(silent), spikeCountRegularizer({ weight: 1 })).fit(quadrants(32, 1), { epochs: 1 })).rejects.toThrow(/no spiking layer hands on spikes/);
  });
});
