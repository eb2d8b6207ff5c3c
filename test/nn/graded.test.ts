import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/index.ts";
import { integerLif, leakyIntegrator, liaf, lif, type Neuron, refractoryLif, tanh } from "../../src/neuron/index.ts";
import { isBinary } from "../../src/neuron/firing.ts";
import { batchNorm2d, lastMembrane, type LayerLike, linear, Model, rate, Recorder, sequential, spiking, Tape } from "../../src/nn/index.ts";
import { openTestDevice, read, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => {
  device = await openTestDevice();
});
afterAll(() => device.dispose());

const [steps, batch] = [6, 3];
const graded: [string, Neuron][] = [["integerLif", integerLif({ threshold: 0.2 })], ["liaf", liaf({ activation: tanh })], ["leakyIntegrator", leakyIntegrator()]];
const build = (layers: LayerLike[], options: { recompute?: boolean; packSpikes?: boolean } = {}): Model => Model.build(sequential(...layers), { device, inputShape: [10], steps, random: new Random(1), ...options });
const network = (neuron: Neuron): LayerLike[] => [linear(10, 16), spiking(neuron), linear(16, 8), batchNorm2d(8), spiking(neuron), linear(8, 4), spiking(neuron), rate()];

async function step(model: Model): Promise<Float32Array[]> {
  using x = device.tensor(uniform(steps * batch * 10, 3, 0, 4), [steps, batch, 10]);
  using tape = new Tape(device, { steps, training: true, random: new Random(5) });
  const input = tape.input(x, { requiresGradient: true });
  const output = model.forward(tape, input);
  const value = await read(output.value);
  tape.backward(output, device.tensor(uniform(output.value.size, 7, -1, 1), output.value.shape));
  return [value, ...(await Promise.all(model.parameters().map(({ gradient }) => read(gradient!))))];
}

describe("outputs that are no spikes", () => {
  it.each(graded)("are the same where spikes are kept as bits: %s", async (_, neuron) => {
    const plain = await step(build(network(neuron)));
    expect(new Set(plain[1].map(Math.sign)).size).toBeGreaterThan(1);
    for (const options of [{ recompute: true }, { packSpikes: true }]) expect(await step(build(network(neuron), options))).toEqual(plain);
  });

  it("are told from spikes", () => {
    for (const [, neuron] of graded) expect(isBinary(neuron.next.spike)).toBe(false);
    for (const neuron of [lif(), refractoryLif()]) expect(isBinary(neuron.next.spike)).toBe(true);
  });

  it("are not taken for activity while a training watches itself", () => {
    using x = device.tensor(uniform(steps * batch * 10, 3, 0, 4), [steps, batch, 10]);
    const seen: string[] = [];
    using tape = new Tape(device, { steps, training: false, onSpikes: (layer) => seen.push(layer) });
    build([linear(10, 16), spiking(integerLif()), linear(16, 8), spiking(lif()), linear(8, 4), spiking(leakyIntegrator()), rate()]).forward(tape, tape.input(x));
    expect(seen).toEqual(["3: spiking(lif)"]);
  });

  it("of an integrator, which never fires, have no threshold in a record", async () => {
    using x = device.tensor(uniform(steps * batch * 10, 3, 0, 4), [steps, batch, 10]);
    using recorder = new Recorder({ spikes: true, firing: true, membrane: "v" });
    using tape = new Tape(device, { steps, training: false, recorder });
    build([linear(10, 4), spiking(liaf()), linear(4, 4), spiking(leakyIntegrator()), lastMembrane()]).forward(tape, tape.input(x));
    const [first, second] = await recorder.records();
    expect(first.firing!.threshold[0]).toBe(1);
    expect(second.firing).toBeUndefined();
    expect(second.membrane).toEqual(second.spikes);
  });
});
