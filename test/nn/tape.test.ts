import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device, Tensor } from "../../src/device/index.ts";
import { OptionError } from "../../src/errors.ts";
import { lif } from "../../src/neuron/index.ts";
import { linear, rate, spiking, Tape, type Variable } from "../../src/nn/index.ts";
import { buildModel, openTestDevice, read, uniform } from "./helpers.ts";

let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const filled = (value: number, shape: readonly number[]): Tensor => device.tensor(new Float32Array(shape.reduce((a, b) => a * b)).fill(value), shape);
const training = (steps = 2): Tape => new Tape(device, { steps, training: true });

describe("the gradients that backward returns", () => {
  it("share no memory with each other or with the seed", async () => {
    const start = device.bytesInUse;
    {
      using tape = training();
      using x = filled(1, [2, 1, 4]);
      using seed = filled(1, [2, 1, 4]);
      const [a, b] = [tape.input(x, { requiresGradient: true }), tape.input(x, { requiresGradient: true })];
      const sum = tape.add(a, b);
      const gradients = tape.backward(sum, seed, [a, b, sum, a]) as Tensor[];
      for (const [i, gradient] of gradients.entries()) device.dense.scale(gradient, i + 2);
      expect(await Promise.all([...gradients, seed].map(async (tensor) => (await read(tensor))[0]))).toEqual([2, 3, 4, 5, 1]);
      for (const gradient of gradients) gradient.dispose();
    }
    expect(device.bytesInUse).toBe(start);
  });

  it("are a copy of the seed for the output itself", async () => {
    using tape = training();
    using x = filled(1, [2, 1, 4]);
    using seed = filled(1, [2, 1, 4]);
    const input = tape.input(x, { requiresGradient: true });
    const [gradient] = tape.backward(input, seed, [input]) as Tensor[];
    device.dense.scale(gradient, 5);
    expect((await read(seed))[0]).toBe(1);
    gradient.dispose();
  });

  it("include those of values in between, at each step", async () => {
    const [steps, batch] = [3, 2];
    const [first, last, readOut] = [linear(4, 5), linear(5, 5), rate()];
    let hidden: Variable | undefined;
    using model = buildModel((tape, x) => {
      hidden = first.forward(tape, x);
      return readOut.forward(tape, last.forward(tape, hidden));
    }, device, [4], steps);
    using x = device.tensor(uniform(steps * batch * 4, 1), [steps, batch, 4]);
    const seedValues = uniform(batch * 5, 2);
    using seed = device.tensor(seedValues, [batch, 5]);
    using tape = training(steps);
    const y = model.forward(tape, tape.input(x));
    const [gradient] = tape.backward(y, seed, [hidden!]) as Tensor[];
    expect(gradient.shape).toEqual([steps, batch, 5]);
    const [values, weight] = [await read(gradient), await read(model.parameters()[2].value)];
    for (let i = 0; i < values.length; i++) {
      const [row, column] = [Math.floor(i / 5) % batch, i % 5];
      const expected = [0, 1, 2, 3, 4].reduce((sum, k) => sum + (seedValues[row * 5 + k] * weight[column * 5 + k]) / steps, 0);
      expect(values[i]).toBeCloseTo(expected, 6);
    }
    gradient.dispose();
  });

  it("include that of a sum whose value was read before it was used, and no other sum's", async () => {
    const run = async (readEarly: boolean, readLate: boolean): Promise<Float32Array> => {
      let sum: Variable | undefined;
      const fire = spiking(lif({ threshold: 0.3 }));
      using model = buildModel((tape, x) => {
        sum = tape.add(x, x);
        if (readEarly && !tape.building) void sum.value;
        return fire.forward(tape, sum);
      }, device, [4], 3);
      using x = device.tensor(uniform(24, 1, 0, 1), [3, 2, 4]);
      using seed = device.tensor(uniform(24, 2), [3, 2, 4]);
      using tape = training(3);
      const input = tape.input(x, { requiresGradient: true });
      const y = model.forward(tape, input);
      void y.value;
      if (readLate) void sum!.value;
      const [ofSum, ofInput] = tape.backward(y, seed, [sum!, input]) as Tensor[];
      const [half, whole] = [await read(ofSum), await read(ofInput)];
      expect(whole).toEqual(half.map((g) => 2 * g));
      for (const gradient of [ofSum, ofInput]) gradient.dispose();
      return half;
    };
    expect((await run(true, false)).some((g) => g !== 0)).toBe(true);
    for (const readLate of [false, true]) await expect(run(false, readLate)).rejects.toThrow(OptionError);
  });
});
