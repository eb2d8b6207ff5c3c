import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device, Tensor, Window2d } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/index.ts";
import { ShapeError } from "../../src/errors.ts";
import { onEachDevice } from "./devices.ts";
import { expectClose, normal, size, sparse, spikes } from "./reference.ts";
import { sample } from "../sample.ts";

const same: Window2d = { size: [3, 3], stride: [1, 1], padding: [1, 1] };
interface Case {
  shape: readonly [number, number, number, number];
  outChannels: number;
  window: Window2d;
}

const cases: Case[] = [
  { shape: [1, 1, 1, 1], outChannels: 1, window: { size: [1, 1], stride: [1, 1], padding: [0, 0] } },
  { shape: [2, 9, 7, 1], outChannels: 32, window: same },
  { shape: [3, 6, 5, 8], outChannels: 40, window: same },
  { shape: [70, 4, 3, 6], outChannels: 7, window: same },
  { shape: [2, 7, 8, 3], outChannels: 33, window: { size: [3, 2], stride: [1, 1], padding: [0, 0] } },
  { shape: [2, 9, 11, 5], outChannels: 12, window: { size: [3, 5], stride: [2, 3], padding: [1, 2] } },
  { shape: [2, 8, 8, 4], outChannels: 6, window: { size: [2, 2], stride: [2, 2], padding: [0, 0] } },
  { shape: [1, 5, 6, 2], outChannels: 3, window: { size: [2, 1], stride: [3, 2], padding: [2, 3] } },
  { shape: [1, 4, 4, 300], outChannels: 9, window: same },
];

/** In groups of channels, of spaced pixels, or both. */
const apart: (Case & { groups: number })[] = [
  { shape: [2, 6, 7, 21], outChannels: 21, groups: 21, window: same },
  { shape: [2, 7, 5, 3], outChannels: 6, groups: 3, window: { ...same, stride: [2, 1] } },
  { shape: [2, 5, 6, 12], outChannels: 72, groups: 3, window: same },
  { shape: [3, 9, 8, 4], outChannels: 23, groups: 1, window: { ...same, padding: [2, 2], dilation: [2, 2] } },
  { shape: [1, 1, 30, 6], outChannels: 4, groups: 2, window: { size: [1, 5], stride: [1, 2], padding: [0, 3], dilation: [7, 3] } },
  { shape: [2, 11, 9, 8], outChannels: 16, groups: 4, window: { size: [3, 2], stride: [2, 3], padding: [1, 4], dilation: [3, 2] } },
  { shape: [2, 4, 3, 8], outChannels: 16, groups: 4, window: { size: [1, 1], stride: [1, 1], padding: [0, 0] } },
];
const all = [...sample(cases, 4), ...apart].map((each) => ({ groups: 1, ...each }));

/** Calls `visit` with the indices into x, w and y of every product in the convolution. */
function products(shape: readonly number[], outChannels: number, window: Window2d, visit: (x: number, w: number, y: number) => void, groups = 1): number[] {
  const [images, height, width, channels] = shape;
  const { size: [kh, kw], stride: [sh, sw], padding: [ph, pw], dilation: [dh, dw] = [1, 1] } = window;
  const [rows, columns] = [Math.floor((height + 2 * ph - dh * (kh - 1) - 1) / sh) + 1, Math.floor((width + 2 * pw - dw * (kw - 1) - 1) / sw) + 1];
  const [depth, groupColumns] = [channels / groups, outChannels / groups];
  for (let m = 0; m < images; m++) {
    for (let j = 0; j < rows; j++) {
      for (let i = 0; i < columns; i++) {
        for (let ky = 0; ky < kh; ky++) {
          for (let kx = 0; kx < kw; kx++) {
            const [y, x] = [j * sh - ph + ky * dh, i * sw - pw + kx * dw];
            if (y < 0 || y >= height || x < 0 || x >= width) continue;
            for (let c = 0; c < channels; c++) {
              const first = Math.floor(c / depth) * groupColumns;
              for (let o = first; o < first + groupColumns; o++) {
                visit(((m * height + y) * width + x) * channels + c, ((ky * kw + kx) * depth + (c % depth)) * outChannels + o, ((m * rows + j) * columns + i) * outChannels + o);
              }
            }
          }
        }
      }
    }
  }
  return [images, rows, columns, outChannels];
}

