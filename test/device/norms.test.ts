import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/device.ts";
import { ShapeError } from "../../src/errors.ts";
import { onEachDevice } from "./devices.ts";
import { expectClose, normal, size } from "./reference.ts";

/** The definition, in f64, of each run of channels. */
function reference(x: Float32Array, dy: Float32Array, [samples, rows, channels]: readonly number[], groups: number, eps: number) {
  const [y, dx, scale] = [new Float64Array(x.length), new Float64Array(x.length), new Float64Array(samples * groups)];
  const width = channels / groups;
  for (let run = 0; run < samples * groups; run++) {
    const places = Array.from({ length: rows * width }, (_, j) => (Math.floor(run / groups) * rows + Math.floor(j / width)) * channels + (run % groups) * width + (j % width));
    const mean = (f: (at: number) => number): number => places.reduce((sum, at) => sum + f(at), 0) / places.length;
    const center = mean((at) => x[at]);
    scale[run] = 1 / Math.sqrt(mean((at) => (x[at] - center) ** 2) + eps);
    for (const at of places) y[at] = (x[at] - center) * scale[run];
    const [slope, along] = [mean((at) => dy[at]), mean((at) => dy[at] * y[at])];
    for (const at of places) dx[at] = scale[run] * (dy[at] - slope - y[at] * along);
  }
  return { y, dx, scale };
}

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  describe.each([[[1, 1, 1], 1], [[5, 1, 33], 1], [[2, 7, 12], 3], [[3, 40, 6], 6], [[2, 70, 40], 2], [[70, 1, 4], 1]] as const)("group norm of [%j] in %i groups", (shape, groups) => {
    it("is that of the definition, forward and backward, far from zero too", async () => {
      const eps = 1e-3;
      const x = normal(size(shape)).map((value) => 3 * value + 4);
      const dy = normal(size(shape));
      const expected = reference(x, dy, shape, groups, eps);
      using X = device.tensor(x, shape);
      using DY = device.tensor(dy, shape);
      const before = device.bytesInUse;
      const { y, scale } = device.dense.groupNorm(X, groups, eps);
      await expectClose(y, expected.y, shape, 5e-5);
      await expectClose(scale, expected.scale, [shape[0], groups], 5e-5);
      const dx = device.dense.groupNormBackward(y, scale, DY);
      await expectClose(dx, expected.dx, shape, 5e-5);
      for (const tensor of [y, scale, dx]) tensor.dispose();
      expect(device.bytesInUse).toBe(before);
    });
  });

  it.each([[1, 1], [3, 7], [4, 4097], [2, 40_000]])("scales and multiplies %i rows of %i values", async (steps, length) => {
    const [x, y, factors] = [normal(steps * length), normal(steps * length), normal(steps)];
    using X = device.tensor(x, [steps, 1, length]);
    using Y = device.tensor(y, [steps, 1, length]);
    using F = device.tensor(factors, [steps]);
    const before = device.bytesInUse;
    const scaled = device.dense.scaleFirst(X, F);
    await expectClose(scaled, Float64Array.from(x, (value, i) => value * factors[Math.floor(i / length)]), [steps, 1, length]);
    const expected = new Float64Array(steps);
    x.forEach((value, i) => (expected[Math.floor(i / length)] += value * y[i]));
    const dots = device.dense.dotsFirst(X, Y);
    await expectClose(dots, expected, [steps], 1e-5);
    scaled.dispose();
    dots.dispose();
    expect(device.bytesInUse).toBe(before);
  });

  it.each([
    ["scaleFirst: factors has the shape [3], [2] was expected", () => device.dense.scaleFirst(device.zeros([2, 3]), device.zeros([3]))],
    ["dotsFirst: y has the shape [2,2], [2,3] was expected", () => device.dense.dotsFirst(device.zeros([2, 3]), device.zeros([2, 2]))],
    ["groupNorm: 5 channels do not fall into 2 groups", () => device.dense.groupNorm(device.zeros([2, 3, 5]), 2, 1e-5)],
    ["groupNorm: x has the shape [2,3], 3 axes were expected", () => device.dense.groupNorm(device.zeros([2, 3]), 1, 1e-5)],
    ["groupNormBackward: scale has the shape [3,2], [2,2] was expected", () => device.dense.groupNormBackward(device.zeros([2, 3, 4]), device.zeros([3, 2]), device.zeros([2, 3, 4]))],
    ["groupNormBackward: dy has the shape [2,3,2], [2,3,4] was expected", () => device.dense.groupNormBackward(device.zeros([2, 3, 4]), device.zeros([2, 2]), device.zeros([2, 3, 2]))],
  ])("refuses: %s", (message, call) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  });
});
