import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import {
  avgPool1d, avgPool2d, batchNorm2d, conv1d, conv2d, dropout, flatten, globalAvgPool1d, globalAvgPool2d, groupNorm, type Layer, layerNorm, linear, maxPool1d, maxPool2d, type Model, rate, residual, sequential, spikeCount, sumPool2d, tdBN, tebn,
} from "../../src/nn/index.ts";
import { pooledLinear } from "../../src/nn/models/pooledLinear.ts";
import { buildModel, openTestDevice, pass, product, read, relativeError, repeatOverTime, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const steps = 3;
const batch = 6;

const cases: [name: string, make: () => Layer, shape: number[]][] = [
  ["linear", () => linear(7, 5), [7]],
  ["linear without bias", () => linear(7, 5, { bias: false }), [7]],
  ["two linear layers", () => sequential(linear(7, 6), linear(6, 5)), [7]],
  ["conv2d", () => conv2d(3, 4, { kernel: 3 }), [6, 7, 3]],
  ["conv2d, strided and padded", () => conv2d(3, 4, { kernel: [3, 5], stride: 2, padding: [1, 2] }), [6, 7, 3]],
  ["conv2d in groups, dilated", () => conv2d(4, 6, { kernel: [3, 2], groups: 2, dilation: [1, 3], padding: [1, 2] }), [5, 6, 4]],
  ["conv2d, depthwise", () => conv2d(5, 5, { kernel: 3, groups: 5, stride: 2, padding: 1 }), [5, 6, 5]],
  ["conv1d", () => conv1d(3, 4, { kernel: 4, stride: 2, padding: 3 }), [9, 3]],
  ["conv1d, dilated, without a bias", () => conv1d(4, 2, { kernel: 3, dilation: 2, groups: 2, bias: false }), [9, 4]],
  ["maxPool1d", () => maxPool1d(3, { stride: 2, padding: 1 }), [9, 3]],
  ["avgPool1d", () => avgPool1d(3), [9, 3]],
  ["globalAvgPool1d", () => globalAvgPool1d(), [9, 3]],
  ["layerNorm", () => layerNorm(5), [3, 5]],
  ["groupNorm", () => groupNorm(3, 6), [3, 2, 6]],
  ["groupNorm of [T, B, C]", () => groupNorm(2, 6), [6]],
  ["tdBN", () => tdBN(4, { alpha: 0.7, threshold: 0.5 }), [3, 4]],
  ["tebn", () => tebn(steps, 4), [3, 4]],
  ["maxPool2d", () => maxPool2d(2), [6, 7, 3]],
  ["maxPool2d, overlapping", () => maxPool2d(3, { stride: 2, padding: 1 }), [7, 7, 3]],
  ["avgPool2d", () => avgPool2d(2), [6, 7, 3]],
  ["avgPool2d, overlapping", () => avgPool2d(3, { stride: 1, padding: 1 }), [5, 5, 2]],
  ["sumPool2d", () => sumPool2d([3, 2], { stride: [1, 2], padding: [1, 0] }), [5, 6, 2]],
  ["globalAvgPool2d", () => globalAvgPool2d(), [4, 5, 3]],
  ["pooledLinear to fewer positions", () => pooledLinear({ grid: 2, channels: 2, outputs: 3, init: "uniform" }), [3, 5, 2]],
  ["pooledLinear to more positions", () => pooledLinear({ grid: 3, channels: 2, outputs: 3, init: "uniform" }), [2, 1, 2]],
  ["pooledLinear to as many", () => pooledLinear({ grid: 2, channels: 2, outputs: 3, init: "uniform" }), [2, 2, 2]],
  ["flatten", () => sequential(flatten(), linear(24, 3)), [2, 4, 3]],
  ["dropout", () => dropout(0.4), [9]],
  ["batchNorm2d of [T, B, C]", () => batchNorm2d(5), [5]],
  ["batchNorm2d of [T, B, H, W, C]", () => batchNorm2d(3), [4, 5, 3]],
  ["residual", () => residual(linear(6, 6), linear(6, 6)), [6]],
  ["residual with a shortcut", () => residual(linear(6, 4), { shortcut: linear(6, 4, { bias: false }) }), [6]],
  ["residual around batch norms", () => residual(linear(6, 4), batchNorm2d(4), { shortcut: sequential(linear(6, 4), batchNorm2d(4)) }), [6]],
  ["residual of residuals", () => residual(residual(linear(6, 6), batchNorm2d(6)), residual(linear(6, 6), batchNorm2d(6))), [6]],
  ["gradients that several share", branches, [6]],
];

/** Both terms of a sum receive one gradient; the flattened branch hands it on to a variable that receives another one. */
function branches(): Layer {
  const [first, second, third, flat] = [linear(6, 6), linear(6, 6), linear(6, 6), flatten()];
  return sequential((tape, x) => {
    const a = first.forward(tape, x);
    const b = second.forward(tape, x);
    const c = third.forward(tape, b);
    return tape.add(tape.add(a, flat.forward(tape, b)), c);
  });
}

/** Values in [−1, 1) of which no two within one window are close, so that a maximum stays where it is. */
const distinct = (length: number): Float32Array => Float32Array.from({ length }, (_, i) => ((37 * i) % 101) / 50.5 - 1);

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => Array.from(a).reduce((sum, x, i) => sum + x * b[i], 0);

/** Σ c·y of the model's output, whose gradient is c, with the parameters as they are. */
async function weightedSum(model: Model, shape: readonly number[], input: Float32Array, timeConstant: boolean): Promise<number> {
  const { output } = await pass(model, { steps, shape, batch, input, timeConstant });
  return dot(output, uniform(output.length, 99));
}

describe.each(cases)("%s", (_, make, shape) => {
  for (const timeConstant of [false, true]) {
    it(`has the gradient of finite differences, ${timeConstant ? "constant" : "varying"} input`, async () => {
      using model = buildModel(sequential(make(), rate()), device, shape, steps);
      const input = distinct((timeConstant ? 1 : steps) * batch * product(shape));
      for (const { value, name } of model.parameters()) {
        if (name.endsWith("bias") || value.shape.length === 1) device.write(value, uniform(value.size, 13, 0.5, 1.5));
      }
      const gradients = await pass(model, { steps, shape, batch, input, timeConstant });
      const h = 2e-3;
      const along = async (set: (offset: number) => void | Float32Array, gradient: Float32Array, direction: Float32Array): Promise<void> => {
        const at = async (offset: number): Promise<number> => weightedSum(model, shape, (set(offset) as Float32Array | undefined) ?? input, timeConstant);
        const numeric = ((await at(h)) - (await at(-h))) / (2 * h);
        expect(Math.abs(dot(gradient, direction) - numeric)).toBeLessThan(4e-3 * Math.sqrt(dot(gradient, gradient) + 1));
      };
      for (let trial = 0; trial < 2; trial++) {
        const direction = uniform(input.length, 100 + trial);
        await along((offset) => input.map((x, i) => x + offset * direction[i]), gradients.input, direction);
        for (const { name, value } of model.parameters()) {
          const before = await read(value);
          const towards = uniform(value.size, 200 + trial);
          await along((offset) => device.write(value, before.map((x, i) => x + offset * towards[i])), gradients.parameters[name], towards);
          device.write(value, before);
        }
      }
    });
  }

  it("treats a constant input as the same input at each step", async () => {
    for (const readout of [rate, spikeCount]) {
      using constant = buildModel(sequential(make(), readout()), device, shape, steps);
      using repeated = buildModel(sequential(make(), readout()), device, shape, steps);
      const input = uniform(batch * product(shape), 3);
      const a = await pass(constant, { steps, shape, batch, input, timeConstant: true });
      const b = await pass(repeated, { steps, shape, batch, input: repeatOverTime(input, steps) });
      expect(relativeError(a.output, b.output)).toBeLessThan(1e-5);
      const summed = input.map((_, i) => b.input[i] + b.input[i + input.length] + b.input[i + 2 * input.length]);
      expect(relativeError(a.input, summed)).toBeLessThan(1e-5);
      for (const name of Object.keys(a.parameters)) expect(relativeError(a.parameters[name], b.parameters[name], 1)).toBeLessThan(2e-5);
      for (const [i, { value }] of constant.buffers().entries()) expect(relativeError(await read(value), await read(repeated.buffers()[i].value))).toBeLessThan(1e-5);
    }
  });
});
