import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { CudaDevice } from "../../src/device/cuda/device.ts";
import type { Tensor } from "../../src/device/device.ts";
import { DeviceError } from "../../src/errors.ts";
import { lif } from "../../src/neuron/library/index.ts";
import { batchNorm2d, dropout, linear, Model, rate, recompute, sequential, spiking } from "../../src/nn/index.ts";
import { adam, crossEntropy, defineLoss, encode, type FitOptions, type GraphEvent, type LayerLike, type Loss, meanSquaredError, schedule, sumOfLosses, Trainer, type TrainerOptions } from "../../src/index.ts";
import { modelTensors } from "../../src/train/weights.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { quadrants } from "./digits.ts";

const data = quadrants(44, 1);
const test = quadrants(20, 2);
const network = (): LayerLike => sequential(linear(16, 24), batchNorm2d(24), spiking(lif({ decayInput: false })), dropout(0.2), linear(24, 12), spiking(lif({ decayInput: false })), dropout(0.1), linear(12, 4), spiking(lif()), rate());

describeOnStandIn("updates launched as one graph", () => {
  let device: CudaDevice;
  beforeAll(async () => { device = await openCuda(); });
  afterAll(() => device.dispose());

  const build = (body = network()): Model => Model.build(body, { device, inputShape: [16], steps: 4, random: new Random(3) });
  const options = { optimizer: adam({ lr: 0.01 }), clipNorm: 1, schedule: schedule.cosine({ warmup: 2 }), seed: 5 };
  /** 44 samples in batches of 16: the last of each epoch has 12. */
  const course: FitOptions = { epochs: 4, batchSize: 16, encoder: encode.poissonRate, testDataset: test, onWarning: () => undefined };

  async function train(given: Partial<TrainerOptions> = {}, more: Partial<FitOptions> = {}, body?: LayerLike) {
    const events: GraphEvent[] = [];
    using model = build(body);
    const trainer = new Trainer(model, { ...options, ...given });
    const { steps, epochs, warnings } = await trainer.fit(data, { ...course, onGraph: (event) => events.push(event), ...more });
    const weights = await Promise.all(Object.entries(modelTensors(model)).map(async ([name, tensor]) => [name, await device.read(tensor)]));
    trainer.dispose();
    return { steps, epochs: epochs.map(({ seconds: _seconds, samplesPerSecond: _samples, ...rest }) => rest), warnings, weights, events };
  }

  it.each([["cross-entropy", crossEntropy({ of: "count" })], ["mean squared error", meanSquaredError()], ["a sum", sumOfLosses([[1, crossEntropy({ of: "count" })], [0.5, meanSquaredError({ of: "count" })]])]])("gives the same history and weights as call by call, bit for bit: %s", async (_, loss) => {
    const [graphs, calls] = [await train({ loss }), await train({ loss, graph: false })];
    expect(graphs.events.filter(({ kind }) => kind === "recorded").length).toBeGreaterThan(2);
    expect(calls.events).toEqual([]);
    expect({ ...graphs, events: [] }).toEqual(calls);
  });

  it("draws the masks of layers that are computed again as call by call", async () => {
    const again = (): LayerLike => sequential(linear(16, 24), recompute(batchNorm2d(24), spiking(lif({ decayInput: false })), dropout(0.3), linear(24, 12), spiking(lif({ decayInput: false }))), dropout(0.1), linear(12, 4), spiking(lif()), rate());
    const [graphs, calls] = [await train({}, {}, again()), await train({ graph: false }, {}, again())];
    expect(graphs.events.some(({ kind }) => kind === "recorded")).toBe(true);
    expect(graphs.events.filter(({ kind }) => kind === "callByCall")).toEqual([]);
    expect({ ...graphs, events: [] }).toEqual(calls);
  });

  it("says what it records and why", async () => {
    const { events } = await train({}, { epochs: 2 });
    const recorded = /^update \d+: the update for an input \[4, 1[26], 16\]( and counting spikes)? is one launch on cuda:0 from now on: .*; recording it took [\d.]+ ms$/;
    for (const { message } of events) expect(message).toMatch(recorded);
    // Spikes are counted in the first update and the last of so short a training; the third of each epoch is smaller.
    expect(events.map(({ step, kind }) => [step, kind])).toEqual([[4, "recorded"]]);
    expect(events[0].message).toMatch(/the one before was the first of its shape/);
  });

  it("takes one launch and one read an update, and uploads of what the host has new", async () => {
    using model = build();
    const trainer = new Trainer(model, options);
    const { driver } = device.context;
    const kernels = vi.spyOn(driver.raw, "cuLaunchKernel"), calls = vi.spyOn(driver, "call"), products = vi.spyOn(device, "empty");
    const counts: Record<string, number>[] = [];
    const count = (): void => {
      const names = calls.mock.calls.map(([name]) => name as string);
      counts.push({
        kernels: kernels.mock.calls.length, tensors: products.mock.calls.length,
        ...Object.fromEntries(["cuGraphLaunch", "cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoDAsync_v2"].map((name) => [name, names.filter((each) => each === name).length])),
      });
      for (const spy of [kernels, calls, products]) spy.mockClear();
    };
    await trainer.fit(quadrants(96, 3), { ...course, epochs: 1, testDataset: undefined, onStep: count });
    for (const spy of [kernels, calls, products]) spy.mockRestore();
    trainer.dispose();
    // Input, labels, three numbers of Adam, two masks.
    expect(counts.slice(3, 5)).toEqual(Array.from({ length: 2 }, () => ({ kernels: 0, tensors: 0, cuGraphLaunch: 1, cuMemcpyHtoDAsync_v2: 7, cuMemcpyDtoHAsync_v2: 1, cuMemcpyDtoDAsync_v2: 0 })));
  });

  it("takes no more memory from update to update, little more than call by call, and gives it back", async () => {
    const reservedBy = async (graph: boolean): Promise<number> => {
      const fresh = await openCuda("cuda:1");
      const model = Model.build(network(), { device: fresh, inputShape: [16], steps: 4, random: new Random(3) });
      const trainer = new Trainer(model, { ...options, graph });
      const reserved: number[] = [];
      await trainer.fit(data, { ...course, epochs: 32, onStep: () => reserved.push(fresh.context.memory.bytesReserved) });
      // By then each of the four shapes was there twice.
      expect(new Set(reserved.slice(60)).size).toBe(1);
      trainer.dispose();
      model.dispose();
      expect(fresh.bytesInUse).toBe(0);
      await fresh.dispose();
      return reserved[60];
    };
    const [graphs, calls] = [await reservedBy(true), await reservedBy(false)];
    // Inputs, labels and masks of four shapes stay.
    expect(graphs).toBeLessThan(1.2 * calls);
  });

  it("goes on from a checkpoint to the same weights", async () => {
    const runDirectory = await mkdtemp(join(tmpdir(), "spikefold-graph-"));
    try {
      using model = build();
      const stopped = new Trainer(model, options);
      await stopped.fit(data, { ...course, runDirectory, onStep: ({ step }) => step === 7 && stopped.stop() });
      stopped.dispose();
      const { weights, steps, epochs } = await train({}, { runDirectory, resume: true });
      expect({ weights, steps, epochs }).toEqual(await train({ graph: false }).then(({ weights: same, steps: all, epochs: each }) => ({ weights: same, steps: all, epochs: each })));
    } finally {
      await rm(runDirectory, { recursive: true });
    }
  });

  it("runs what cannot be recorded call by call, to the same weights, and says why", async () => {
    const wrapped: Loss = { ...crossEntropy(), name: "mine", evaluate: (output, labels, steps) => crossEntropy().evaluate(output, labels, steps) };
    const { events, weights } = await train({ loss: wrapped });
    expect(events.map(({ kind, message }) => [kind, message])).toEqual([["callByCall", "update 1: updates run call by call: the loss mine takes the labels from the host in each update; one that defineLoss makes does not"]]);
    expect(weights).toEqual((await train({ loss: crossEntropy() })).weights);

    const uploading = (): LayerLike => {
      const [first, fire, read] = [linear(16, 4), spiking(lif()), rate()];
      return (tape, x) => {
        tape.device.tensor(Float32Array.of(1), [1]).dispose();
        return read.forward(tape, fire.forward(tape, first.forward(tape, x)));
      };
    };
    expect((await train({}, {}, uploading())).events.map(({ message }) => message)).toEqual([expect.stringMatching(/^update 4: updates run call by call: .*write cannot be part of a graph/)]);

    const drawing = (): LayerLike => {
      const [first, fire, read] = [linear(16, 4), spiking(lif({ decayInput: false })), rate()];
      return (tape, x) => {
        const h = fire.forward(tape, first.forward(tape, x));
        return read.forward(tape, tape.training && tape.random.uniform() < 0.5 ? tape.add(h, h) : h);
      };
    };
    const drawn = await train({}, {}, drawing());
    expect(drawn.events.map(({ message }) => message)).toEqual([expect.stringMatching(/^update 1: updates run call by call: a layer draws from tape\.random itself/)]);
    expect(drawn.weights).toEqual((await train({ graph: false }, {}, drawing())).weights);
  });

  it("records a loss of one's own that is defined in two parts", async () => {
    const mine = defineLoss({
      name: "mine",
      targets: (labels) => [{ data: labels, shape: [labels.length] }],
      evaluate: (output, [labels]) => output.device.dense.softmaxCrossEntropy(output, labels),
    });
    const { events, weights } = await train({ loss: mine });
    expect(events.every(({ kind }) => kind === "recorded")).toBe(true);
    expect(weights).toEqual((await train({ loss: crossEntropy() })).weights);
  });

  it("explains what is not finite as call by call", async () => {
    const said = async (graph: boolean): Promise<unknown> => {
      using model = build();
      const trainer = new Trainer(model, { ...options, graph });
      const spoil = ({ step }: { step: number }): void => {
        const gamma = model.parameters().find(({ name }) => name === "1.weight")!.value;
        if (step === 8) device.write(gamma, new Float32Array(24).fill(1e30));
      };
      return await trainer.fit(data, { ...course, onStep: spoil }).then(() => "trained", ({ message }) => message).finally(() => trainer.dispose());
    };
    const message = await said(true);
    expect(message).toMatch(/^update 9: /);
    expect(message).toBe(await said(false));
  });

  it("refuses to go on with a model whose memory is gone", async () => {
    const model = build();
    const trainer = new Trainer(model, options);
    await expect(trainer.fit(data, { ...course, onStep: ({ step }) => step === 6 && model.dispose() })).rejects.toThrow(/used after it was disposed/);
    trainer.dispose();
  });

  it("leaves device and checkpoint as they were when memory ends in the middle of an update, and names the layer and the bytes", async () => {
    const runDirectory = await mkdtemp(join(tmpdir(), "spikefold-memory-"));
    process.env.STAND_IN_MEMORY = String(4 << 20);
    const small = await openCuda("cuda:1");
    /** Trains with a workspace of cuBLASLt and `room` KiB left once everything is made; the weights, or the error's message. */
    const resume = async (graph: boolean, { stopAt = Infinity, room = Infinity } = {}): Promise<unknown> => {
      using model = Model.build(network(), { device: small, inputShape: [16], steps: 4, random: new Random(3) });
      const trainer = new Trainer(model, { ...options, graph });
      const held: Tensor[] = [];
      const workspace = small.empty([1 << 18]);
      try {
        for (;room < Infinity;) held.push(small.empty([256]));
      } catch {
        for (const tensor of held.splice(0, room)) tensor.dispose();
      }
      workspace.dispose();
      const before = small.bytesInUse;
      try {
        await trainer.fit(data, { ...course, testDataset: undefined, runDirectory, resume: true, onStep: ({ step }) => step === stopAt && trainer.stop() });
        return await Promise.all(Object.values(modelTensors(model)).map((tensor) => small.read(tensor)));
      } catch (error) {
        if (!(error instanceof DeviceError)) throw error;
        expect(small.bytesInUse).toBe(before);
        return error.message;
      } finally {
        trainer.dispose();
        for (const tensor of held) tensor.dispose();
      }
    };
    try {
      await resume(true, { stopAt: 4 });
      const messages: unknown[] = [];
      for (const graph of [true, false]) for (let room = 5; room < 95; room += 6) messages.push(await resume(graph, { room }));
      expect(messages.filter((message) => typeof message === "string" && !/^update [57]: (layer|backward of layer|loss|optimiser) .*: cuda: out of memory: [\d.]+ MiB more are needed/.test(message))).toEqual([]);
      expect(messages).toContainEqual(expect.stringMatching(/^update 5: layer \d: \w+\(.*\): cuda: out of memory/));
      expect(messages).toContainEqual(expect.stringMatching(/^update 5: backward of layer \d: \w+\(.*\): cuda: out of memory/));
      expect(await resume(true)).toEqual((await train({ graph: false }, { testDataset: undefined })).weights.map(([, values]) => values));
    } finally {
      delete process.env.STAND_IN_MEMORY;
      await small.dispose();
      await rm(runDirectory, { recursive: true });
    }
  });
});
