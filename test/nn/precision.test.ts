import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device, Precision } from "../../src/device/index.ts";
import { openDevice } from "../../src/device/index.ts";
import { DeviceError } from "../../src/errors.ts";
import { lif, parametricLif } from "../../src/neuron/index.ts";
import {
  avgPool2d, batchNorm2d, clearGradients, conv2d, dropout, flatten, globalAvgPool2d, groupNorm, type LayerLike, linear, maxPool2d, meanMembrane, Model, rate, Recorder, residual, sequential, spiking, tebn,
  stepwiseForwardBackward, Tape,
} from "../../src/nn/index.ts";
import { describeOnStandIn, openCuda } from "../device/cuda/standIn.ts";
import { sample } from "../sample.ts";
import { pass, relativeError, uniform } from "./helpers.ts";

const [steps, batch, shape] = [4, 3, [8, 8, 3]] as const;
const neuron = () => lif({ tau: 2, decayInput: false, threshold: 0.2 });

const networks: Record<string, () => LayerLike> = {
  "linear layers": () => sequential(flatten(), linear(192, 64), spiking(neuron()), dropout(0.2), linear(64, 32), spiking(parametricLif()), linear(32, 5), rate()),
  "convolutions with batch norm, pooled": () => sequential(
    conv2d(3, 8, { kernel: 3, padding: 1, bias: false }), batchNorm2d(8), spiking(neuron()), maxPool2d(2),
    conv2d(8, 16, { kernel: 3, padding: 1, bias: false }), batchNorm2d(16), spiking(neuron()), avgPool2d(2), flatten(), linear(64, 5), spiking(neuron()), meanMembrane(),
  ),
  "a residual block, added after the neurons": () => sequential(
    conv2d(3, 8, { kernel: 3, padding: 1 }), spiking(neuron()),
    residual(conv2d(8, 8, { kernel: 3, padding: 1, bias: false }), batchNorm2d(8), spiking(neuron()), { shortcut: sequential(conv2d(8, 8, { kernel: 1, bias: false }), batchNorm2d(8), spiking(neuron())) }),
    conv2d(8, 8, { kernel: 3, stride: 2, padding: 1, bias: false }), batchNorm2d(8), spiking(neuron()), globalAvgPool2d(), linear(8, 5), rate(),
  ),
  "a residual block, added before the neurons": () => sequential(
    conv2d(3, 8, { kernel: 3, padding: 1 }), spiking(neuron()), residual(conv2d(8, 8, { kernel: 3, padding: 1, bias: false }), batchNorm2d(8)), spiking(neuron()), globalAvgPool2d(), linear(8, 5), rate(),
  ),
};