onEachDevice((open) => {
  let device: Device;
  beforeAll(async () => { device = await open(); });
  afterAll(() => device.dispose());

  describe.each(all)("convolution of $shape to $outChannels channels in $groups groups with $window", ({ shape, outChannels, window, groups }) => {
    it.each([["dense", normal], ["spiking", spikes(0.15)], ["sparse", sparse(0.4)], ["silent", spikes(0)]] as const)("of %s input, forward and backward", async (_, make) => {
      const kernelShape = [...window.size, shape[3] / groups, outChannels];
      const [x, w, b] = [make(size(shape)), normal(size(kernelShape)), normal(outChannels)];
      const outShape = products(shape, 0, window, () => {}).with(3, outChannels);
      const dy = normal(size(outShape));
      const [y, dx, dw] = [outShape, shape, kernelShape].map((each) => new Float64Array(size(each)));
      products(shape, outChannels, window, (i, k, o) => {
        y[o] += x[i] * w[k];
        dx[i] += dy[o] * w[k];
        dw[k] += x[i] * dy[o];
      }, groups);
      const db = new Float64Array(outChannels);
      dy.forEach((value, i) => (db[i % outChannels] += value));

      const [X, W, B, DY] = [device.tensor(x, shape), device.tensor(w, kernelShape), device.tensor(b, [outChannels]), device.tensor(dy, outShape)];
      const before = device.bytesInUse;
      using plain = device.dense.conv2d(X, W, undefined, window);
      await expectClose(plain, y, outShape);
      using shifted = device.dense.conv2d(X, W, B, window);
      await expectClose(shifted, y.map((value, i) => value + b[i % outChannels]), outShape);
      const gradients = device.dense.conv2dBackward(X, W, DY, window, { input: true, bias: true });
      await expectClose(gradients.dx, dx, shape);
      await expectClose(gradients.dw, dw, kernelShape);
      await expectClose(gradients.db, db, [outChannels]);
      for (const tensor of [plain, shifted, ...Object.values(gradients)]) tensor?.dispose();
      expect(device.bytesInUse).toBe(before);
      for (const tensor of [X, W, B, DY]) tensor.dispose();
    });
  });

  it.each([["dense", 1], ["spiking", 0.1]])("splits a large %s image into bands", async (_, rate) => {
    const shape = [1, 40, 64, 48] as const;
    const [x, w] = [spikes(rate)(size(shape)), normal(3 * 3 * 48 * 2)];
    const dy = normal(40 * 64 * 2);
    const [y, dw] = [new Float64Array(dy.length), new Float64Array(w.length)];
    products(shape, 2, same, (i, k, o) => {
      y[o] += x[i] * w[k];
      dw[k] += x[i] * dy[o];
    });
    const [X, W, DY] = [device.tensor(x, shape), device.tensor(w, [3, 3, 48, 2]), device.tensor(dy, [1, 40, 64, 2])];
    await expectClose(device.dense.conv2d(X, W, undefined, same), y, [1, 40, 64, 2], 4e-6);
    await expectClose(device.dense.conv2dBackward(X, W, DY, same, { input: false, bias: false }).dw, dw, [3, 3, 48, 2], 4e-6);
  });

  it.each([
    ["conv2d: w has the shape [3,3,4,8], [3,3,5,8] was expected", () => device.dense.conv2d(device.zeros([1, 4, 4, 5]), device.zeros([3, 3, 4, 8]), undefined, same)],
    ["conv2d: w has the shape [3,3,2,8], that is 3 groups of 6 channels: 8 outputs do not fall into so many", () => device.dense.conv2d(device.zeros([1, 4, 4, 6]), device.zeros([3, 3, 2, 8]), undefined, same)],
    ["conv2d: a window of [5,5] does not fit on images of [2,4]", () => device.dense.conv2d(device.zeros([1, 2, 4, 5]), device.zeros([3, 3, 5, 8]), undefined, { ...same, dilation: [2, 2] })],
    ["size, stride and dilation ≥ 1", () => device.dense.conv2d(device.zeros([1, 4, 4, 5]), device.zeros([3, 3, 5, 8]), undefined, { ...same, dilation: [0, 1] })],
    ["maxPool2d: the window has dilation [2,1]: a pooling has none", () => device.dense.maxPool2d(device.zeros([1, 4, 4, 5]), { ...same, dilation: [2, 1] })],
    ["conv2d: w has the shape [2,3,5,8], [3,3,5,8] was expected", () => device.dense.conv2d(device.zeros([1, 4, 4, 5]), device.zeros([2, 3, 5, 8]), undefined, same)],
    ["conv2d: bias has the shape [5], [8] was expected", () => device.dense.conv2d(device.zeros([1, 4, 4, 5]), device.zeros([3, 3, 5, 8]), device.zeros([5]), same)],
    ["conv2d: x has the shape [0,4,4,5]", () => device.dense.conv2d(device.zeros([0, 4, 4, 5]), device.zeros([3, 3, 5, 8]), undefined, same)],
    ["conv2dBackward: dy has the shape [1,4,4,7], [1,4,4,8] was expected", () => device.dense.conv2dBackward(device.zeros([1, 4, 4, 5]), device.zeros([3, 3, 5, 8]), device.zeros([1, 4, 4, 7]), same, { input: true, bias: true })],
  ])("refuses: %s", (message, call) => {
    expect(call).toThrow(ShapeError);
    expect(call).toThrow(message);
  });
});

it.each([["dense", normal], ["spiking", spikes(0.1)]] as const)("gives the same bits on any number of cpu threads for %s input", async (_, make) => {
  const [x, w, dy] = [make(40 * 5 * 5 * 8), normal(3 * 3 * 8 * 16), normal(40 * 5 * 5 * 16)];
  const run = async (threads: number) => {
    const on = await openDevice("cpu", { threads });
    const [X, W, DY] = [on.tensor(x, [40, 5, 5, 8]), on.tensor(w, [3, 3, 8, 16]), on.tensor(dy, [40, 5, 5, 16])];
    const { dx, dw, db } = on.dense.conv2dBackward(X, W, DY, same, { input: true, bias: true });
    const results = await Promise.all([on.dense.conv2d(X, W, undefined, same), dx!, dw, db!].map((tensor: Tensor) => on.read(tensor)));
    await on.dispose();
    return results;
  };
  expect(await run(2)).toEqual(await run(1));
});
