import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/index.ts";
import { lif, parametricLif } from "../../src/neuron/index.ts";
import {
  batchNorm2d, clearGradients, conv2d, dropout, flatten, globalAvgPool2d, lastMembrane, type Layer, type LayerLike, linear, maxPool2d, Model, rate, recompute, Recorder, residual, sequential, spiking, stepwiseForwardBackward, Tape, type Variable,
} from "../../src/nn/index.ts";
import { leaves } from "../../src/nn/model.ts";
import { structureOf } from "../../src/nn/structure.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { openTestDevice, product, read, uniform } from "./helpers.ts";
import { peakOf } from "./peak.ts";

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const neuron = lif({ tau: 2 });
const fire = (): Layer => spiking(neuron);
const convolution = (from: number, to: number, stride = 1): Layer[] => [conv2d(from, to, { kernel: 3, stride, padding: 1, bias: false }), batchNorm2d(to)];
const block = (from: number, to: number, stride: number): Layer[] => [
  residual(...convolution(from, to, stride), fire(), ...convolution(to, to), { shortcut: sequential(conv2d(from, to, { kernel: 1, stride }), batchNorm2d(to)) }), fire(),
];
const sewBlock = (channels: number): Layer[] => [residual(...convolution(channels, channels), fire(), ...convolution(channels, channels), fire())];

interface Network { layers: () => LayerLike[]; shape: number[]; steps: number; batch: number }
const networks: Record<string, Network> = {
  "an MLP with dropout": { layers: () => [linear(30, 100), fire(), dropout(0.3), linear(100, 100), fire(), dropout(0.3), linear(100, 64), spiking(parametricLif()), linear(64, 5), fire(), rate()], shape: [30], steps: 8, batch: 7 },
  "convolutions": { layers: () => [...convolution(2, 8), fire(), maxPool2d(2), ...convolution(8, 8), fire(), maxPool2d(2), flatten(), linear(72, 5), fire(), rate()], shape: [12, 12, 2], steps: 4, batch: 3 },
  "a spiking ResNet": { layers: () => [...convolution(2, 8), fire(), sequential(...block(8, 8, 1), ...block(8, 16, 2)), globalAvgPool2d(), linear(16, 5), rate()], shape: [12, 12, 2], steps: 5, batch: 3 },
  "a SEW-ResNet": { layers: () => [...convolution(2, 8), fire(), ...sewBlock(8), ...sewBlock(8), globalAvgPool2d(), linear(8, 5), rate()], shape: [12, 12, 2], steps: 4, batch: 3 },
  "membranes of many steps": { layers: () => [linear(20, 50), fire(), linear(50, 40), fire(), linear(40, 5), fire(), lastMembrane()], shape: [20], steps: 100, batch: 3 },
};

/** Everything that a training step leaves, as bits: outputs, gradients, running statistics. */
async function step(model: Model, { shape, steps, batch }: Network, { timeConstant = false, requiresGradient = true } = {}): Promise<Record<string, Float32Array>> {
  const { device } = model;
  const inputShape = [timeConstant ? 1 : steps, batch, ...shape];
  using x = device.tensor(uniform(product(inputShape), 3, 0, 2), inputShape);
  using tape = new Tape(device, { steps, training: true, random: new Random(5) });
  const input = tape.input(x, { timeConstant, requiresGradient });
  const output = model.forward(tape, input);
  const left: Record<string, Float32Array> = { output: await read(output.value) };
  using seed = device.tensor(uniform(output.value.size, 4), output.value.shape);
  const [dx] = tape.backward(output, seed, requiresGradient ? [input] : []);
  if (dx) left.input = await read(dx);
  dx?.dispose();
  for (const parameter of model.parameters()) {
    left[parameter.name] = await read(parameter.gradient!);
    parameter.gradient!.dispose();
    parameter.gradient = null;
  }
  for (const { name, value } of model.buffers()) left[name] = await read(value);
  return left;
}

const build = (body: LayerLike, { shape, steps }: Network, options: { recompute?: boolean } = {}): Model => Model.build(body, { device, inputShape: shape, steps, random: new Random(1), ...options });

