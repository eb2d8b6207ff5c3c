import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device, Tensor } from "../../src/device/index.ts";
import { integrateAndFire, leaky, lif, parametricLif, synaptic } from "../../src/neuron/index.ts";
import {
  batchNorm2d, conv2d, dropout, everyStep, flatten, groupNorm, lastMembrane, type LayerLike, Lengths, linear, maxMembrane, meanMembrane, membranes, Model, rate, recompute, recurrent, residual, sequential, spikeCount, spiking, Tape,
} from "../../src/nn/index.ts";
import { rateRegularizer, sgd, Trainer, type TrainerOptions } from "../../src/train/index.ts";
import { TimeChunk, chunkOf } from "../../src/nn/timeChunk.ts";
import { queues } from "../parallel/queues.ts";
import { adaptiveLif } from "../conformance/neurons.ts";
import { openTestDevice, read, relativeError, uniform } from "./helpers.ts";

const BATCH = 3;
/** Of gradients, relative to the largest: sums over time are taken in another order. */
const TOLERANCE = 1e-5;

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

interface Options {
  steps: number;
  shape?: readonly number[];
  lengths?: readonly number[];
  timeConstant?: boolean;
  packSpikes?: boolean;
  recompute?: boolean;
}

interface Result {
  output: Float32Array;
  gradients: Record<string, Float32Array>;
  /** By call of a layer, [T, B, ...]. */
  spikes: Float32Array[];
}

const build = (body: () => LayerLike, { steps, shape = [7], packSpikes, recompute }: Options): Model =>
  Model.build(body(), { device, inputShape: shape, steps, random: new Random(4), packSpikes, recompute });

const inputOf = ({ steps, shape = [7], timeConstant }: Options): Float32Array => uniform((timeConstant ? 1 : steps) * BATCH * shape.reduce((a, b) => a * b), 3, -2, 6);

/** The whole of time on one device, or in k chunks, forward one after the other and backward in turn. */
async function run(body: () => LayerLike, options: Options, chunks?: number): Promise<Result> {
  const { steps, shape = [7], timeConstant = false } = options;
  using model = build(body, options);
  const input = inputOf(options);
  const row = BATCH * shape.reduce((a, b) => a * b);
  using lengths = options.lengths && new Lengths(device, Int32Array.from(options.lengths));
  const groups = chunks === undefined ? [undefined] : queues(chunks);
  const spikes: Tensor[][] = [];
  const passes = groups.map((group) => {
    const { from, count } = group ? chunkOf(steps, group) : { from: 0, count: steps };
    const x = device.tensor(timeConstant ? input : input.subarray(from * row, (from + count) * row), [timeConstant ? 1 : count, BATCH, ...shape]);
    const carry = group && new TimeChunk(group, steps);
    const seen: Tensor[] = [];
    spikes.push(seen);
    const tape = new Tape(device, { steps: count, training: true, random: new Random(5), carry, lengths, onSpikes: (_, each) => void seen.push(each.reshape(each.shape)) });
    return { x, carry, tape, from, output: model.forward(tape, tape.input(x, { timeConstant })).plain() };
  });
  const joined = async (tensors: readonly Tensor[]): Promise<Float32Array> => Float32Array.from((await Promise.all(tensors.map(read))).flatMap((values) => [...values]));
  const result: Result = { output: new Float32Array(), gradients: {}, spikes: [] };
  for (const call of spikes[0].keys()) result.spikes.push(await joined(spikes.map((seen) => seen[call])));
  spikes.flat().forEach((each) => each.dispose());
  const keepsTime = passes[0].output.time === "varying";
  result.output = await joined(keepsTime ? passes.map(({ output }) => output.value) : [passes.at(-1)!.output.value]);
  const seed = uniform(result.output.length, 99);
  for (const { tape, output, from } of passes.toReversed()) {
    const size = keepsTime ? output.value.size / output.value.shape[0] : 0;
    const own = keepsTime ? seed.subarray(from * size, from * size + output.value.size) : tape.carry?.isLast === false ? new Float32Array(seed.length) : seed;
    using given = device.tensor(own, output.value.shape);
    tape.backward(output, given);
  }
  for (const parameter of model.parameters()) {
    result.gradients[parameter.name] = await read(parameter.gradient!);
    parameter.gradient!.dispose();
    parameter.gradient = null;
  }
  for (const { x, carry, tape } of passes) for (const each of [x, carry, tape]) each?.dispose();
  for (const group of groups) expect(group?.waiting() ?? 0).toBe(0);
  return result;
}

