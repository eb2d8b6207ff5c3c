import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import { encodeModel, leaky, lif, restoreModel, surrogate } from "../../src/index.ts";
import { batchNorm2d, conv2d, flatten, lastMembrane, linear, type Model, rate, recurrent, sequential, spiking } from "../../src/nn/index.ts";
import { structureOf } from "../../src/nn/structure.ts";
import { buildModel, openTestDevice, pass, product, read, relativeError, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const steps = 7;
const neuron = leaky({ threshold: 0.3, surrogate: surrogate.atan() });
const learnable = leaky({ threshold: 0.3, surrogate: surrogate.atan(), learnable: ["beta"] });
const image = [4, 3, 2];
const size = product(image);
const beta = uniform(size, 1, 0.4, 0.95);

async function outcome(model: Model, shape: number[] = image) {
  const result = await pass(model, { steps, shape, input: uniform(steps * 2 * product(shape), 3, -0.5, 2) });
  expect(new Set(result.output).size).toBeGreaterThan(3);
  return result;
}

describe("parameters that are fixed and differ", () => {
  it("from channel to channel: compute what learnt ones of the same values do, and are not learnt", async () => {
    using fixed = buildModel(sequential(spiking(neuron, { fixed: { beta: beta.slice(0, 2) } }), rate()), device, image, steps);
    using learnt = buildModel(sequential(spiking(learnable, { perChannel: ["beta"] }), rate()), device, image, steps);
    device.write(learnt.parameters()[0].value, beta.slice(0, 2));
    const [one, other] = [await outcome(fixed), await outcome(learnt)];
    expect(one.output).toEqual(other.output);
    expect(one.input).toEqual(other.input);
    expect(fixed.parameters()).toEqual([]);
    expect(await Promise.all(fixed.buffers().map(async ({ name, value }) => [name, [...await read(value)]]))).toEqual([["0.beta", Array.from(beta.slice(0, 2))]]);
  });

  it("from neuron to neuron: compute what a flattened layer does", async () => {
    using whole = buildModel(sequential(spiking(neuron, { fixed: { beta, threshold: uniform(2, 5, 0.2, 0.4) } }), flatten(), rate()), device, image, steps);
    using flat = buildModel(sequential(flatten(), spiking(neuron, { fixed: { beta, threshold: Float32Array.from({ length: size }, (_, n) => uniform(2, 5, 0.2, 0.4)[n % 2]) } }), rate()), device, image, steps);
    const [one, other] = [await outcome(whole), await outcome(flat)];
    expect(one.output).toEqual(other.output);
    expect(one.input).toEqual(other.input);
  });

  it("stand after a batch norm, which is then computed before, and in a recurrent layer", async () => {
    using model = buildModel(sequential(conv2d(2, 2, { kernel: 1 }), batchNorm2d(2), spiking(neuron, { fixed: { beta } }), flatten(), linear(size, 5), recurrent(neuron, { fixed: { beta: beta.slice(0, 5) } }), lastMembrane()), device, image, steps);
    using learnt = buildModel(sequential(conv2d(2, 2, { kernel: 1 }), batchNorm2d(2), flatten(), spiking(learnable, { perChannel: ["beta"] }), linear(size, 5), recurrent(learnable, { perChannel: ["beta"] }), lastMembrane()), device, image, steps);
    const named = new Map(model.parameters().map(({ name, value }) => [name, value]));
    for (const { name, value } of learnt.parameters()) {
      const same = named.get(name.replace(/^3/, "2"));
      device.write(value, same ? await read(same) : name.startsWith("3") ? beta : beta.slice(0, 5));
    }
    const [one, other] = [await outcome(model), await outcome(learnt)];
    expect(relativeError(one.output, other.output)).toBeLessThan(1e-5);
    for (const [name, gradient] of Object.entries(one.parameters)) expect([name, relativeError(gradient, other.parameters[name]) < 1e-4]).toEqual([name, true]);
  });

  it("are saved with the model, and part of what it computes", async () => {
    const build = (values: Float32Array): Model => buildModel(sequential(spiking(neuron, { fixed: { beta: values } }), rate()), device, image, steps);
    using model = build(beta);
    using other = build(uniform(size, 9, 0.4, 0.95));
    restoreModel(other, await encodeModel(model), "model");
    expect((await outcome(other)).output).toEqual((await outcome(model)).output);
    expect(structureOf(model, { training: false }).join("\n")).toContain('fixed ["beta"]');
  });

  it("are refused in words where they do not fit", () => {
    const build = (options: Parameters<typeof spiking<typeof learnable>>[1]) => () => buildModel(sequential(spiking(learnable, options), rate()), device, image, steps);
    expect(build({ fixed: { beta } })).toThrow(/beta is not among the neuron's parameters that are not learnt/);
    expect(build({ fixed: { threshold: beta.slice(0, 3) } })).toThrow(/fixed\.threshold has 3 values: expected one for each of 2 channels, or of 24 neurons/);
    expect(build({ fixed: { threshold: beta }, perChannel: ["beta"] })).toThrow(/cannot be had together/);
    expect(build({ fixed: { threshold: Float32Array.of(1, NaN) } })).toThrow(/fixed is an object \{ threshold \}: expected an object of Float32Arrays/);
    expect(() => spiking(lif(), { fixed: { tau: Float32Array.of(1) } as never })).toThrow(/tau is not among/);
  });
});