describe.each(Object.entries(networks))("recomputing %s", (_, network) => {
  it.each([[false, true], [true, true], [false, false]])("changes no gradient and no running statistic by a bit (input constant: %s, asked for its gradient: %s)", async (timeConstant, requiresGradient) => {
    const before = device.bytesInUse;
    {
      using plain = build(sequential(...network.layers()), network);
      using all = build(sequential(...network.layers()), network, { recompute: true });
      const options = { timeConstant, requiresGradient };
      for (let i = 0; i < 2; i++) expect(await step(all, network, options)).toEqual(await step(plain, network, options));
    }
    expect(device.bytesInUse).toBe(before);
  });

  it("evaluates as before, in the same memory", () => {
    using plain = build(sequential(...network.layers()), network);
    using all = build(sequential(...network.layers()), network, { recompute: true });
    expect(all.memory({ batch: 3 }).evaluation).toBe(plain.memory({ batch: 3 }).evaluation);
    expect(structureOf(all, { training: true })).toEqual(structureOf(plain, { training: true }));
  });

  it("takes the memory that is predicted", () => {
    using all = build(sequential(...network.layers()), network, { recompute: true });
    const { shape, steps, batch } = network;
    const weights = [...all.parameters(), ...all.buffers()].reduce((sum, { value }) => sum + 4 * value.size, 0);
    const real = weights + peakOf(device, () => {
      using x = device.tensor(uniform(product(shape) * steps * batch, 3), [steps, batch, ...shape]);
      using tape = new Tape(device, { steps, training: true, random: new Random(5) });
      const output = all.forward(tape, tape.input(x));
      using seed = device.zeros(output.value.shape);
      tape.backward(output, seed);
      for (const parameter of all.parameters()) {
        parameter.gradient!.dispose();
        parameter.gradient = null;
      }
    });
    const { training } = all.memory({ batch });
    expect(training / real).toBeGreaterThanOrEqual(1);
    expect(training / real).toBeLessThan(1.1);
  });
});

const deep = (layers: number): Layer[] => Array.from({ length: layers }, () => [...convolution(8, 8), fire()]).flat();
const first = (): Layer[] => [...convolution(2, 8), fire()];
const last = (): Layer[] => [globalAvgPool2d(), linear(8, 5), rate()];
const deepNetwork = (layers: number): Network => ({ layers: () => [...first(), ...deep(layers), ...last()], shape: [12, 12, 2], steps: 8, batch: 8 });
/** Bytes of an activation of 8 channels as f32. */
const ACTIVATION = 8 * 8 * 12 * 12 * 8 * 4;

describe("recompute: true", () => {
  it("keeps of each piece its input as bits: a layer more takes no more than that and its weights", async () => {
    const memory = [6, 12].map((layers) => {
      using model = build(sequential(...deepNetwork(layers).layers()), deepNetwork(layers), { recompute: true });
      return model.memory({ batch: 8 });
    });
    const kept = memory[1].layers.filter(({ layer }) => layer.includes("conv2d(8")).map(({ tape }) => tape);
    expect(kept.slice(0, -1)).toEqual(Array.from({ length: 11 }, () => ACTIVATION / 32));
    const weights = memory.map(({ layers }) => layers.reduce((sum, { parameters }) => sum + parameters, 0));
    expect(memory[1].training - memory[0].training).toBe(6 * (ACTIVATION / 32) + weights[1] - weights[0]);
    using plain = build(sequential(...deepNetwork(12).layers()), deepNetwork(12));
    expect(plain.memory({ batch: 8 }).training).toBeGreaterThan(24 * ACTIVATION);
    expect(memory[1].training).toBeLessThan(8 * ACTIVATION);
  });

  it("tells recorders and watchers of each layer's spikes once", async () => {
    const network = deepNetwork(2);
    const seen = await Promise.all([false, true].map(async (recomputes) => {
      using model = build(sequential(...network.layers()), network, { recompute: recomputes });
      using recorder = new Recorder({ spikes: true, membrane: "v" });
      const layers: string[] = [];
      using x = device.tensor(uniform(8 * 2 * 288, 3, 0, 2), [8, 2, 12, 12, 2]);
      using tape = new Tape(device, { steps: 8, training: true, recorder, onSpikes: (layer) => layers.push(layer) });
      const output = model.forward(tape, tape.input(x));
      using seed = device.zeros(output.value.shape);
      tape.backward(output, seed);
      return { layers, rates: await recorder.firingRates(), records: await recorder.records() };
    }));
    expect(seen[1]).toEqual(seen[0]);
    expect(seen[0].layers).toHaveLength(3);
  });

  it("leaves networks that run step by step as they are", async () => {
    const network = networks["an MLP with dropout"];
    const gradients = await Promise.all([false, true].map(async (recomputes) => {
      using model = build(sequential(...network.layers()), network, { recompute: recomputes });
      using x = device.tensor(uniform(7 * 30, 3), [1, 7, 30]);
      stepwiseForwardBackward(model, x, (output) => device.tensor(uniform(output.size, 4), output.shape), { random: new Random(2) });
      const found = await Promise.all(model.parameters().map(({ gradient }) => read(gradient!)));
      clearGradients(model.parameters());
      return found;
    }));
    expect(gradients[1]).toEqual(gradients[0]);
  });

  it("adds up the gradients of a layer that is there twice", async () => {
    const network: Network = { layers: () => [], shape: [20], steps: 6, batch: 4 };
    const twice = (): Layer => {
      const [same, neurons] = [linear(20, 20), spiking(parametricLif())];
      return sequential(same, neurons, same, neurons, same, neurons, linear(20, 5), rate());
    };
    using plain = build(twice(), network);
    using all = build(twice(), network, { recompute: true });
    expect(await step(all, network)).toEqual(await step(plain, network));
  });

  it("refuses a body that is a function, and says what there is for it", () => {
    const layer = linear(20, 5);
    expect(() => build((tape, x) => layer.forward(tape, x), networks["membranes of many steps"], { recompute: true })).toThrow(/recompute: true cuts a sequential\(…\) network into pieces, the body is .*: put recompute\(…\) around parts/);
  });

  it("leaves a tape that can be freed when a layer fails in the backward pass", () => {
    const network = deepNetwork(2);
    using model = build(sequential(...network.layers()), network, { recompute: true });
    const before = device.bytesInUse;
    const { conv2d: real } = device.dense;
    {
      using x = device.zeros([8, 2, 12, 12, 2]);
      using tape = new Tape(device, { steps: 8, training: true });
      const output = model.forward(tape, tape.input(x));
      using seed = device.zeros(output.value.shape);
      device.dense.conv2d = () => { throw new Error("full"); };
      try {
        expect(() => tape.backward(output, seed)).toThrow("full");
      } finally {
        device.dense.conv2d = real;
      }
    }
    clearGradients(model.parameters());
    expect(device.bytesInUse).toBe(before);
  });
});

