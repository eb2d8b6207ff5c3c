import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { OptionError, ShapeError } from "../../src/errors.ts";
import type { Device } from "../../src/device/index.ts";
import { conv1d, conv2d, groupNorm, layerNorm, linear, rate, sequential, spiking, stepwiseForwardBackward, tdBN, tebn } from "../../src/nn/index.ts";
import { integrateAndFire } from "../../src/neuron/index.ts";
import { buildModel, openTestDevice, pass, read, relativeError, repeatOverTime, uniform } from "./helpers.ts";

describe("tebn", () => {
  const [steps, batch] = [3, 4];
  const body = () => sequential(linear(5, 6, { bias: false }), tebn(steps, 6), spiking(integrateAndFire({ threshold: 0.5 })), rate());
  const scales = Float32Array.of(0.5, 1.5, 2.5);
  let device: Device;
  beforeAll(async () => { device = await openTestDevice(); });
  afterAll(() => device.dispose());

  it("scales each step of a network that runs step by step by its own number", async () => {
    // Of inputs that are alike at all steps, statistics of one step are those of all.
    const input = uniform(batch * 5, 2);
    using model = buildModel(body(), device, [5], steps);
    device.write(model.parameters().find(({ name }) => name === "1.scale")!.value, scales);
    const fused = await pass(model, { steps, batch, shape: [5], input: repeatOverTime(input, steps), seedOf: (y) => uniform(y.length, 7) });
    using x = device.tensor(input, [1, batch, 5]);
    stepwiseForwardBackward(model, x, (output) => device.tensor(uniform(output.size, 7), output.shape));
    for (const { name, gradient } of model.parameters()) expect(relativeError(await read(gradient!), fused.parameters[name], 1e-2), name).toBeLessThan(1e-4);
    expect(new Set(fused.parameters["1.scale"]).size).toBe(steps);
    for (const parameter of model.parameters()) parameter.gradient?.dispose();
  });

  it("refuses a pass of another T, and to follow a read-out", async () => {
    using model = buildModel(body(), device, [5], steps);
    const run = (T: number) => pass(model, { steps: T, batch, shape: [5], input: new Float32Array(T * batch * 5) });
    await expect(run(4)).rejects.toThrow(ShapeError);
    await expect(run(4)).rejects.toThrow("1: tebn(6): it has a scale for each of 3 time steps, this pass has T = 4");
    using late = buildModel(sequential(rate(), tebn(steps, 5)), device, [5], steps);
    await expect(pass(late, { steps, batch, shape: [5], input: new Float32Array(steps * batch * 5) })).rejects.toThrow("its input has no time axis");
  });
});

describe("options of layers", () => {
  it.each([
    ["conv2d(4, 6): groups: 4 must divide both", () => conv2d(4, 6, { kernel: 3, groups: 4 })],
    ["conv1d takes its kernel as an option: conv1d(4, 6, { kernel: 3 })", () => conv1d(4, 6, 3 as never)],
    ["conv1d(4, 6): padding 0×5 must be less than the window, 1×5", () => conv1d(4, 6, { kernel: 3, dilation: 2, padding: 5 })],
    ["groupNorm: 5 channels do not fall into 2 groups", () => groupNorm(2, 5)],
    ["tdBN: threshold", () => tdBN(4, { threshold: 0 })],
    ["layerNorm: eps", () => layerNorm(4, { eps: -1 })],
  ])("refuses: %s", (message, call) => {
    expect(call).toThrow(OptionError);
    expect(call).toThrow(message);
  });

  it("are part of a description where they are not the usual ones", () => {
    expect(conv2d(4, 8, { kernel: 3, groups: 4, dilation: [1, 2], padding: 1 }).description).toBe("conv2d(4, 8, 3×3, padding 1×1, dilation 1×2, groups 4)");
    expect(conv1d(4, 8, { kernel: 3, stride: 2 }).description).toBe("conv1d(4, 8, 3, stride 2)");
    expect(conv2d(4, 8, { kernel: 3 }).options).toEqual({ size: [3, 3], stride: [1, 1], padding: [0, 0], bias: true });
  });
});