describeOnStandIn("a network on cuda", () => {
  let cuda: Device;
  let cpu: Device;
  beforeAll(async () => [cuda, cpu] = await Promise.all([openCuda(), openDevice("cpu", { threads: 1, portable: true })]));
  afterAll(() => Promise.all([cuda.dispose(), cpu.dispose()]));

  const build = (body: LayerLike, device: Device, precision?: Precision): Model =>
    Model.build(body, { device, inputShape: shape, steps, random: new Random(3), precision });

  const cases = Object.entries(networks).flatMap(([name, body]) => [true, false].map((timeConstant) => ({ name, body, timeConstant })));
  for (const { name, body, timeConstant } of sample(cases, 3)) {
    const input = uniform((timeConstant ? 1 : steps) * batch * 192, 7, 0, 1);
    const run = async (device: Device, precision?: Precision) => {
      using model = build(body(), device, precision);
      return await pass(model, { steps, shape, batch, input, timeConstant });
    };
    const what = `${name}, the input ${timeConstant ? "constant" : "varying"}`;

    it(`of ${what}, gives the cpu's outputs and gradients`, async () => {
      const [ours, theirs] = [await run(cuda), await run(cpu)];
      expect(relativeError(ours.output, theirs.output)).toBeLessThan(1e-5);
      expect(relativeError(ours.input, theirs.input)).toBeLessThan(1e-5);
      for (const [parameter, gradient] of Object.entries(theirs.parameters)) expect(relativeError(ours.parameters[parameter], gradient, 1e-4), parameter).toBeLessThan(1e-5);
    });

    it(`of ${what}, stays near that in tf32 and bfloat16, and leaves nothing behind`, async () => {
      const before = cuda.bytesInUse;
      const exact = await run(cuda);
      for (const precision of ["tf32", "bfloat16"] as const) {
        const rounded = await run(cuda, precision);
        // A spike of 4 steps that flips moves a rate by a quarter; the mean over neurons hides most of it.
        expect(relativeError(rounded.output, exact.output), precision).toBeLessThan(0.5);
        expect(rounded.output, precision).not.toEqual(new Float32Array(rounded.output.length));
        for (const gradient of Object.values(rounded.parameters)) expect(gradient.every(Number.isFinite)).toBe(true);
      }
      expect(cuda.bytesInUse).toBe(before);
    });
  }

  /** Of one spiking layer, so that no spike that flips can reach another. */
  const shallow: Record<string, () => LayerLike> = {
    "a linear layer": () => sequential(flatten(), linear(192, 40), spiking(neuron()), meanMembrane()),
    "a convolution with batch norm": () => sequential(conv2d(3, 32, { kernel: 3, padding: 1, bias: false }), batchNorm2d(32), spiking(neuron()), globalAvgPool2d(), linear(32, 5), rate()),
    "convolutions in groups, dilated, with a group norm": () => sequential(conv2d(3, 36, { kernel: 3, padding: 1, groups: 3 }), conv2d(36, 32, { kernel: 3, padding: 2, dilation: 2, groups: 4 }), groupNorm(4, 32), spiking(neuron()), globalAvgPool2d(), linear(32, 5), rate()),
    "a temporal effective batch norm": () => sequential(conv2d(3, 32, { kernel: 3, padding: 1, bias: false }), tebn(steps, 32), spiking(neuron()), globalAvgPool2d(), linear(32, 5), rate()),
    "a convolution, pooled": () => sequential(conv2d(3, 32, { kernel: 3, stride: 2, padding: 1 }), spiking(neuron()), avgPool2d(2), flatten(), linear(128, 5), rate()),
  };

  it.each(Object.entries(shallow))("of %s, in bfloat16, has outputs and gradients within 3 % of float32's, root mean square", async (_, body) => {
    const input = uniform(steps * batch * 192, 7, 0, 1);
    const run = async (precision: Precision) => {
      using model = build(body(), cuda, precision);
      return await pass(model, { steps, shape, batch, input, seedOf: (y) => uniform(y.length, 99, 0.5, 1.5) });
    };
    const [rounded, exact] = [await run("bfloat16"), await run("float32")];
    const norm = (x: Float32Array): number => Math.sqrt(x.reduce((sum, each) => sum + each * each, 0));
    const difference = (a: Float32Array, b: Float32Array): number => norm(a.map((each, i) => each - b[i])) / norm(b);
    for (const [one, other] of [[rounded.output, exact.output], [rounded.input, exact.input], ...Object.entries(exact.parameters).map(([name, gradient]) => [rounded.parameters[name], gradient])]) {
      expect(difference(one, other)).toBeLessThan(0.03);
    }
  });

  const single = () => sequential(flatten(), linear(192, 64), spiking(neuron()), linear(64, 32), spiking(neuron()), rate());

  it("in bfloat16 trains with a single time step", async () => {
    using model = Model.build(single(), { device: cuda, inputShape: shape, steps: 1, random: new Random(3), precision: "bfloat16" });
    const { parameters } = await pass(model, { steps: 1, shape, batch, input: uniform(batch * 192, 7, 0, 1), timeConstant: true });
    for (const [name, gradient] of Object.entries(parameters)) expect(gradient.some((each) => each !== 0) && gradient.every(Number.isFinite), name).toBe(true);
  });

  it("in bfloat16 has nearly the same gradients step by step", async () => {
    using model = build(single(), cuda, "bfloat16");
    const input = uniform(batch * 192, 7, 0, 1);
    const fused = await pass(model, { steps, shape, batch, input, timeConstant: true, seedOf: (y) => uniform(y.length, 99, 0.5, 1.5) });
    clearGradients(model.parameters());
    using x = cuda.tensor(input, [1, batch, ...shape]);
    stepwiseForwardBackward(model, x, (y) => cuda.tensor(uniform(y.size, 99, 0.5, 1.5), y.shape));
    for (const { name, gradient } of model.parameters()) expect(relativeError((await cuda.read(gradient!)) as Float32Array, fused.parameters[name]), name).toBeLessThan(0.03);
    clearGradients(model.parameters());
  });

  it("in bfloat16 has spikes of 0 and 1, which a recorder sees as numbers", async () => {
    using model = build(networks["linear layers"](), cuda, "bfloat16");
    using recorder = new Recorder({ spikes: true, membrane: "v" });
    using x = cuda.tensor(uniform(batch * 192, 7, 0, 1), [1, batch, ...shape]);
    using tape = new Tape(cuda, { steps, training: false, recorder });
    model.forward(tape, tape.input(x, { timeConstant: true }));
    const [{ spikes }] = await recorder.records();
    expect([...new Set(spikes)].sort()).toEqual([0, 1]);
    const [{ rate: mean }] = await recorder.firingRates();
    expect(mean).toBeCloseTo(spikes.reduce((sum, spike) => sum + spike, 0) / spikes.length, 6);
  });
});

it("is refused in other precisions than float32 by the cpu, when it is built", async () => {
  await using device = await openDevice("cpu", { threads: 1 }).then((opened) => Object.assign(opened, { [Symbol.asyncDispose]: () => opened.dispose() }));
  const build = () => Model.build(linear(4, 2), { device, inputShape: [4], steps: 2, random: new Random(1), precision: "bfloat16" });
  expect(build).toThrow(DeviceError);
  expect(build).toThrow(/cpu computes in float32 only, bfloat16 was asked for.*"cuda"/);
  expect(device.bytesInUse).toBe(0);
});
