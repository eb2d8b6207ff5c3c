import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/index.ts";
import { batchNorm2d, clearGradients, linear, rate, recompute, sequential, spiking, Tape, tebn } from "../../src/nn/index.ts";
import { lif } from "../../src/neuron/index.ts";
import type { SharedStatistics } from "../../src/nn/statistics.ts";
import { rehearse } from "../parallel/rehearsal.ts";
import { buildModel, openTestDevice, read, relativeError, uniform } from "./helpers.ts";

const [steps, features, classes] = [3, 6, 4];
const neuron = lif({ decayInput: false });
let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

interface Pass {
  output: Float32Array;
  input: Float32Array;
  /** Parameters' gradients and running statistics, by name. */
  tensors: Record<string, Float32Array>;
}

interface PassOptions {
  body: () => ReturnType<typeof sequential>;
  /** Of the whole batch. */
  batch: number;
  /** The samples that the pass has: the first, and how many. */
  share: readonly [number, number];
  timeConstant?: boolean;
  /** Of the loss. Default 1. */
  weight?: number;
  statistics?: SharedStatistics;
}

/** A pass of some samples of a batch, which leaves nothing on the device. */
async function pass(options: PassOptions): Promise<Pass> {
  const before = device.bytesInUse;
  const result = await run(options);
  expect(device.bytesInUse).toBe(before);
  return result;
}

async function run({ body, batch, share: [first, count], timeConstant = false, weight = 1, statistics }: PassOptions): Promise<Pass> {
  using model = buildModel(body(), device, [features], steps);
  const part = (values: Float32Array, rows: number, width: number): Float32Array =>
    Float32Array.from({ length: rows * count * width }, (_, i) => values[(Math.floor(i / (count * width)) * batch + first) * width + (i % (count * width))]);
  const rows = timeConstant ? 1 : steps;
  // Means away from zero.
  using x = device.tensor(part(uniform(rows * batch * features, 3, 1, 3), rows, features), [rows, count, features]);
  using tape = new Tape(device, { steps, training: true, statistics });
  const input = tape.input(x, { timeConstant, requiresGradient: true });
  const y = model.forward(tape, input);
  const output = await read(y.value);
  using seed = device.tensor(part(uniform(batch * classes, 9), 1, classes).map((value) => value * weight), [count, classes]);
  const [dx] = tape.backward(y, seed, [input]);
  using gradient = dx!;
  const tensors = [...model.parameters().map(({ name, gradient }) => ({ name, value: gradient! })), ...model.buffers()];
  const values = await Promise.all(tensors.map(async ({ name, value }) => [name, await read(value)] as const));
  clearGradients(model.parameters());
  return { output, input: await read(gradient), tensors: Object.fromEntries(values) };
}

const bodies: [string, () => ReturnType<typeof sequential>][] = [
  ["batchNorm2d", () => sequential(linear(features, 5, { bias: false }), batchNorm2d(5), spiking(neuron), linear(5, classes, { bias: false }), batchNorm2d(classes), spiking(neuron), rate())],
  ["tebn", () => sequential(linear(features, 5, { bias: false }), tebn(steps, 5), spiking(neuron), linear(5, classes), rate())],
  ["recompute", () => sequential(recompute(linear(features, 5, { bias: false }), batchNorm2d(5), spiking(neuron)), linear(5, classes), rate())],
];

describe("statistics of several ranks", () => {
  const batch = 7;
  const shares: [number, number][] = [[0, 4], [4, 2], [6, 1]];

  for (const [name, body] of bodies)
    for (const timeConstant of [false, true])
      it(`${name}: outputs, gradients and running statistics are those of one pass of the whole batch${timeConstant ? ", of an input that holds over time" : ""}`, async () => {
        const whole = await pass({ body, batch, share: [0, batch], timeConstant });
        const parts = await rehearse(shares.length, (group) =>
          pass({ body, batch, share: shares[group.rank], timeConstant, statistics: { group, own: shares[group.rank][1], all: batch } }));
        const joined = (of: (result: Pass) => Float32Array, rows: number, width: number): Float32Array => {
          const all = new Float32Array(rows * batch * width);
          parts.forEach((result, rank) => of(result).forEach((value, i) => {
            const [first, count] = shares[rank];
            all[(Math.floor(i / (count * width)) * batch + first) * width + (i % (count * width))] = value;
          }));
          return all;
        };
        expect(joined(({ output }) => output, 1, classes)).toEqual(whole.output);
        expect(relativeError(joined(({ input }) => input, timeConstant ? 1 : steps, features), whole.input)).toBeLessThan(2e-5);
        for (const [tensor, expected] of Object.entries(whole.tensors)) {
          const isStatistic = tensor.includes("running");
          const found = expected.map((_, i) => (isStatistic ? parts[0].tensors[tensor][i] : parts.reduce((sum, { tensors }) => sum + tensors[tensor][i], 0)));
          if (isStatistic) for (const part of parts) expect(part.tensors[tensor]).toEqual(parts[0].tensors[tensor]);
          expect(relativeError(found, expected, 1e-3), tensor).toBeLessThan(2e-5);
        }
      });

  it("take in nothing of a pass that stands in for an empty share", async () => {
    const [[, body]] = bodies;
    const batch = 5;
    const whole = await pass({ body, batch, share: [0, batch] });
    const parts = await rehearse(2, (group) => group.rank === 0
      ? pass({ body, batch, share: [0, batch], statistics: { group, own: batch, all: batch } })
      : pass({ body, batch, share: [0, 1], weight: 0, statistics: { group, own: 0, all: batch, passed: 1 } }));
    for (const [tensor, expected] of Object.entries(whole.tensors)) {
      expect(relativeError(parts[0].tensors[tensor], expected, 1e-3), tensor).toBeLessThan(1e-5);
      if (!tensor.includes("running")) expect(parts[1].tensors[tensor].every((value) => value === 0), tensor).toBe(true);
    }
  });
});
