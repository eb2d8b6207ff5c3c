import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/index.ts";
import { defineNeuron, lif, NeuronError, OptionError, parametricLif, ShapeError, spike, surrogate, synaptic } from "../../src/index.ts";
import {
  clearGradients, conv2d, flatten, lastMembrane, type LayerLike, linear, meanMembrane, Model, rate, recompute, recurrent, residual, sequential, spiking, stepwiseForwardBackward, Tape,
} from "../../src/nn/index.ts";
import { buildModel, openTestDevice, pass, product, read, relativeError, uniform } from "./helpers.ts";
import { peakOf } from "./peak.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const [steps, batch] = [6, 3];
const atan = surrogate.atan();
const neuron = lif({ threshold: 0.3, surrogate: atan });
const current = synaptic({ surrogate: atan, threshold: 0.4 });
const graded = defineNeuron({
  name: "graded", state: { v: 0 },
  step({ v }, { x }) {
    const h = v.mul(0.5).add(x);
    const s = spike(h.sub(0.3), atan);
    return { spike: s.mul(h), v: h.sub(s) };
  },
});

const networks: [string, () => LayerLike, number[]][] = [
  ["dense", () => sequential(linear(7, 12), recurrent(neuron), linear(12, 5), rate()), [7]],
  ["dense, without bias, of parameters that are learnt", () => sequential(linear(7, 9), recurrent(parametricLif({ threshold: 0.3, surrogate: atan } as never), { bias: false }), rate()), [7]],
  ["dense, spikes that are graded", () => sequential(linear(7, 9), recurrent(graded), rate()), [7]],
  ["elementwise", () => sequential(linear(7, 9), recurrent(current, { weights: "elementwise", learn: ["alpha", "beta"], perChannel: ["beta"] }), rate()), [7]],
  ["elementwise over channels, after a residual", () => sequential(
    conv2d(2, 4, { kernel: 3, padding: 1 }), spiking(neuron), residual(conv2d(4, 4, { kernel: 3, padding: 1 })), recurrent(neuron, { weights: "elementwise" }), flatten(), linear(4 * 9, 3), rate(),
  ), [3, 3, 2]],
  ["dense, two in a row and a residual before", () => sequential(linear(7, 8), recurrent(neuron), residual(linear(8, 8)), recurrent(neuron), rate()), [7]],
  ["dense, before a last membrane", () => sequential(linear(7, 8), recurrent(neuron), lastMembrane()), [7]],
  ["dense, before a mean membrane", () => sequential(linear(7, 8), recurrent(current), meanMembrane("v")), [7]],
];