describe("recompute(…)", () => {
  it("is a layer for parts of a network, with the weights and structure of a sequential", async () => {
    const network = deepNetwork(4);
    using plain = build(sequential(...first(), sequential(...deep(4)), ...last()), network);
    const expected = await step(plain, network);
    for (const recomputes of [false, true]) {
      using part = build(sequential(...first(), recompute(...deep(4)), ...last()), network, { recompute: recomputes });
      expect(await step(part, network)).toEqual(expected);
      expect(structureOf(part, { training: true })).toEqual(structureOf(plain, { training: true }));
      expect(leaves(part.body).map(({ name }) => name)).toEqual(leaves(plain.body).map(({ name }) => name));
    }
  });

  it("works in functions, around what others read too", async () => {
    const network: Network = { layers: () => [], shape: [20], steps: 6, batch: 4 };
    const body = (around: (...layers: Layer[]) => Layer) => {
      const [before, around_, after, read_] = [sequential(linear(20, 20), fire()), around(linear(20, 20), fire(), linear(20, 20), fire()), linear(20, 5), rate()];
      return (tape: Tape, x: Variable): Variable => {
        const h = before.forward(tape, x);
        return read_.forward(tape, after.forward(tape, tape.add(h, around_.forward(tape, h))));
      };
    };
    using plain = build(body(sequential), network);
    using part = build(body(recompute), network);
    expect(await step(part, network)).toEqual(await step(plain, network));
  });

  it("hides its neurons' membranes from a read-out", () => {
    expect(() => build(sequential(recompute(linear(20, 5), fire()), lastMembrane()), networks["membranes of many steps"])).toThrow(/must follow one directly/);
  });

  it("may end in anything", async () => {
    const network: Network = { layers: () => [], shape: [20], steps: 6, batch: 4 };
    const [plain, part] = [sequential, recompute].map((around) => build(sequential(around(linear(20, 20), fire(), linear(20, 5)), rate()), network));
    expect(await step(part, network)).toEqual(await step(plain, network));
    for (const model of [plain, part]) model.dispose();
  });
});

describeOnStandIn("recomputing on cuda", () => {
  let cuda: Device;
  beforeAll(async () => {
    cuda = await openCuda();
  });
  afterAll(() => cuda.dispose());

  it.each(["an MLP with dropout", "a spiking ResNet", "a SEW-ResNet"].flatMap((name) => (["float32", "bfloat16"] as const).map((precision) => [name, precision] as const)))("%s changes nothing by a bit in %s", async (name, precision) => {
    const { layers, shape, steps } = networks[name];
    const before = cuda.bytesInUse;
    {
      const [plain, all] = [false, true].map((recomputes) => Model.build(sequential(...layers()), { device: cuda, inputShape: shape, steps, random: new Random(1), precision, recompute: recomputes }));
      expect(await step(all, networks[name])).toEqual(await step(plain, networks[name]));
      for (const model of [plain, all]) model.dispose();
    }
    expect(cuda.bytesInUse).toBe(before);
  });
});
