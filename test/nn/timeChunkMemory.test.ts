import { afterAll, beforeAll, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/index.ts";
import { leaky, lif } from "../../src/neuron/index.ts";
import { clearGradients, linear, Model, rate, recurrent, sequential, spiking, Tape } from "../../src/nn/index.ts";
import { TimeChunk } from "../../src/nn/timeChunk.ts";
import { queues } from "../parallel/queues.ts";
import { openTestDevice } from "./helpers.ts";
import { peakOf } from "./peak.ts";

const [STEPS, BATCH] = [1024, 4];
let device: Device;
beforeAll(async () => void (device = await openTestDevice()));
afterAll(() => device.dispose());

const build = (): Model => Model.build(
  sequential(linear(8, 64), spiking(lif()), linear(64, 64), recurrent(leaky({ beta: 0.9 })), linear(64, 4), spiking(lif()), rate()), { device, inputShape: [8], steps: STEPS, random: new Random(1) },
);

/** The most bytes that the pass of any rank takes, parameters left out. Ranks wait for one another within a pass: here each is told zeros, which changes no size. */
function peak(model: Model, chunks: number): number {
  const peaks = queues(chunks).map((group) => {
    const told = { ...group, send: () => undefined, receive: () => undefined };
    return peakOf(device, () => {
      using carry = new TimeChunk(told, STEPS);
      using x = device.zeros([carry.count, BATCH, 8]);
      using tape = new Tape(device, { steps: carry.count, training: true, carry });
      const y = model.forward(tape, tape.input(x));
      using seed = device.zeros(y.value.shape);
      tape.backward(y, seed);
      clearGradients(model.parameters());
    });
  });
  return Math.max(...peaks);
}

it("a chunk of 1024 steps takes about as much memory as its share of them, as planned", () => {
  using model = build();
  const whole = peak(model, 1);
  const held = model.parameters().reduce((sum, { value }) => sum + 4 * value.size, 0);
  for (const chunks of [2, 4, 8]) {
    const found = peak(model, chunks);
    expect(found / whole).toBeGreaterThan(0.95 / chunks);
    // Weights' gradients and the states at the borders do not get fewer.
    expect(found / whole).toBeLessThan(1.1 / chunks + 0.02);
    const planned = model.memory({ batch: BATCH, timeChunks: chunks }).training - held;
    expect(Math.abs(planned / found - 1)).toBeLessThan(0.05);
  }
});

it("refuses more chunks than steps", () => {
  using model = build();
  expect(() => model.memory({ batch: 1, timeChunks: 1025 })).toThrow(/T = 1024 time steps cannot be cut into 1025 chunks/);
});
