import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import { CpuDevice } from "../../src/device/cpu/device.ts";
import { type LayerLike, linear, Model, rate, sequential, spiking, Tape } from "../../src/nn/index.ts";
import { lif } from "../../src/neuron/index.ts";
import { alone, type ProcessGroup } from "../../src/parallel/group.ts";
import { shareOf } from "../../src/parallel/shares.ts";
import { GradientBuckets } from "../../src/train/buckets.ts";
import { adam } from "../../src/train/optimizer.ts";
import { Trainer } from "../../src/train/trainer.ts";
import { quadrants, smallNetwork } from "../train/digits.ts";

let device: CpuDevice;
beforeAll(async () => void (device = await CpuDevice.open(1)));
afterAll(() => device.dispose());

/** Elements of each parameter of the last pass, by name. */
const sizes = new Map<string, number>();
const neuron = lif({ decayInput: false });

/** Runs a pass backward, and tells in which order gradients become final, sums begin and end. */
function log(body: LayerLike, bytes: number): string[] {
  const said: string[] = [];
  using model = Model.build(body, { device, inputShape: [16], steps: 2, random: new Random(1) });
  const group: ProcessGroup = {
    ...alone(),
    allReduce: ({ size }) => {
      said.push(`sum ${size}`);
      return { join: () => void said.push(`join ${size}`) };
    },
  };
  using buckets = new GradientBuckets(group, model.parameters(), bytes);
  for (const { name, value } of model.parameters()) sizes.set(name, value.size);
  const names = new Map(model.parameters().map((parameter) => [parameter as object, parameter.name]));
  using tape = new Tape(device, { steps: 2, training: true, onFinal: (parameter) => {
    said.push(names.get(parameter)!);
    buckets.add(parameter);
  } });
  using x = device.tensor(new Float32Array(2 * 3 * 16).fill(0.5), [2, 3, 16]);
  const y = model.forward(tape, tape.input(x));
  using seed = device.tensor(new Float32Array(3 * 4).fill(1), [3, 4]);
  tape.backward(y, seed);
  said.push("end");
  buckets.join();
  for (const parameter of model.parameters()) {
    expect(parameter.gradient!.shape).toEqual(parameter.value.shape);
    parameter.gradient!.dispose();
    parameter.gradient = null;
  }
  return said;
}

const layers = () => [linear(16, 8), spiking(neuron), linear(8, 8), spiking(neuron), linear(8, 4), spiking(neuron), rate()] as const;

describe("gradients of several ranks", () => {
  it("are sent in buckets as soon as they are final, the last layer's first", () => {
    // Of 4 bytes: 32 + 4, 64 + 8, 128 + 8; a gradient begins at a multiple of 64 in its bucket.
    expect(log(sequential(...layers()), 4 * 80)).toEqual([
      "4.weight", "4.bias", "2.weight", "sum 192", "2.bias", "0.weight", "sum 128", "0.bias", "end", "sum 128", "join 192", "join 128", "join 128",
    ]);
    expect(log(sequential(...layers()), 4)).toEqual([
      "4.weight", "sum 32", "4.bias", "sum 4", "2.weight", "sum 64", "2.bias", "sum 8", "0.weight", "sum 128", "0.bias", "sum 8", "end", "join 32", "join 4", "join 64", "join 8", "join 128", "join 8",
    ]);
  });

  it("of a layer that is called twice are final after its first call, which comes last", () => {
    const [first, mix, fire, last, read] = [linear(16, 8), linear(8, 8), spiking(neuron), linear(8, 4), rate()];
    const said = log((tape, x) => {
      const once = fire.forward(tape, mix.forward(tape, first.forward(tape, x)));
      return read.forward(tape, fire.forward(tape, last.forward(tape, fire.forward(tape, mix.forward(tape, once)))));
    }, 1 << 20).filter((each) => each.includes("."));
    // Each once, and those of the layer that is called twice before those of the first one.
    expect(said).toHaveLength(6);
    expect(new Set(said).size).toBe(6);
    const order = said.filter((name) => name.endsWith("weight")).map((name) => sizes.get(name));
    expect(order).toEqual([32, 64, 128]);
  });

  it("wait for the end of the backward pass where an operation does not name its parameters", () => {
    const [first, fire, last, again, read] = [linear(16, 8), spiking(neuron), linear(8, 4), spiking(neuron), rate()];
    const said = log((tape, x) => {
      const h = fire.forward(tape, first.forward(tape, x)).plain();
      const [y] = tape.record({ inputs: [h], outputs: [{ value: h.value.reshape(h.value.shape), shape: h.shape, time: "varying" }], learns: true, passesGradient: true, backward: ([g]) => [g] });
      return read.forward(tape, again.forward(tape, last.forward(tape, y)));
    }, 4);
    expect(said[0]).toBe("end");
    expect(said.filter((each) => each.startsWith("sum"))).toHaveLength(4);
  });

  it("take nothing on one rank: as many launches, copies and bytes as without a group", async () => {
    const run = async (group: ProcessGroup | undefined) => {
      using model = Model.build(smallNetwork(), { device, inputShape: [16], steps: 4, random: new Random(1) });
      const trainer = new Trainer(model, { optimizer: adam({ lr: 0.01 }), clipNorm: 1, group, syncBatchNorm: group && true });
      let launches = 0;
      const original = device.pool.run;
      device.pool.run = function run(...given) {
        launches++;
        return original.apply(this, given);
      };
      try {
        const { steps } = await trainer.fit(quadrants(64, 1), { epochs: 1, batchSize: 16 });
        return { launches, losses: steps.map(({ loss }) => loss), bytes: device.bytesInUse };
      } finally {
        device.pool.run = original;
        trainer.dispose();
      }
    };
    const without = await run(undefined);
    expect(without.launches).toBeGreaterThan(50);
    expect(await run(alone())).toEqual(without);
  });
});

describe("shares", () => {
  it("of a batch follow one another and differ by one at most", () => {
    for (const size of [1, 2, 3, 7])
      for (const all of [1, 2, 6, 7, 8, 100]) {
        const shares = Array.from({ length: size }, (_, rank) => shareOf(all, { rank, size }));
        let next = 0;
        for (const { first, own } of shares) {
          expect(first).toBe(next);
          next += own;
        }
        expect(next).toBe(all);
        expect(Math.max(...shares.map(({ own }) => own)) - Math.min(...shares.map(({ own }) => own))).toBeLessThanOrEqual(1);
      }
  });
});