async function compare(body: () => LayerLike, options: Options, chunks: number, exactOutput = true): Promise<void> {
  const before = device.bytesInUse;
  const expected = await run(body, options);
  const found = await run(body, options, chunks);
  const where = `${chunks} chunks of ${options.steps} steps`;
  expect(new Set(expected.output).size, where).toBeGreaterThan(1);
  expect(found.spikes, where).toEqual(expected.spikes);
  if (exactOutput) expect(found.output, where).toEqual(expected.output);
  else expect(relativeError(found.output, expected.output), where).toBeLessThan(1e-6);
  expect(Object.keys(found.gradients)).toEqual(Object.keys(expected.gradients));
  for (const [name, gradient] of Object.entries(found.gradients)) {
    expect(expected.gradients[name].some((value) => value !== 0), name).toBe(true);
    expect(relativeError(gradient, expected.gradients[name]), `${where}: ${name}`).toBeLessThan(TOLERANCE);
  }
  expect(device.bytesInUse, "bytes in use").toBe(before);
}

const neurons: Record<string, () => LayerLike> = {
  "lif, hard reset": () => spiking(lif({ decayInput: false, threshold: 0.8, reset: "hard" })),
  "lif, soft reset": () => spiking(lif({ decayInput: false, threshold: 0.8, reset: "soft" })),
  "adaptiveLif with learnt parameters": () => spiking(adaptiveLif, { learn: ["decay", "rho", "beta"], perChannel: ["beta"] }),
  synaptic: () => spiking(synaptic({ alpha: 0.8, beta: 0.9 })),
  parametricLif: () => spiking(parametricLif()),
  "recurrent adaptiveLif": () => recurrent(adaptiveLif),
  "recurrent lif, element by element": () => recurrent(lif({ decayInput: false }), { weights: "elementwise" }),
};

