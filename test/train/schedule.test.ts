import { describe, expect, it } from "vitest";
import { OptionError } from "../../src/errors.ts";
import { constant, cosine, type Schedule, stepDecay } from "../../src/train/schedule.ts";

const factors = (schedule: Schedule, totalSteps: number, stepsPerEpoch = 10) =>
  Array.from({ length: totalSteps }, (_, step) => schedule.factor({ step, epoch: Math.floor(step / stepsPerEpoch), totalSteps, stepsPerEpoch }));

describe("schedules", () => {
  it("constant keeps the rate", () => {
    expect(factors(constant(), 4)).toEqual([1, 1, 1, 1]);
  });

  it("cosine falls from 1 to final, half-way at the middle", () => {
    const schedule = cosine({ final: 0.2 });
    const all = factors(schedule, 100);
    expect(all[0]).toBe(1);
    expect(all[50]).toBeCloseTo(0.6, 12);
    for (let i = 1; i < all.length; i++) expect(all[i]).toBeLessThan(all[i - 1]);
    expect(schedule.factor({ step: 100, epoch: 10, totalSteps: 100, stepsPerEpoch: 10 })).toBeCloseTo(0.2, 12);
    expect(schedule.factor({ step: 150, epoch: 15, totalSteps: 100, stepsPerEpoch: 10 })).toBeCloseTo(0.2, 12);
  });

  it("cosine rises linearly through the warm-up, never from 0", () => {
    const all = factors(cosine({ warmup: 4 }), 20);
    [0.2, 0.4, 0.6, 0.8, 1].forEach((expected, step) => expect(all[step]).toBeCloseTo(expected, 12));
    expect(all[5]).toBeLessThan(1);
  });

  it("a warm-up longer than the training stays a warm-up", () => {
    expect(factors(cosine({ warmup: 10 }), 3).every((factor) => factor > 0 && factor < 0.5)).toBe(true);
  });

  it("stepDecay multiplies after whole epochs", () => {
    const all = factors(stepDecay({ every: 2, gamma: 0.5 }), 60);
    expect(all[19]).toBe(1);
    expect(all[20]).toBe(0.5);
    expect(all[59]).toBe(0.25);
  });

  it.each([() => cosine({ warmup: -1 }), () => cosine({ final: 2 }), () => cosine({ final: NaN }), () => stepDecay({ every: 0 }), () => stepDecay({ every: 1, gamma: 0 })])(
    "refuses options out of range (%#)",
    (make) => expect(make).toThrow(OptionError),
  );
});
