import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Device } from "../../src/device/device.ts";
import { openDevice } from "../../src/device/open.ts";
import { OptionError, SpikefoldError } from "../../src/errors.ts";
import type { Parameter } from "../../src/nn/layer.ts";
import { GradientClipper } from "../../src/train/clip.ts";
import { adam, adamW, type Optimizer, OptimizerRun, sgd } from "../../src/train/optimizer.ts";

interface Reference {
  start: number[];
  gradients: number[][];
  rates: number[];
  cases: { optimizer: "sgd" | "adam" | "adamW"; options: never; weights: number[][] }[];
}
const reference: Reference = JSON.parse(readFileSync(new URL("optimizers.json", import.meta.url), "utf8"));
const makers = { sgd, adam, adamW };

let device: Device;
beforeAll(async () => {
  device = await openDevice("cpu");
});
afterAll(() => device.dispose());

const parameter = (name: string, values: number[], decay = true): Parameter => ({
  name, decay, value: device.tensor(Float32Array.from(values), [values.length]), gradient: null,
});
const setGradient = (to: Parameter, values: number[]) => {
  to.gradient?.dispose();
  to.gradient = device.tensor(Float32Array.from(values), [values.length]);
};
const read = async (of: Parameter) => [...(await device.read(of.value))];
const closeTo = (actual: number[], expected: number[]) => actual.forEach((value, i) => expect(value).toBeCloseTo(expected[i], 6));

describe("optimisers", () => {
  it.each(reference.cases)("$optimizer $options makes PyTorch's updates", async ({ optimizer, options, weights }) => {
    const p = parameter("w", reference.start);
    const run = new OptimizerRun(makers[optimizer](options), [p], device);
    for (const [i, gradient] of reference.gradients.entries()) {
      setGradient(p, gradient);
      run.step(reference.rates[i]);
      closeTo(await read(p), weights[i]);
    }
    expect(run.count).toBe(5);
  });

  it("leaves weights that do not decay alone", async () => {
    const [decaying, fixed] = [parameter("w", [1, 1]), parameter("b", [1, 1], false)];
    const run = new OptimizerRun(adamW({ lr: 0.1, weightDecay: 0.5 }), [decaying, fixed], device);
    for (const each of [decaying, fixed]) setGradient(each, [0, 0]);
    run.step();
    closeTo(await read(decaying), [0.95, 0.95]);
    expect(await read(fixed)).toEqual([1, 1]);
  });

  it("goes on exactly from a state that was saved", async () => {
    const values = Array.from({ length: 1003 }, (_, i) => Math.sin(i));
    const gradients = (step: number) => values.map((value) => Math.cos(value * step));
    const train = async (steps: number[], w: number[], restored?: { count: number; state: Record<string, Float32Array> }) => {
      const p = parameter("w", w);
      const run = new OptimizerRun(adam({ lr: 0.01 }), [p], device);
      if (restored) {
        run.count = restored.count;
        for (const [name, tensor] of Object.entries(run.state())) device.write(tensor, restored.state[name]);
      }
      for (const step of steps) {
        setGradient(p, gradients(step));
        run.step();
      }
      const state: Record<string, Float32Array> = {};
      for (const [name, tensor] of Object.entries(run.state())) state[name] = (await device.read(tensor)) as Float32Array;
      return { w: await read(p), count: run.count, state };
    };
    const whole = await train([1, 2, 3, 4], values);
    const half = await train([1, 2], values);
    expect(Object.keys(half.state)).toEqual(["m.w", "v.w"]);
    const rest = await train([3, 4], half.w, half);
    expect(rest.w).toEqual(whole.w);
    expect(rest.state).toEqual(whole.state);
  });

  it("says which parameter has no gradient", () => {
    const run = new OptimizerRun(sgd({ lr: 1 }), [parameter("0.weight", [1])], device);
    expect(() => run.step()).toThrow(/0\.weight has no gradient/);
    expect(() => run.step()).toThrow(SpikefoldError);
  });

  it.each<() => Optimizer>([
    () => sgd({ lr: 0 }), () => sgd({ lr: NaN }), () => sgd({ lr: 1, momentum: 1 }), () => sgd({ lr: 1, nesterov: true }), () => sgd({ lr: 1, weightDecay: -1 }),
    () => adam({ lr: -1 }), () => adam({ betas: [1, 0.9] }), () => adam({ eps: 0 }), () => adamW({ weightDecay: Infinity }),
    () => adam({ eps: 1e-46 }), () => sgd({ lr: 1e39 }), () => adam({ betas: 0.9 as never }), () => sgd(undefined as never), () => sgd({} as never), () => adam(1e-3 as never),
  ])("refuses options out of range (%#)", (make) => expect(make).toThrow(OptionError));

  it("names an option that there is not, with the nearest", () => {
    expect(() => adam({ beta1: 0.9 } as never)).toThrow(/adam has no option beta1: did you mean betas\?/);
    expect(() => adamW({ wd: 0.1 } as never)).toThrow(/adamW has no option wd; it has lr, betas, eps, weightDecay/);
    expect(() => sgd({ learningRate: 0.1 } as never)).toThrow(/sgd has no option learningRate/);
  });

  it("takes an option that is undefined for one that is not given", () => {
    expect(adamW({ weightDecay: undefined, lr: undefined }).options).toEqual(adamW().options);
    expect(adamW().options.weightDecay).toBe(0.01);
    expect(adam({ weightDecay: undefined }).options).toEqual(adam().options);
    expect(sgd({ lr: 1, momentum: undefined }).options).toEqual(sgd({ lr: 1 }).options);
  });
});

describe("gradient clipping", () => {
  it("scales all gradients together to the norm allowed, and only larger ones", async () => {
    const gradients = [[3, 0], [0, 4, 0]].map((values) => device.tensor(Float32Array.from(values), [values.length]));
    const clip = async (maxNorm: number) => (await device.read(new GradientClipper(maxNorm, device).factor(gradients)))[0];
    expect(await clip(1)).toBeCloseTo(0.2, 6);
    expect(await clip(2.5)).toBeCloseTo(0.5, 6);
    expect(await clip(6)).toBe(1);
  });

  it("is part of the update", async () => {
    const p = parameter("w", [0, 0]);
    setGradient(p, [30, 40]);
    const run = new OptimizerRun(sgd({ lr: 1 }), [p], device);
    run.step(1, new GradientClipper(5, device).factor([p.gradient!]));
    closeTo(await read(p), [-3, -4]);
  });

  it("refuses a norm that is not positive", () => {
    expect(() => new GradientClipper(0, device)).toThrow(OptionError);
  });
});
