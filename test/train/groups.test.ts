import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Random } from "../../src/data/random.ts";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { Model } from "../../src/nn/index.ts";
import type { ParameterGroup } from "../../src/train/groups.ts";
import { adamW, sgd } from "../../src/train/optimizer.ts";
import { Trainer, type TrainerOptions } from "../../src/train/trainer.ts";
import { quadrants, smallNetwork } from "./digits.ts";

const data = quadrants(64, 1);
let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.dispose());

const make = (options: Partial<TrainerOptions>) =>
  new Trainer(Model.build(smallNetwork(), { device, inputShape: [16], steps: 4, random: new Random(3) }), { optimizer: sgd({ lr: 0.1 }), ...options });
const read = async ({ model }: Trainer): Promise<Record<string, readonly number[]>> =>
  Object.fromEntries(await Promise.all(model.parameters().map(async ({ name, value }) => [name, [...(await device.read(value))]] as const)));

/** The weights before and after training. */
async function trained(options: Partial<TrainerOptions>, epochs = 1) {
  const trainer = make(options);
  const before = await read(trainer);
  await trainer.fit(data, { epochs, batchSize: 64 });
  return { before, after: await read(trainer), trainer };
}

const groups: ParameterGroup[] = [{ parameters: ["0.bias"], rate: 0.25 }, { parameters: ["0."], rate: 0 }];

describe("groups", () => {
  it("gives parameters their share of the learning rate, and leaves the frozen as they are", async () => {
    const all = await trained({});
    const { before, after } = await trained({ groups });
    expect(after["0.weight"]).toEqual(before["0.weight"]);
    expect(after["2.weight"]).toEqual(all.after["2.weight"]);
    const moved = after["0.bias"].map((bias, i) => (bias - before["0.bias"][i]) / (all.after["0.bias"][i] - before["0.bias"][i]));
    for (const share of moved.filter(Number.isFinite)) expect(share).toBeCloseTo(0.25, 2);
    expect(moved.filter(Number.isFinite).length).toBeGreaterThan(5);
  });

  it("keeps the frozen from weight decay, the optimiser's memory and the clipped norm", async () => {
    const { before, after, trainer } = await trained({ optimizer: adamW({ weightDecay: 0.5 }), groups: [{ parameters: ["0."], rate: 0 }], clipNorm: 0.1 }, 2);
    expect(after["0.weight"]).toEqual(before["0.weight"]);
    expect(after["2.weight"]).not.toEqual(before["2.weight"]);
    expect(Object.keys(trainer.optimizer.state())).toEqual(["m.2.weight", "v.2.weight", "m.2.bias", "v.2.bias"]);
    // A norm of the trained gradients alone: as of a network whose first layer has no gradient worth speaking of.
    const unclipped = await trained({ groups: [{ parameters: ["0."], rate: 0 }] });
    const clipped = await trained({ groups: [{ parameters: ["0."], rate: 0 }], clipNorm: 1e-3 });
    const norm = ({ before: a, after: b }: { before: Record<string, readonly number[]>; after: Record<string, readonly number[]> }) =>
      Math.hypot(...Object.keys(a).flatMap((name) => a[name].map((value, i) => b[name][i] - value)));
    expect(norm(unclipped)).toBeGreaterThan(1e-3);
    expect(norm(clipped)).toBeCloseTo(0.1 * 1e-3, 6);
  });

  it.each([
    [[{ parameters: ["0.wieght"], rate: 0 }], /groups\[0\]: the model has no parameter "0\.wieght": did you mean 0\.weight\?; it has 0\.weight, 0\.bias, 2\.weight, 2\.bias/],
    [[{ parameters: ["0."], rate: -1 }], /groups\[0\]: rate is -1: expected a finite number ≥ 0/],
    [[{ parameters: "0.", rate: 1 }], /groups\[0\]: parameters is "0\."/],
    [[{ parameter: ["0."], rate: 1 }], /groups\[0\] has no option parameter: did you mean parameters\?/],
    [{ parameters: ["0."], rate: 1 }, /groups is an object/],
  ])("refuses %j", (wrong, message) => {
    expect(() => make({ groups: wrong as never })).toThrow(message);
  });

  it("says that nothing is left to train", async () => {
    await expect(make({ groups: [{ parameters: ["0.", "2."], rate: 0 }] }).fit(data, { epochs: 1 })).rejects.toThrow(/no parameters to learn, or all are frozen/);
  });
});
