import { describe, expect, it } from "vitest";
import { decimate, linearScale, logScale, smooth, type Point } from "../../../src/train/report/scale.ts";

describe("scales", () => {
  it("map their domain onto 0…1 with round ticks inside it", () => {
    for (const [lo, hi] of [[0, 1], [0.8, 1], [0, 6], [-3, 17], [0, 4690], [0, 1e-7]]) {
      const scale = linearScale(lo, hi);
      expect([scale(lo), scale(hi)]).toEqual([0, 1]);
      expect(scale.ticks.length).toBeGreaterThanOrEqual(3);
      expect(scale.ticks.length).toBeLessThanOrEqual(6);
      for (const tick of scale.ticks) expect(scale(tick) >= -1e-9 && scale(tick) <= 1 + 1e-9).toBe(true);
    }
    expect(linearScale(0.8, 1).ticks).toEqual([0.8, 0.85, 0.9, 0.95, 1]);
  });

  it("keep a domain of a single value drawable", () => {
    expect(linearScale(3, 3)(3)).toBe(0.5);
  });

  it("give equal ratios equal lengths when logarithmic", () => {
    const scale = logScale(0.02, 3);
    expect(scale(0.2) - scale(0.02)).toBeCloseTo(scale(2) - scale(0.2), 12);
    expect(scale.ticks).toEqual([0.03, 0.1, 0.3, 1, 3]);
  });
});

describe("smooth", () => {
  const line = (f: (x: number) => number): Point[] => Array.from({ length: 100 }, (_, x) => [x, f(x)]);

  it("keeps a straight line straight, away from its end", () => {
    for (const [x, y] of smooth(line((x) => 3 * x), 10).slice(0, 90)) expect(y).toBeCloseTo(3 * x, 9);
  });

  it("starts where the curve starts, and takes the noise out", () => {
    const noisy = line((x) => (x % 2 === 0 ? 1 : -1));
    expect(smooth(noisy, 10)[0]).toEqual([0, 1]);
    for (const [, y] of smooth(noisy, 10).slice(10)) expect(Math.abs(y)).toBeLessThan(0.1);
  });

  it("leaves out what is not finite", () => {
    expect(smooth([[0, 1], [1, NaN], [2, Infinity], [3, 1]], 5)).toEqual([[0, 1], [3, 1]]);
  });
});

describe("decimate", () => {
  it("keeps order, ends within the limit and loses no peak", () => {
    const values = Array.from({ length: 10_007 }, (_, i) => Math.sin(i / 100));
    values[5003] = 42;
    values[7001] = -42;
    const kept = decimate(values.map((y, x): Point => [x, y]), ([, y]) => y, 500);
    expect(kept.length).toBeLessThanOrEqual(500);
    expect(kept.map(([x]) => x)).toEqual(kept.map(([x]) => x).toSorted((a, b) => a - b));
    expect(kept.map(([, y]) => y)).toEqual(expect.arrayContaining([42, -42]));
  });

  it("leaves few items alone", () => {
    expect(decimate([3, 1, 2], (x) => x, 3)).toEqual([3, 1, 2]);
  });
});
