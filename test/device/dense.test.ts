import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DenseMath, Device, Tensor } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/index.ts";
import { ShapeError } from "../../src/errors.ts";
import { onEachDevice } from "./devices.ts";
import { expectClose, normal, size, sparse, spikes, values } from "./reference.ts";
import { sample } from "../sample.ts";

/** Σ over d of a(m, d) · b(d, n), in f64. */
function product(rows: number, columns: number, depth: number, a: (m: number, d: number) => number, b: (d: number, n: number) => number): Float64Array {
  const out = new Float64Array(rows * columns);
  for (let m = 0; m < rows; m++) {
    for (let d = 0; d < depth; d++) {
      const left = a(m, d);
      if (left !== 0) for (let n = 0; n < columns; n++) out[m * columns + n] += left * b(d, n);
    }
  }
  return out;
}

onEachDevice((open) => {
  let device: Device;
  let dense: DenseMath;
  beforeAll(async () => {
    device = await open();
    dense = device.dense;
  });
  afterAll(() => device.dispose());

  const upload = (data: Float32Array, shape: readonly number[]): Tensor => device.tensor(data, shape);

  describe("linear", () => {
    const shapes = [[1, 1, 1], [3, 5, 7], [50, 513, 33], [97, 31, 129], [64, 784, 10], [601, 40, 65]];
    const inputs = [["dense", normal], ["spiking", spikes(0.15)], ["sparse", sparse(0.3)], ["silent", spikes(0)]] as const;

    it.each(sample(shapes.flatMap(([m, k, n]) => inputs.map(([kind, make]) => ({ m, k, n, kind, make }))), 8))(
      "multiplies a $kind [$m, $k] by [$k, $n], forward and backward",
      async ({ m, k, n, make }) => {
        const [x, w, b, dy] = [make(m * k), normal(k * n), normal(n), normal(m * n)];
        using X = upload(x, [m, k]);
        using W = upload(w, [k, n]);
        using B = upload(b, [n]);
        using DY = upload(dy, [m, n]);
        const expected = product(m, n, k, (i, d) => x[i * k + d], (d, j) => w[d * n + j]);
        using plain = dense.linear(X, W);
        await expectClose(plain, expected, [m, n]);
        using shifted = dense.linear(X, W, B);
        await expectClose(shifted, expected.map((value, i) => value + b[i % n]), [m, n]);

        const { dx, dw, db } = dense.linearBackward(X, W, DY, { input: true, bias: true });
        await expectClose(dx, product(m, k, n, (i, d) => dy[i * n + d], (d, j) => w[j * n + d]), [m, k]);
        await expectClose(dw, product(k, n, m, (i, d) => x[d * k + i], (d, j) => dy[d * n + j]), [k, n]);
        await expectClose(db, product(1, n, m, () => 1, (d, j) => dy[d * n + j]), [n]);
        for (const gradient of [dx, dw, db]) gradient?.dispose();
      },
    );

    it("computes only what is needed", () => {
      const { dx, db } = dense.linearBackward(upload(normal(6), [2, 3]), upload(normal(12), [3, 4]), upload(normal(8), [2, 4]), { input: false, bias: false });
      expect([dx, db]).toEqual([undefined, undefined]);
    });
  });

  describe("sums", () => {
    it.each([[1, 1], [5, 3], [300, 10], [129, 32], [1000, 19]])("over rows of [%i, %i]", async (rows, channels) => {
      const [x, y] = [normal(rows * channels), normal(rows * channels)];
      using X = upload(x, [rows, channels]);
      using Y = upload(y, [rows, channels]);
      using sums = dense.channelSums(X);
      await expectClose(sums, product(1, channels, rows, () => 1, (d, c) => x[d * channels + c]), [channels]);
      using dots = dense.channelDots(X, Y);
      await expectClose(dots, product(1, channels, rows, () => 1, (d, c) => x[d * channels + c] * y[d * channels + c]), [channels]);
    });

    it.each([[1, 1], [7, 3], [300, 10], [1500, 20]])("moments of [%i, %i], far from zero", async (rows, channels) => {
      const x = normal(rows * channels).map((value, i) => 1000 + (i % channels) + value);
      using X = upload(x, [rows, channels]);
      const { mean, variance } = dense.channelMoments(X);
      const means = product(1, channels, rows, () => 1 / rows, (d, c) => x[d * channels + c]);
      await expectClose(mean, means, [channels], 5e-7);
      await expectClose(variance, product(1, channels, rows, () => 1 / rows, (d, c) => (x[d * channels + c] - means[c]) ** 2), [channels], 1e-5);
    });

    it("scales and shifts channels", async () => {
      const shape = [3, 5, 7];
      const [x, y, a, b, d] = [normal(size(shape)), normal(size(shape)), normal(7), normal(7), normal(7)];
      const [X, Y, A, B, D] = [upload(x, shape), upload(y, shape), upload(a, [7]), upload(b, [7]), upload(d, [7])];
      await expectClose(dense.channelAffine(X, A, B), Float64Array.from(x, (value, i) => a[i % 7] * value + b[i % 7]), shape);
      await expectClose(dense.channelAffine(X, A, B, Y, D), Float64Array.from(x, (value, i) => a[i % 7] * value + d[i % 7] * y[i] + b[i % 7]), shape);
    });

    it.each([[1, 1], [8, 5], [3, 1027]])("over the first axis of [%i, %i], and back", async (times, n) => {
      const x = normal(times * n);
      using X = upload(x, [times, n]);
      using sum = dense.sumFirst(X, 0.5);
      await expectClose(sum, product(1, n, times, () => 0.5, (t, i) => x[t * n + i]), [n]);
      using repeated = dense.repeatFirst(X, 3, 2);
      await expectClose(repeated, Float64Array.from({ length: 3 * x.length }, (_, i) => 2 * x[i % x.length]), [3, times, n]);
    });

    it.each([1, 6, 40_003])("updates %i values in place and sums their squares", async (n) => {
      const [x, y] = [normal(n), normal(n)];
      using X = upload(x, [n]);
      using Y = upload(y, [n]);
      using plain = dense.add(X, Y);
      await expectClose(plain, Float64Array.from(x, (value, i) => value + y[i]), [n]);
      dense.addInto(Y, X, -0.5);
      dense.scale(Y, 3);
      const expected = Float64Array.from(y, (value, i) => 3 * (value - 0.5 * x[i]));
      await expectClose(Y, expected, [n]);
      using squares = dense.sumOfSquares(Y);
      const total = (values: ArrayLike<number>) => Array.from(values).reduce((sum, value) => sum + value * value, 0);
      await expectClose(squares, Float64Array.of(total(expected)), [1]);
      using ofThree = dense.sumOfSquares(Y, X, Y);
      await expectClose(ofThree, Float64Array.of(2 * total(expected) + total(x)), [1]);
    });
  });

  describe("losses", () => {
    it.each([[1, 2], [5, 3], [300, 10]])("cross-entropy of [%i, %i]", async (rows, classes) => {
      const logits = normal(rows * classes).map((value) => 30 * value);
      const labels = Int32Array.from({ length: rows }, (_, i) => (i * 7) % classes);
      const { loss, gradient, correct } = dense.softmaxCrossEntropy(upload(logits, [rows, classes]), device.tensor(labels, [rows]));
      let [total, hits] = [0, 0];
      const slopes = new Float64Array(rows * classes);
      for (let row = 0; row < rows; row++) {
        const line = Array.from(logits.subarray(row * classes, (row + 1) * classes));
        const largest = Math.max(...line);
        const sum = line.reduce((partial, value) => partial + Math.exp(value - largest), 0);
        total += Math.log(sum) + largest - line[labels[row]];
        hits += line.indexOf(largest) === labels[row] ? 1 : 0;
        line.forEach((value, k) => (slopes[row * classes + k] = (Math.exp(value - largest) / sum - (k === labels[row] ? 1 : 0)) / rows));
      }
      await expectClose(loss, Float64Array.of(total / rows), [1]);
      await expectClose(gradient, slopes, [rows, classes], 1e-6);
      expect(await values(correct)).toEqual([hits]);
    });

    it.each([[5, 3], [300, 10]])("cross-entropy of [%i, %i] with weights, of which some are 0", async (rows, classes) => {
      const logits = normal(rows * classes).map((value) => 30 * value);
      const weights = Float32Array.from({ length: rows }, (_, row) => (row % 3 === 1 ? 0 : (row + 1) / rows));
      // What is in a row that does not count is not looked at.
      const labels = Int32Array.from({ length: rows }, (_, row) => (weights[row] === 0 ? -1 : (row * 7) % classes));
      weights.forEach((weight, row) => weight === 0 && logits.fill(NaN, row * classes, (row + 1) * classes));
      const [X, W] = [upload(logits, [rows, classes]), upload(weights, [rows])];
      const { loss, gradient, correct } = dense.softmaxCrossEntropy(X, device.tensor(labels, [rows]), W);
      let [total, hits] = [0, 0];
      const slopes = new Float64Array(rows * classes);
      for (let row = 0; row < rows; row++) {
        if (weights[row] === 0) continue;
        const one = dense.softmaxCrossEntropy(upload(logits.slice(row * classes, (row + 1) * classes), [1, classes]), device.tensor(labels.slice(row, row + 1), [1]));
        total += weights[row] * (await values(one.loss))[0];
        hits += weights[row] * (await values(one.correct))[0];
        slopes.set((await values(one.gradient)).map((slope) => weights[row] * slope), row * classes);
      }
      await expectClose(loss, Float64Array.of(total), [1]);
      await expectClose(correct, Float64Array.of(hits), [1]);
      await expectClose(gradient, slopes, [rows, classes], 1e-6);
    });

    it("stays finite for logits of any size", async () => {
      const { loss, gradient } = dense.softmaxCrossEntropy(upload(Float32Array.of(3e38, -3e38, 1e4, 0), [2, 2]), device.tensor(Int32Array.of(0, 0), [2]));
      expect(await values(loss)).toEqual([0]);
      expect(await values(gradient)).toEqual([0, 0, 0, 0]);
    });

    it.each([[1, 1], [130, 257]])("mean squared error of [%i, %i]", async (rows, columns) => {
      const [x, target] = [normal(rows * columns), normal(rows * columns)];
      const { loss, gradient } = dense.meanSquaredError(upload(x, [rows, columns]), upload(target, [rows, columns]));
      const errors = Float64Array.from(x, (value, i) => value - target[i]);
      await expectClose(loss, Float64Array.of(errors.reduce((total, error) => total + error * error, 0) / errors.length), [1]);
      await expectClose(gradient, errors.map((error) => (2 * error) / errors.length), [rows, columns], 1e-7);
    });

    it.each([[3, 1], [130, 257]])("mean squared error of [%i, %i] with weights, of which some are 0", async (rows, columns) => {
      const [x, target] = [normal(rows * columns), normal(rows * columns)];
      const weights = Float32Array.from({ length: rows }, (_, row) => (row % 3 === 1 ? 0 : (row + 1) / rows));
      weights.forEach((weight, row) => weight === 0 && x.fill(Infinity, row * columns, (row + 1) * columns));
      const { loss, gradient } = dense.meanSquaredError(upload(x, [rows, columns]), upload(target, [rows, columns]), upload(weights, [rows]));
      const weightAt = (i: number): number => weights[Math.floor(i / columns)];
      const errors = Float64Array.from(x, (value, i) => (weightAt(i) === 0 ? 0 : value - target[i]));
      await expectClose(loss, Float64Array.of(errors.reduce((total, error, i) => total + weightAt(i) * error * error, 0) / columns), [1]);
      await expectClose(gradient, errors.map((error, i) => (2 * weightAt(i) * error) / columns), [rows, columns], 1e-6);
    });
  });

  describe("results", () => {
    it("leave nothing allocated but what is returned", () => {
      using x = upload(spikes(0.2)(32 * 16), [32, 16]);
      using w = upload(normal(16 * 8), [16, 8]);
      using dy = upload(normal(32 * 8), [32, 8]);
      const before = device.bytesInUse;
      const { dx, dw, db } = dense.linearBackward(x, w, dy, { input: true, bias: true });
      const { mean, variance } = dense.channelMoments(x);
      for (const tensor of [dense.linear(x, w), dx!, dw, db!, mean, variance, dense.sumOfSquares(x)]) tensor.dispose();
      expect(device.bytesInUse).toBe(before);
    });
  });

  it("refuses other types of elements, by the operation's name", () => {
    const [x, integers] = [device.zeros([2, 3]), device.zeros([2, 3], "i32")];
    const labels = device.zeros([2]);
    expect(() => dense.linear(integers, device.zeros([3, 4]))).toThrow(/linear: the tensor \[2,3\] is of i32, f32 (or bf16 )?was expected/);
    expect(() => dense.linearBackward(x, device.zeros([3, 4]), device.zeros([2, 4], "u32"), { input: true, bias: true })).toThrow(/linearBackward: .* is of u32, f32/);
    expect(() => dense.softmaxCrossEntropy(x, labels)).toThrow(/softmaxCrossEntropy: the tensor \[2\] is of f32, i32 was expected/);
    expect(() => dense.addInto(x, integers, 1)).toThrow(/addInto: .* is of i32/);
    expect(() => dense.sumOfSquares(integers)).toThrow(/sumOfSquares: .* is of i32/);
    const gone = device.zeros([2, 3]);
    gone.dispose();
    expect(() => dense.scale(gone, 2)).toThrow(/scale: the tensor \[2,3\] was used after it was disposed/);
  });

  describe("shapes that do not fit", () => {
    const zeros = (...shape: number[]): Tensor => device.zeros(shape);
    it.each([
      ["linear: w has the shape [4,5], [3,5] was expected", () => dense.linear(zeros(2, 3), zeros(4, 5))],
      ["linear: x has the shape [2,3,1], 2 axes were expected", () => dense.linear(zeros(2, 3, 1), zeros(3, 5))],
      ["linear: bias has the shape [4], [5] was expected", () => dense.linear(zeros(2, 3), zeros(3, 5), zeros(4))],
      ["linear: x has the shape [0,3]", () => dense.linear(zeros(0, 3), zeros(3, 5))],
      ["linearBackward: dy has the shape [2,4], [2,5] was expected", () => dense.linearBackward(zeros(2, 3), zeros(3, 5), zeros(2, 4), { input: true, bias: true })],
      ["channelDots: y has the shape [3,2], [2,3] was expected", () => dense.channelDots(zeros(2, 3), zeros(3, 2))],
      ["channelSums: x has the shape [2,0]", () => dense.channelSums(zeros(2, 0))],
      ["channelAffine: a has the shape [2], [3] was expected", () => dense.channelAffine(zeros(2, 3), zeros(2), zeros(3))],
      ["addInto: x has the shape [4], [3] was expected", () => dense.addInto(zeros(3), zeros(4), 1)],
      ["repeatFirst: times is 0", () => dense.repeatFirst(zeros(3), 0, 1)],
      ["meanSquaredError: target has the shape [2,4], [2,3] was expected", () => dense.meanSquaredError(zeros(2, 3), zeros(2, 4))],
      ["meanSquaredError: weights has the shape [3], [2] was expected", () => dense.meanSquaredError(zeros(2, 3), zeros(2, 3), zeros(3))],
      ["softmaxCrossEntropy: weights has the shape [3], [2] was expected", () => dense.softmaxCrossEntropy(zeros(2, 3), device.zeros([2], "i32"), zeros(3))],
    ])("%s", (message, call) => {
      expect(call).toThrow(ShapeError);
      expect(call).toThrow(message);
    });
  });
});

it("gives the same bits on any number of cpu threads", async () => {
  const [x, w, dy] = [spikes(0.2)(200 * 300), normal(300 * 70), normal(200 * 70)];
  const run = async (threads: number) => {
    const device = await openDevice("cpu", { threads });
    const [X, W, DY] = [device.tensor(x, [200, 300]), device.tensor(w, [300, 70]), device.tensor(dy, [200, 70])];
    const { dx, dw, db } = device.dense.linearBackward(X, W, DY, { input: true, bias: true });
    const { mean, variance } = device.dense.channelMoments(DY);
    const results = await Promise.all([device.dense.linear(X, W), dx!, dw, db!, mean, variance, device.dense.sumOfSquares(DY)].map((tensor) => device.read(tensor)));
    await device.dispose();
    return results;
  };
  expect(await run(2)).toEqual(await run(1));
});

it("refuses a label that is no class where it lies in the cpu's memory", async () => {
  const device = await openDevice("cpu");
  const call = () => device.dense.softmaxCrossEntropy(device.tensor(normal(4), [2, 2]), device.tensor(Int32Array.of(0, 2), [2]));
  expect(call).toThrow(/a label is 2.*classes 0 to 1/);
  await device.dispose();
});