describe("a recurrent layer", () => {
  it.each(networks)("%s: all steps at once give what step by step gives", async (_, body, shape) => {
    using model = buildModel(body(), device, shape, steps);
    const input = uniform(steps * batch * product(shape), 2, 0, 2);
    const fused = await pass(model, { steps, shape, batch, input });
    const before = device.bytesInUse;
    const rows = Array.from({ length: steps }, (__, t) => device.tensor(input.slice((t * input.length) / steps, ((t + 1) * input.length) / steps), [1, batch, ...shape]));
    let output: Promise<Float32Array>;
    stepwiseForwardBackward(model, rows, (y) => {
      output = read(y);
      return device.tensor(uniform(y.size, 99), y.shape);
    });
    expect(relativeError(await output!, fused.output)).toBeLessThan(1e-5);
    expect(fused.output.some((y) => y !== 0)).toBe(true);
    for (const { name, gradient } of model.parameters()) {
      expect([name, relativeError(await read(gradient!), fused.parameters[name]) < 1e-4]).toEqual([name, true]);
      expect(fused.parameters[name].some((g) => g !== 0)).toBe(true);
    }
    clearGradients(model.parameters());
    rows.forEach((x) => x.dispose());
    expect(device.bytesInUse).toBe(before);
  });

  it.each(networks.filter(([name]) => !name.includes("two in a row")))("%s: takes the memory that is planned", (_, body, shape) => {
    const [long, samples] = [70, 16];
    const before = device.bytesInUse;
    using model = buildModel(body(), device, shape, long);
    const weights = device.bytesInUse - before;
    const planned = model.memory({ batch: samples });
    for (const phase of ["training", "evaluation"] as const) {
      const training = phase === "training";
      const real = weights + peakOf(device, () => {
        using x = device.tensor(uniform(long * samples * product(shape), 2, 0, 2), [long, samples, ...shape]);
        using tape = new Tape(device, { steps: long, training });
        const y = model.forward(tape, tape.input(x));
        using seed = device.tensor(uniform(y.value.size, 4), y.value.shape);
        if (training) tape.backward(y, seed);
        tape.dispose();
        clearGradients(model.parameters());
      });
      expect(planned[phase] / real, phase).toBeGreaterThanOrEqual(1);
      // Workspaces of products as small as these are planned for the wider of two kinds.
      expect(planned[phase] / real, phase).toBeLessThan(1.5);
    }
  });

  it("learns the same to the bit with spikes kept as bits, and when a part is run again", async () => {
    const body = (again: boolean) => (again ? sequential(recompute(linear(7, 12), recurrent(neuron)), linear(12, 5), rate()) : networks[0][1]());
    const gradients = async (again: boolean, packSpikes: boolean): Promise<Float32Array[]> => {
      using model = Model.build(body(again), { device, inputShape: [7], steps, random: new Random(1), packSpikes });
      return Object.values((await pass(model, { steps, shape: [7], batch, input: uniform(steps * batch * 7, 2, 0, 2) })).parameters);
    };
    const plain = await gradients(false, false);
    expect(await gradients(false, true)).toEqual(plain);
    expect((await gradients(true, false)).map(({ length }) => length)).toEqual(plain.map(({ length }) => length));
  });

  it("begins as PyTorch's linear layers do, with weight [H, H] and bias [H]; elementwise with a weight for each channel", async () => {
    using model = buildModel(sequential(linear(7, 64), recurrent(neuron), linear(64, 9), recurrent(neuron, { weights: "elementwise", init: 0.5 }), rate()), device, [7], steps);
    const own = model.parameters().filter(({ name }) => /^[13]\./.test(name));
    expect(own.map(({ name, value }) => [name, value.shape])).toEqual([["1.weight", [64, 64]], ["1.bias", [64]], ["3.weight", [9]], ["3.bias", [9]]]);
    const weight = await read(own[0].value);
    expect(Math.max(...weight.map(Math.abs))).toBeLessThanOrEqual(1 / 8);
    expect(Math.max(...weight.map(Math.abs))).toBeGreaterThan(0.12);
    expect([...await read(own[3].value)]).toEqual(Array(9).fill(0));
  });

  it("refuses what does not fit", () => {
    const weighted = defineNeuron({ name: "weighted", state: { v: 0 }, params: { weight: 1 }, learnable: ["weight"], step: ({ v }, { x }, { weight }) => ({ spike: spike(v.sub(1), atan), v: v.add(x.mul(weight)) }) });
    const two = defineNeuron({ name: "two", state: {}, inputs: ["x", "y"], step: (_, { x, y }) => ({ spike: spike(x.sub(y), atan) }) });
    expect(() => recurrent(weighted)).toThrow(NeuronError);
    expect(recurrent(weighted, { learn: false }).kind).toBe("recurrent");
    expect(() => recurrent(two)).toThrow(/recurrent\(two\): a layer gives its neurons one input/);
    expect(() => recurrent(neuron, { weights: "sparse" as never })).toThrow(OptionError);
    expect(() => recurrent(neuron, { learn: ["tua"] as never })).toThrow(/recurrent\(lif\): tua is not among/);
    expect(() => buildModel(sequential(conv2d(2, 4, { kernel: 3, padding: 1 }), recurrent(neuron)), device, [3, 3, 2], steps)).toThrow(ShapeError);
    expect(() => buildModel(sequential(linear(7, 4), recurrent(neuron), lastMembrane("previous")), device, [7], steps)).toThrow(/no state previous/);
  });
});
