import { describe, expect, test } from "vitest";
import { Random } from "../../src/data/random.ts";
import { OptionError } from "../../src/errors.ts";

const KEY = "0000000000000000";
const draw = (random: Random, count: number) => Array.from({ length: count }, () => random.uint32());

/** Pearson's chi-squared statistic of counts that should be equal. */
function chiSquared(counts: readonly number[]): number {
  const expected = counts.reduce((sum, count) => sum + count, 0) / counts.length;
  return counts.reduce((sum, count) => sum + (count - expected) ** 2 / expected, 0);
}

describe("the generator", () => {
  test("gives the published sequence of xoshiro128** 1.1 from the words 1, 2, 3, 4", () => {
    const random = new Random({ key: KEY, words: [1, 2, 3, 4] });
    expect(draw(random, 10)).toEqual([
      11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597, 4258142804,
    ]);
  });

  test("is filled from the seed by SplitMix64", () => {
    // SplitMix64 from 1234567: 6457827717110365317, 3203168211198807973, low words first.
    const { words } = new Random(1234567).state;
    const [a, b, c, d] = words.map(BigInt);
    expect([a | (b << 32n), c | (d << 32n)]).toEqual([6457827717110365317n, 3203168211198807973n]);
  });

  test("repeats for one seed and differs between neighbouring seeds", () => {
    expect(draw(new Random(7), 100)).toEqual(draw(new Random(7), 100));
    expect(new Set([0, 1, 2, 3].flatMap((seed) => draw(new Random(seed), 100))).size).toBe(400);
  });

  test("every output bit is set half of the time", () => {
    const random = new Random(1);
    const draws = 20_000;
    const set = new Float64Array(32);
    for (let i = 0; i < draws; i++) {
      const bits = random.uint32();
      for (let bit = 0; bit < 32; bit++) set[bit] += (bits >>> bit) & 1;
    }
    for (const count of set) expect(Math.abs(count - draws / 2)).toBeLessThan(5 * Math.sqrt(draws / 4));
  });
});

describe("distributions", () => {
  test("uniform covers [0, 1) evenly", () => {
    const random = new Random(2);
    const bins = Array.from({ length: 100 }, () => 0);
    for (let i = 0; i < 100_000; i++) bins[Math.floor(random.uniform() * 100)]++;
    expect(bins).toHaveLength(100);
    expect(chiSquared(bins)).toBeLessThan(99 + 5 * Math.sqrt(2 * 99));
  });

  test("uniformInto covers its range evenly and stays in it", () => {
    const values = new Float32Array(100_000);
    new Random(3).uniformInto(values, -0.25, 0.75);
    const bins = Array.from({ length: 50 }, () => 0);
    for (const value of values) bins[Math.min(49, Math.floor((value + 0.25) * 50))]++;
    expect(bins).toHaveLength(50);
    expect(chiSquared(bins)).toBeLessThan(49 + 5 * Math.sqrt(2 * 49));
  });

  const normals: [name: string, draw: (count: number) => ArrayLike<number>][] = [
    ["normal", (count) => {
      const random = new Random(4);
      return Array.from({ length: count }, () => random.normal());
    }],
    ["normalInto", (count) => {
      const values = new Float32Array(count);
      new Random(4).normalInto(values, 3, 0.5);
      return values.map((value) => (value - 3) / 0.5);
    }],
  ];

  test.each(normals)("%s has the moments of the normal distribution", (_, draw) => {
    const count = 200_001;
    const values = draw(count);
    const moments = [0, 0, 0, 0];
    for (let i = 0; i < count; i++) {
      const value = values[i];
      for (let k = 0; k < 4; k++) moments[k] += value ** (k + 1) / count;
    }
    // Variance of the k-th sample moment: (E[x^2k] − E[x^k]²) / count with E[x²] = 1, E[x⁴] = 3, E[x⁶] = 15, E[x⁸] = 105.
    [[0, 1], [1, 2], [0, 15], [3, 96]].forEach(([mean, variance], k) => {
      expect(Math.abs(moments[k] - mean)).toBeLessThan(5 * Math.sqrt(variance / count));
    });
  });

  test("integer is even over ranges that do not divide 2^32", () => {
    const random = new Random(5);
    const counts = Array.from({ length: 7 }, () => 0);
    for (let i = 0; i < 70_000; i++) counts[random.integer(7)]++;
    expect(chiSquared(counts)).toBeLessThan(30);
    // Without rejection, n = 3·2^30 would give values below 2^30 half of the time instead of a third.
    let low = 0;
    for (let i = 0; i < 30_000; i++) low += Number(random.integer(3 * 2 ** 30) < 2 ** 30);
    expect(Math.abs(low - 10_000)).toBeLessThan(5 * Math.sqrt(30_000 * (1 / 3) * (2 / 3)));
    expect(random.integer(1)).toBe(0);
  });

  test("shuffle permutes, and every order of three is equally likely", () => {
    const random = new Random(6);
    const counts = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const values = Uint32Array.of(0, 1, 2);
      random.shuffle(values);
      counts.set(values.join(), (counts.get(values.join()) ?? 0) + 1);
    }
    expect([...counts.keys()].sort()).toEqual(["0,1,2", "0,2,1", "1,0,2", "1,2,0", "2,0,1", "2,1,0"]);
    expect(chiSquared([...counts.values()])).toBeLessThan(25);
  });
});

