import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { type Device, openDevice } from "../../src/device/index.ts";
import { lif, surrogate, synaptic } from "../../src/neuron/index.ts";
import { clearGradients, lastMembrane, type LayerLike, linear, Model, rate, recurrent, residual, sequential, Tape } from "../../src/nn/index.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { hasWebgpu, needsWebgpu } from "../webgpu.ts";
import { buildModel, openTestDevice, pass, relativeError, uniform } from "./helpers.ts";
import { peakOf } from "./peak.ts";

const [steps, batch, inputs] = [40, 5, 7];
const neuron = lif({ threshold: 0.3, surrogate: surrogate.atan() });
const current = synaptic({ threshold: 0.4, surrogate: surrogate.atan() });

const networks: [string, () => LayerLike][] = [
  ["dense", () => sequential(linear(inputs, 33), recurrent(neuron), linear(33, 5), rate())],
  ["dense, of 300 neurons, whose input is that of a residual", () => sequential(linear(inputs, 300), recurrent(neuron), residual(linear(300, 300)), recurrent(current, { bias: false }), rate())],
  ["dense, before a membrane", () => sequential(linear(inputs, 40), recurrent(current), lastMembrane())],
  ["elementwise", () => sequential(linear(inputs, 9), recurrent(current, { weights: "elementwise", learn: ["alpha"] }), rate())],
];

function suite(open: () => Promise<Device>): void {
  let [device, cpu]: Device[] = [];
  beforeAll(async () => void ([device, cpu] = await Promise.all([open(), openTestDevice()])));
  afterAll(() => Promise.all([device.dispose(), cpu.dispose()]));

  it.each(networks)("%s: gives what the cpu gives", async (_, body) => {
    const shape = [inputs];
    const input = uniform(steps * batch * inputs, 2, 0, 2);
    using expected = buildModel(body(), cpu, shape, steps);
    using model = buildModel(body(), device, shape, steps);
    const [a, b] = [await pass(model, { steps, shape, batch, input }), await pass(expected, { steps, shape, batch, input })];
    expect(b.output.some((y) => y !== 0)).toBe(true);
    expect(relativeError(a.output, b.output)).toBeLessThan(1e-5);
    expect(relativeError(a.input, b.input)).toBeLessThan(1e-4);
    for (const [name, gradient] of Object.entries(b.parameters)) expect([name, relativeError(a.parameters[name], gradient) < 1e-4]).toEqual([name, true]);
  });

  it("takes the memory that is planned", () => {
    const samples = 64;
    const before = device.bytesInUse;
    using model = buildModel(sequential(linear(inputs, 128), recurrent(neuron), rate()), device, [inputs], steps);
    const weights = device.bytesInUse - before;
    const real = weights + peakOf(device, () => {
      using x = device.zeros([steps, samples, inputs]);
      using tape = new Tape(device, { steps, training: true });
      const y = model.forward(tape, tape.input(x));
      using seed = device.zeros(y.value.shape);
      tape.backward(y, seed);
      tape.dispose();
      clearGradients(model.parameters());
    });
    const planned = model.memory({ batch: samples }).training / real;
    expect(planned).toBeGreaterThanOrEqual(1);
    // The libraries of cuda are planned with all the workspace that they may take.
    expect(planned).toBeLessThan(device.name === "webgpu" ? 1.1 : Infinity);
  });

  it("streams the bits of one long run", async () => {
    const input = uniform(steps * inputs, 3, 0, 2);
    using model = Model.build(networks[2][1](), { device, inputShape: [inputs], steps, random: new Random(4) });
    using stream = model.stream();
    const whole = await stream.step(input);
    stream.reset();
    await stream.step(input.subarray(0, 17 * inputs));
    expect(await stream.step(input.subarray(17 * inputs))).toEqual(whole);
  });
}

describe.skipIf(!hasWebgpu)(needsWebgpu("recurrent layers on webgpu"), () => suite(() => openDevice("webgpu")));
describeOnStandIn("recurrent layers on cuda", () => suite(openCuda));
