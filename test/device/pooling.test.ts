import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device, Window2d } from "../../src/device/device.ts";
import { ShapeError } from "../../src/errors.ts";
import { onEachDevice } from "./devices.ts";
import { expectClose, normal, size } from "./reference.ts";

interface Case {
  shape: readonly [number, number, number, number];
  window: Window2d;
}

/** For every pooled value its index, the indices of the pixels in its window in row-major order. */
function windows({ shape: [images, height, width, channels], window: { size: [kh, kw], stride: [sh, sw], padding: [ph, pw] } }: Case) {
  const rows = Math.floor((height + 2 * ph - kh) / sh) + 1;
  const columns = Math.floor((width + 2 * pw - kw) / sw) + 1;
  const members: number[][] = [];
  for (let m = 0; m < images; m++) {
    for (let j = 0; j < rows; j++) {
      for (let i = 0; i < columns; i++) {
        for (let c = 0; c < channels; c++) {
          const inside: number[] = [];
          for (let y = j * sh - ph; y < j * sh - ph + kh; y++) {
            for (let x = i * sw - pw; x < i * sw - pw + kw; x++) {
              if (y >= 0 && y < height && x >= 0 && x < width) inside.push(((m * height + y) * width + x) * channels + c);
            }
          }
          members.push(inside);
        }
      }
    }
  }
  return { members, shape: [images, rows, columns, channels] };
}

const cases: Case[] = [
  { shape: [1, 1, 1, 1], window: { size: [1, 1], stride: [1, 1], padding: [0, 0] } },
  { shape: [3, 6, 8, 8], window: { size: [2, 2], stride: [2, 2], padding: [0, 0] } },
  { shape: [2, 7, 5, 6], window: { size: [2, 2], stride: [2, 2], padding: [0, 0] } },
  { shape: [2, 9, 8, 5], window: { size: [3, 3], stride: [2, 2], padding: [1, 1] } },
  { shape: [2, 5, 7, 19], window: { size: [3, 2], stride: [1, 1], padding: [1, 0] } },
  { shape: [3, 10, 11, 3], window: { size: [2, 3], stride: [3, 4], padding: [0, 1] } },
  { shape: [4, 6, 6, 32], window: { size: [6, 6], stride: [6, 6], padding: [0, 0] } },
];

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  describe.each(cases)("pooling $shape with $window", (pooling) => {
    const { members, shape } = windows(pooling);
    const { window } = pooling;
    const dy = normal(size(shape));

    it.each([
      ["distinct values", normal(size(pooling.shape))],
      ["ties", normal(size(pooling.shape)).map((value) => (value > 0.3 ? 1 : 0))],
    ])("takes maxima of %s and routes their gradients to the first", async (_, values) => {
      using x = device.tensor(values, pooling.shape);
      using gradient = device.tensor(dy, shape);
      using y = device.dense.maxPool2d(x, window);
      using dx = device.dense.maxPool2dBackward(x, gradient, window);
      const slopes = new Float64Array(values.length);
      const maxima = members.map((inside, i) => {
        const best = inside.reduce((first, index) => (values[index] > values[first] ? index : first));
        slopes[best] += dy[i];
        return values[best];
      });
      await expectClose(y, Float64Array.from(maxima), shape);
      await expectClose(dx, slopes, pooling.shape);
    });

    it("takes means over the whole window and spreads their gradients", async () => {
      const values = normal(size(pooling.shape));
      using x = device.tensor(values, pooling.shape);
      using gradient = device.tensor(dy, shape);
      using y = device.dense.avgPool2d(x, window);
      using dx = device.dense.avgPool2dBackward(pooling.shape, gradient, window);
      const area = size(window.size);
      const slopes = new Float64Array(values.length);
      members.forEach((inside, i) => inside.forEach((index) => (slopes[index] += dy[i] / area)));
      await expectClose(y, Float64Array.from(members, (inside) => inside.reduce((sum, index) => sum + values[index], 0) / area), shape);
      await expectClose(dx, slopes, pooling.shape);
    });
  });

  it.each([
    ["maxPool2d: x has the shape [4,4], 4 axes were expected", [4, 4], { size: [2, 2], stride: [2, 2], padding: [0, 0] }],
    ["maxPool2d: x has the shape [1,0,4,4]", [1, 0, 4, 4], { size: [2, 2], stride: [2, 2], padding: [0, 0] }],
    ["maxPool2d: a window of [5,2] does not fit on images of [4,4]", [1, 4, 4, 1], { size: [5, 2], stride: [2, 2], padding: [0, 0] }],
    ["maxPool2d: the window has size [2,2], stride [0,2]", [1, 4, 4, 1], { size: [2, 2], stride: [0, 2], padding: [0, 0] }],
    ["maxPool2d: the padding [2,0] is more than half of the window [3,3]", [1, 4, 4, 1], { size: [3, 3], stride: [1, 1], padding: [2, 0] }],
  ] as const)("refuses: %s", (message, shape, window) => {
    const call = () => device.dense.maxPool2d(device.zeros(shape), window);
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  });

  it("refuses a gradient of another shape", () => {
    const window: Window2d = { size: [2, 2], stride: [2, 2], padding: [0, 0] };
    expect(() => device.dense.maxPool2dBackward(device.zeros([1, 4, 4, 1]), device.zeros([1, 4, 4, 1]), window)).toThrow("dy has the shape [1,4,4,1], [1,2,2,1] was expected");
  });
});