describe("forks", () => {
  test("depend on the seed and the label, not on what was drawn", () => {
    const parent = new Random(8);
    const before = draw(parent.fork("dropout"), 20);
    draw(parent, 1000);
    expect(draw(parent.fork("dropout"), 20)).toEqual(before);
    expect(draw(new Random(parent.state).fork("dropout"), 20)).toEqual(before);
    expect(draw(new Random(9).fork("dropout"), 20)).not.toEqual(before);
  });

  test("of different labels, or in a different order, are different and uncorrelated with each other and the parent", () => {
    const root = new Random(10);
    const streams = [root, root.fork("a"), root.fork("b"), root.fork(""), root.fork("a").fork("b"), root.fork("b").fork("a")];
    const count = 20_000;
    const samples = streams.map((stream) => Float64Array.from({ length: count }, () => stream.uniform() - 0.5));
    for (let i = 0; i < streams.length; i++) {
      for (let j = 0; j < i; j++) {
        const covariance = samples[i].reduce((sum, value, k) => sum + value * samples[j][k], 0) / count;
        expect(Math.abs(covariance * 12)).toBeLessThan(5 / Math.sqrt(count));
      }
    }
  });
});

describe("state", () => {
  test("restores the exact continuation, through JSON", () => {
    const random = new Random(11);
    random.normal();
    const saved = JSON.stringify(random.state);
    const continued = [random.uniform(), random.normal(), random.integer(1000)];
    const restored = new Random(0);
    restored.state = JSON.parse(saved);
    expect([restored.uniform(), restored.normal(), restored.integer(1000)]).toEqual(continued);
  });

  test.each([
    null,
    {},
    { key: "12", words: [1, 2, 3, 4] },
    { key: KEY, words: [1, 2, 3] },
    { key: KEY, words: [1, 2, 3, -1] },
    { key: KEY, words: [1, 2, 3, 0.5] },
    { key: KEY, words: [1, 2, 3, 2 ** 32] },
    { key: KEY, words: [0, 0, 0, 0] },
  ])("refuses %j", (state) => {
    expect(() => new Random(state as never)).toThrow(OptionError);
  });
});

test.each([[-1], [0.5], [NaN], [2 ** 53], [undefined], [null], ["1"]])("refuses the seed %s", (seed) => {
  expect(() => new Random(seed as never)).toThrow(OptionError);
  expect(() => new Random(seed as never)).toThrow(/the seed is .*: expected an integer ≥ 0/);
});

test("refuses impossible ranges", () => {
  const random = new Random(12);
  for (const n of [0, -1, 1.5, NaN, 2 ** 32 + 1]) expect(() => random.integer(n)).toThrow(OptionError);
  expect(() => random.uniformInto(new Float32Array(1), 1, 0)).toThrow(OptionError);
  expect(() => random.uniformInto(new Float32Array(1), 0, Infinity)).toThrow(OptionError);
});
