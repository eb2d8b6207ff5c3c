import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/device.ts";
import { defineNeuron, leaky, lif, type Neuron, parametricLif, spike, surrogate } from "../../src/neuron/index.ts";
import { avgPool2d, batchNorm2d, conv2d, flatten, lastMembrane, type LayerLike, linear, meanMembrane, rate, Recorder, type RecorderOptions, residual, sequential, spiking, Tape } from "../../src/nn/index.ts";
import { buildModel, openTestDevice, read, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const [steps, batch] = [12, 3];
const adaptive = defineNeuron({
  name: "adaptive", state: { v: 0, a: 0 }, params: { beta: 0.5, threshold: 0.6 },
  step({ v, a }, { x }, { beta, threshold }) {
    const h = v.mul(0.8).add(x);
    const s = spike(h.sub(a.mul(beta)).sub(threshold), surrogate.atan());
    return { spike: s, v: h.sub(s), a: a.mul(0.9).add(s) };
  },
});

async function record(body: LayerLike, options: RecorderOptions, { training = false, passes = 1 } = {}) {
  using model = buildModel(body, device, [5], steps);
  const before = device.bytesInUse;
  const recorder = new Recorder(options);
  let output: Float32Array = new Float32Array();
  for (let pass = 0; pass < passes; pass++) {
    using x = device.tensor(uniform(batch * 5, 3 + pass, 0, 3), [1, batch, 5]);
    using tape = new Tape(device, { steps, training, recorder });
    const y = model.forward(tape, tape.input(x, { timeConstant: true }));
    output = await read(y.value);
    if (!training) continue;
    using seed = device.tensor(new Float32Array(output.length).fill(1), y.value.shape);
    tape.backward(y, seed);
  }
  const found = { output, records: await recorder.records(), rates: await recorder.firingRates(), neuronRates: await recorder.neuronRates() };
  recorder.dispose();
  if (!training) expect(device.bytesInUse).toBe(before);
  return found;
}

describe("a recorder of what decides spikes", () => {
  const network = (neuron: Neuron, options = {}) => sequential(linear(5, 8), spiking(neuron, options), linear(8, 4), spiking(neuron, options), rate());

  it.each<[string, LayerLike, number]>([
    ["lif", network(lif({ threshold: 0.4 })), 0.4],
    ["behind batch norm and a residual addition", sequential(linear(5, 4), batchNorm2d(4), spiking(lif({ threshold: 0.4 })), residual(linear(4, 4)), spiking(lif({ threshold: 0.4 })), rate()), 0.4],
    ["before a membrane at the end", sequential(flatten(), linear(5, 8), spiking(lif({ threshold: 0.4 })), linear(8, 3), spiking(lif({ threshold: 0.4 })), lastMembrane()), 0.4],
    ["before a mean membrane", sequential(flatten(), linear(5, 8), spiking(lif({ threshold: 0.4 })), linear(8, 3), spiking(lif({ threshold: 0.4 })), meanMembrane()), 0.4],
    ["with a learnt time constant", network(parametricLif({ threshold: 0.4 })), 0.4],
  ])("keeps the membrane before its reset, and the threshold: %s", async (_, body, threshold) => {
    const { records } = await record(body, { spikes: true, membrane: "v", firing: true });
    for (const { spikes, membrane, firing, shape } of records) {
      expect(firing!.isMembrane).toBe(true);
      expect(firing!.potential).toHaveLength(steps * batch * shape[0]);
      expect(new Set(firing!.threshold)).toEqual(new Set([Math.fround(threshold)]));
      spikes.forEach((s, i) => {
        expect(s).toBe(Number(firing!.potential[i] >= firing!.threshold[i]));
        expect(membrane![i]).toBe(s === 1 ? 0 : firing!.potential[i]);
      });
    }
    expect(records[0].spikes).toContain(1);
  });

  it("keeps a threshold that is learnt per channel, and one that adapts", async () => {
    const { records: [first] } = await record(sequential(linear(5, 8), spiking(leaky({ threshold: 0.5, learnable: ["threshold"] }), { perChannel: ["threshold"] }), rate()), { spikes: true, firing: true });
    expect(new Set(first.firing!.threshold)).toEqual(new Set([0.5]));
    first.spikes.forEach((s, i) => expect(s).toBe(Number(first.firing!.potential[i] > 0.5)));
    expect(first.membrane).toBeUndefined();

    const { records: [second] } = await record(sequential(linear(5, 8), spiking(adaptive), rate()), { spikes: true, membrane: "v", firing: true });
    const { potential, threshold } = second.firing!;
    expect(Math.min(...threshold)).toBe(Math.fround(0.6));
    expect(Math.max(...threshold)).toBeGreaterThan(1);
    second.spikes.forEach((s, i) => expect(second.membrane![i]).toBe(Math.fround(potential[i] - s)));
  });

  it("changes neither the output nor the gradients", async () => {
    const weights = async (options: RecorderOptions) => {
      using model = buildModel(network(adaptive, { learn: ["beta"] }), device, [5], steps);
      using recorder = new Recorder(options);
      using x = device.tensor(uniform(batch * 5, 3, 0, 3), [1, batch, 5]);
      using tape = new Tape(device, { steps, training: true, recorder });
      const y = model.forward(tape, tape.input(x, { timeConstant: true }));
      const output = await read(y.value);
      using seed = device.tensor(new Float32Array(output.length).fill(1), y.value.shape);
      tape.backward(y, seed);
      return [output, ...(await Promise.all(model.parameters().map(({ gradient }) => read(gradient!))))];
    };
    expect(await weights({ spikes: true, membrane: "v", firing: true, perNeuron: true })).toEqual(await weights({}));
  });
});

describe("a recorder of each neuron's rate", () => {
  it("counts over steps, samples and passes", async () => {
    const passes = 3;
    const { records, neuronRates, rates } = await record(sequential(linear(5, 8), spiking(adaptive), linear(8, 4), spiking(adaptive), rate()), { spikes: true, perNeuron: true }, { passes });
    expect(neuronRates.map(({ layer, shape }) => [layer, shape])).toEqual([["1: spiking(adaptive)", [8]], ["3: spiking(adaptive)", [4]]]);
    neuronRates.forEach(({ layer, rates: ofNeurons }, i) => {
      const own = records.filter((each) => each.layer === layer);
      expect(own).toHaveLength(passes);
      ofNeurons.forEach((found, neuron) => {
        const count = own.reduce((sum, { spikes }) => sum + spikes.filter((s, at) => at % ofNeurons.length === neuron && s === 1).length, 0);
        expect(found).toBe(Math.fround(count / (passes * steps * batch)));
      });
      expect(ofNeurons.reduce((a, b) => a + b) / ofNeurons.length).toBeCloseTo(rates[i].rate, 6);
    });
  });

  it("does not unless asked", async () => {
    expect((await record(sequential(linear(5, 8), spiking(adaptive), rate()), {})).neuronRates).toEqual([]);
  });
});

it("a recorder of operations sees convolutions, bf16 or not, and the values that are no spikes", async () => {
  using model = buildModel(sequential(conv2d(2, 3, { kernel: 3, padding: 1 }), spiking(lif({ threshold: 0.2 })), avgPool2d(2), flatten(), linear(12, 4), rate()), device, [4, 4, 2], 5);
  const input = uniform(5 * 2 * 32, 8).map((value) => (value > 0.4 ? 1 : 0));
  using x = device.tensor(input, [5, 2, 4, 4, 2]);
  using recorder = new Recorder({ operations: true });
  using tape = new Tape(device, { steps: 5, training: false, recorder });
  model.forward(tape, tape.input(x));
  const [first, second] = await recorder.synapticOperations();
  const nonzero = input.reduce((sum, value) => sum + value, 0);
  expect(first).toEqual({ layer: "0: conv2d(2, 3, 3×3, padding 1×1)", macs: 16 * 3 * 9 * 2, density: nonzero / input.length, operations: (16 * 3 * 9 * nonzero) / 16 / 2, additions: true });
  expect(second).toMatchObject({ macs: 48, additions: false });
  expect(second.density).toBeGreaterThan(0);
});
