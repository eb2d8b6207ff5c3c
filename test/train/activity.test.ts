import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { leaky, lif } from "../../src/neuron/library/index.ts";
import { lastMembrane, type Layer, linear, Model, rate, sequential, spiking } from "../../src/nn/index.ts";
import type { TrainingWarning } from "../../src/train/activity.ts";
import { TrainingWatch } from "../../src/train/activity.ts";
import { adam, sgd } from "../../src/train/optimizer.ts";
import { type FitOptions, Trainer } from "../../src/train/trainer.ts";
import { onEachDevice } from "../device/devices.ts";
import { quadrants, smallNetwork } from "./digits.ts";

const train = quadrants(320, 1);
afterEach(() => vi.restoreAllMocks());

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => {
    device = await open();
  });
  afterAll(() => device.dispose());

  const make = (layer: Layer, lr = 1e-4): Trainer =>
    new Trainer(Model.build(layer, { device, inputShape: [16], steps: 4, random: new Random(3) }), { optimizer: sgd({ lr }) });
  async function fit(trainer: Trainer, options: Partial<FitOptions> = {}) {
    const heard: TrainingWarning[] = [];
    const { warnings } = await trainer.fit(train, { epochs: 4, batchSize: 32, onWarning: (warning) => heard.push(warning), ...options });
    return { heard, warnings };
  }
  const kinds = (warnings: readonly TrainingWarning[]) => warnings.map(({ kind, layer }) => [kind, layer]);
  const hidden = (threshold: number): Layer => sequential(linear(16, 24), spiking(lif({ threshold })), linear(24, 4), spiking(lif({ threshold: 0.02 })), rate());

  it("warns once of a layer that does not fire, by name, with its rate and what helps", async () => {
    const trainer = make(hidden(50));
    const { heard, warnings } = await fit(trainer);
    const ofLayer = heard.filter(({ layer }) => layer === "1: spiking(lif)");
    expect(ofLayer).toMatchObject([{ kind: "silent", rate: 0, step: 21 }]);
    expect(ofLayer[0].message).toMatch(/layer 1: spiking\(lif\) does not fire: no spike at all in 3 batches looked at up to update 21\..*threshold.*decayInput: false.*batchNorm2d/s);
    expect(warnings).toEqual(heard);
    expect((await fit(trainer, { epochs: 4 })).heard.filter(({ layer }) => layer === "1: spiking(lif)")).toEqual([]);
  });

  it("warns of a layer that fires at every step", async () => {
    const { heard } = await fit(make(hidden(-50)));
    expect(heard).toMatchObject([{ kind: "saturated", layer: "1: spiking(lif)", rate: expect.closeTo(1, 1) }]);
    expect(heard[0].message).toMatch(/higher threshold/);
  });

  it("watches the read-out's layer, and says of a network that is dead that its loss does not change", async () => {
    const dead = sequential(linear(16, 4), spiking(lif({ threshold: 50 })), rate());
    expect(kinds((await fit(make(dead))).heard)).toEqual([["silent", "1: spiking(lif)"], ["constantLoss", undefined]]);
  });

  it("says nothing of neurons whose membrane alone is read, nor of a network that learns", async () => {
    const membrane = sequential(linear(16, 4), spiking(leaky({ reset: "none", threshold: 1e3 })), lastMembrane());
    expect((await fit(make(membrane))).warnings).toEqual([]);
    const { model } = make(smallNetwork());
    const learner = new Trainer(model, { optimizer: adam({ lr: 0.02 }) });
    expect((await fit(learner)).warnings).toEqual([]);
  });

  it("says it at the end of a training that is too short for three looks", async () => {
    expect(kinds((await fit(make(hidden(50)), { epochs: 1, batchSize: 80 })).heard)).toContainEqual(["silent", "1: spiking(lif)"]);
    expect((await fit(make(hidden(50)), { epochs: 1, batchSize: 320 })).heard).toEqual([]);
  });

  it("changes nothing: watched or not, the weights are the same", async () => {
    vi.spyOn(TrainingWatch.prototype, "looksAt").mockReturnValueOnce(true).mockReturnValue(false);
    const [a, b] = [make(smallNetwork()), make(smallNetwork())];
    await fit(a);
    vi.restoreAllMocks();
    await fit(b);
    for (const [i, { value }] of a.model.parameters().entries()) expect(await device.read(b.model.parameters()[i].value)).toEqual(await device.read(value));
  });

  it("writes to the console unless told otherwise", async () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => {});
    await fit(make(hidden(50)), { onWarning: undefined });
    expect(warn.mock.calls.flat()).toContainEqual(expect.stringMatching(/layer 1: spiking\(lif\) does not fire/));
  });
});

describe("the watch", () => {
  const counts = (spikes: number, steps = 8) => new Map([["a", { steps, spikes, neurons: 10_000 }]]);

  it("does not take a layer that began silent and found its way for one that is", () => {
    const watch = new TrainingWatch();
    const said = [0, 0, 400, 0, 0, 400].flatMap((spikes, look) => watch.see(1 + 10 * look, Math.random(), 0.5, counts(spikes)));
    expect([...said, ...watch.end(51)]).toEqual([]);
  });

  it("counts spikes of each neuron in all steps: a latency code's single spike is none too few, however many the steps", () => {
    const watch = new TrainingWatch();
    for (let look = 0; look < 5; look++) expect(watch.see(1 + 10 * look, Math.random(), 0.5, counts(200, 1000))).toEqual([]);
  });

  it("takes a loss that stays the same for constant, but not where all is right", () => {
    const losses = (accuracy: number) => {
      const watch = new TrainingWatch();
      return Array.from({ length: 60 }, (_, step) => watch.see(step + 1, 0.5, accuracy)).flat();
    };
    expect(losses(0.5)).toMatchObject([{ kind: "constantLoss", step: 30 }]);
    expect(losses(1)).toEqual([]);
  });
});