describe("time chunks, one after the other", () => {
  for (const [name, neuron] of Object.entries(neurons)) {
    it(`${name}: spikes of one device, bit for bit, and its gradients`, async () => {
      const body = (): LayerLike => sequential(linear(7, 9), neuron(), linear(9, 5), spiking(leaky({ beta: 0.9, threshold: 0.3 })), rate());
      for (const [steps, chunks] of [[7, 2], [7, 3], [64, 2], [100, 3], [100, 4], [5, 5]]) await compare(body, { steps }, chunks);
    });
  }

  const readouts: Record<string, [() => LayerLike, exact?: boolean]> = {
    rate: [rate], spikeCount: [spikeCount], lastMembrane: [lastMembrane], meanMembrane: [meanMembrane, false], maxMembrane: [maxMembrane], everyStep: [everyStep], membranes: [membranes],
  };
  for (const [name, [readout, exact]] of Object.entries(readouts)) {
    const body = (): LayerLike => sequential(linear(7, 9), spiking(parametricLif()), linear(9, 5), spiking(leaky({ beta: 0.95, threshold: 0.3, reset: "none" })), readout());
    it(`${name}() reads all of time`, async () => {
      for (const [steps, chunks] of [[7, 3], [40, 4]]) await compare(body, { steps }, chunks, exact);
    });
    it(`${name}() reads valid steps alone`, async () => {
      for (const lengths of [[12, 5, 1], [3, 6, 9], [12, 12, 12]]) await compare(body, { steps: 12, lengths }, 4, exact);
    });
  }

  it("a membrane that is largest twice has its gradient at the first time, in whatever chunk", async () => {
    const body = (): LayerLike => sequential(linear(7, 5), spiking(integrateAndFire({ threshold: 1e9 })), maxMembrane());
    await compare(body, { steps: 6, timeConstant: true }, 3);
  });

  it("images that hold at all steps, convolutions, residual sums, norms of each step and dropout", async () => {
    const body = (): LayerLike => sequential(
      conv2d(2, 4, { kernel: 3, padding: 1 }), groupNorm(2, 4), spiking(lif({ decayInput: false, threshold: 0.5 })), residual(conv2d(4, 4, { kernel: 3, padding: 1 }), groupNorm(1, 4), spiking(parametricLif())),
      flatten(), dropout(0.3), linear(144, 5), spiking(leaky({ beta: 0.9, threshold: 0.2 })), spikeCount(),
    );
    for (const timeConstant of [true, false]) await compare(body, { steps: 10, shape: [6, 6, 2], timeConstant }, 3);
  });

  it("spikes that are packed, and pieces that are run again", async () => {
    const body = (): LayerLike => sequential(linear(7, 9), dropout(0.2), spiking(synaptic({ alpha: 0.8, beta: 0.9 })), linear(9, 9), recurrent(adaptiveLif), linear(9, 5), spiking(leaky({ beta: 0.9, threshold: 0.3 })), rate());
    await compare(body, { steps: 40, packSpikes: true }, 3);
    await compare(body, { steps: 40, recompute: true }, 3);
    await compare(() => sequential(recompute(linear(7, 9), spiking(lif({ decayInput: false })), linear(9, 9), spiking(lif({ decayInput: false }))), linear(9, 5), spiking(leaky({ beta: 0.9, threshold: 0.3 })), lastMembrane()), { steps: 40 }, 4);
  });

  it("refuses what sees all of time at once, by name", async () => {
    using model = build(() => sequential(linear(7, 5), batchNorm2d(5), spiking(lif()), rate()), { steps: 4 });
    const [group] = queues(2);
    using tape = new Tape(device, { steps: 2, training: true, carry: new TimeChunk(group, 4) });
    using x = device.zeros([2, 1, 7]);
    expect(() => model.forward(tape, tape.input(x))).toThrow(/1: batchNorm2d\(5\): its statistics are over all time steps/);
  });
});

describe("a trainer in chunks of time", () => {
  const train = (body: () => LayerLike, more: Partial<TrainerOptions> = {}, steps = 6): Trainer => {
    using model = build(body, { steps });
    return new Trainer(model, { optimizer: sgd({ lr: 1 }), group: queues(4)[0], parallel: "time", ...more });
  };
  const plain = (): LayerLike => sequential(linear(7, 5), spiking(lif()), rate());

  it("refuses what cannot be had, by name, when it is made", () => {
    const before = device.bytesInUse;
    expect(() => train(plain, {}, 3)).toThrow(/T = 3 time steps, which cannot be cut into 4 chunks/);
    expect(() => train(() => sequential(linear(7, 5), batchNorm2d(5), spiking(lif()), rate()), { microBatches: 2 })).toThrow(/1: batchNorm2d\(5\) takes statistics of whole batches: microBatches must be 1, is 2/);
    expect(() => train(plain, { microBatches: 3, regularizers: [rateRegularizer({ weight: 1 })] })).toThrow(/rateRegularizer sees the rates of whole batches: microBatches must be 1, is 3/);
    expect(() => train(() => sequential(linear(7, 5), spiking(lif()), rate(), linear(5, 3)))).toThrow(/3: linear\(5, 3\): a network that runs in time chunks must end with its read-out/);
    expect(() => train(plain, { parallel: "data", microBatches: 2 })).toThrow(/microBatches is for parallel: "time"/);
    expect(device.bytesInUse).toBe(before);
  });
});

describe("the chunks of T steps", () => {
  it("cover them, in order, as equal as can be", () => {
    for (const [steps, size] of [[7, 2], [64, 4], [100, 3], [4, 4]]) {
      const chunks = Array.from({ length: size }, (_, rank) => chunkOf(steps, { rank, size }));
      chunks.forEach(({ from }, i) => expect(from).toBe(i === 0 ? 0 : chunks[i - 1].from + chunks[i - 1].count));
      expect(chunks.at(-1)!.from + chunks.at(-1)!.count).toBe(steps);
      const counts = chunks.map(({ count }) => count);
      expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  });
});
