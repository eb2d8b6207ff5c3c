import { describe, expect, test } from "vitest";
import { type LatencyOptions, constant, latency, poissonRate } from "../../src/data/encode.ts";
import { Random } from "../../src/data/random.ts";
import { OptionError, ShapeError } from "../../src/errors.ts";

/** The steps at which each input spikes. */
function spikeSteps({ data, shape }: { data: Float32Array; shape: readonly number[] }): number[][] {
  const size = data.length / shape[0];
  return Array.from({ length: size }, (_, i) => Array.from(data.keys()).filter((k) => k % size === i && data[k] === 1).map((k) => Math.floor(k / size)));
}

const row = (values: readonly number[]) => Float32Array.from(values);

describe("constant", () => {
  test("is the data itself, as one step", () => {
    const values = row([-2, 0.5, 3, NaN, 0, 1]);
    const { data, shape } = constant()(values, [2, 3]);
    expect(data).toBe(values);
    expect(shape).toEqual([1, 2, 3]);
  });
});

describe("poissonRate", () => {
  test("spikes at the rate of the intensity, at every step alike", () => {
    const steps = 20;
    const intensities = [0, 0.01, 0.25, 0.5, 0.9, 1];
    const batch = 1000;
    const values = Float32Array.from({ length: batch * intensities.length }, (_, i) => intensities[i % intensities.length]);
    const { data, shape } = poissonRate({ steps, random: new Random(1) })(values, [batch, intensities.length]);
    expect(shape).toEqual([steps, batch, intensities.length]);
    expect(data.every((value) => value === 0 || value === 1)).toBe(true);
    const counts = Array.from({ length: steps * intensities.length }, () => 0);
    data.forEach((value, k) => {
      counts[Math.floor(k / values.length) * intensities.length + (k % intensities.length)] += value;
    });
    counts.forEach((count, k) => {
      const p = intensities[k % intensities.length];
      // Exact for p = 0 and p = 1.
      expect(Math.abs(count - batch * p)).toBeLessThanOrEqual(5 * Math.sqrt(batch * p * (1 - p)));
    });
  });

  test("steps are independent of each other", () => {
    const size = 20_000;
    const { data } = poissonRate({ steps: 2, random: new Random(2) })(new Float32Array(size).fill(0.5), [size]);
    let both = 0;
    for (let i = 0; i < size; i++) both += data[i] * data[size + i];
    expect(Math.abs(both - size / 4)).toBeLessThan(5 * Math.sqrt((size * 3) / 16));
  });

  test("follows from the state of the stream", () => {
    const random = new Random(3);
    const encode = poissonRate({ steps: 10, random });
    const values = new Float32Array(50).fill(0.5);
    const { state } = random;
    const first = encode(values, [50]);
    expect(encode(values, [50])).not.toEqual(first);
    random.state = state;
    expect(encode(values, [50])).toEqual(first);
  });
});

describe("latency", () => {
  // Spike times of snnTorch's spikegen.latency (bypass=True) on these intensities; −1: none.
  const intensities = row([1 / 255, 3 / 255, 0.02, 0.05, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1]);
  test.each<[LatencyOptions, number[]]>([
    [{ steps: 16 }, [12, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [{ steps: 6 }, [-1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [{ steps: 16, tau: 5, threshold: 0.2 }, [-1, -1, -1, -1, -1, 8, 4, 3, 2, 2, 1, 1]],
    [{ steps: 16, normalize: true }, [15, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0]],
    [{ steps: 100, tau: 3.3, threshold: 0.05, normalize: true }, [99, 99, 99, 99, 4, 2, 1, 1, 1, 1, 0, 0]],
    [{ steps: 16, linear: true, tau: 20 }, [-1, -1, -1, -1, -1, 15, 12, 10, 8, 5, 2, 0]],
    [{ steps: 5, normalize: true, linear: true }, [4, 4, 4, 4, 4, 3, 2, 2, 2, 1, 0, 0]],
    [{ steps: 32, normalize: true, linear: true, threshold: 0.3 }, [22, 22, 22, 22, 22, 22, 19, 16, 12, 8, 4, 0]],
  ])("with %j spikes when snnTorch does", (options, times) => {
    const encoded = latency(options)(intensities, [3, 4]);
    expect(encoded.shape).toEqual([options.steps, 3, 4]);
    expect(spikeSteps(encoded)).toEqual(times.map((time) => (time < 0 ? [] : [time])));
  });

  test.each<LatencyOptions>([
    { steps: 1 },
    { steps: 30, tau: 4 },
    { steps: 30, tau: 4, normalize: true },
    { steps: 30, tau: 25, linear: true },
    { steps: 30, linear: true, normalize: true },
    { steps: 1, normalize: true },
    { steps: 1, linear: true, normalize: true },
  ])("with %j spikes once at most, a higher intensity never later, 0 never", (options) => {
    const values = new Float32Array(200);
    new Random(4).uniformInto(values);
    values[0] = 0;
    values[1] = 1;
    const spikes = spikeSteps(latency(options)(values, [200]));
    expect(spikes[0]).toEqual([]);
    expect(spikes[1]).toEqual([0]);
    expect(Math.max(...spikes.map((steps) => steps.length))).toBe(1);
    const byIntensity = Array.from(values.keys()).slice(1).sort((a, b) => values[b] - values[a]);
    const times = byIntensity.map((i) => spikes[i][0] ?? Infinity);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("normalised, uses the last step", () => {
    for (const linear of [false, true]) {
      const spikes = spikeSteps(latency({ steps: 50, normalize: true, linear })(row([0.001, 0.3, 1]), [3]));
      expect(spikes[0]).toEqual([49]);
    }
  });
});

describe("refuses", () => {
  const random = new Random(5);

  test.each([0, -1, 1.5, NaN])("%d steps", (steps) => {
    expect(() => poissonRate({ steps, random })).toThrow(OptionError);
    expect(() => latency({ steps })).toThrow(OptionError);
  });

  test.each([{ tau: 0 }, { tau: -1 }, { tau: NaN }, { tau: Infinity }, { threshold: 0 }, { threshold: 1 }, { threshold: NaN }])("%j", (wrong) => {
    expect(() => latency({ steps: 5, ...wrong })).toThrow(OptionError);
  });

  test("an option that there is not, by name", () => {
    expect(() => latency({ steps: 5, treshold: 0.1 } as never)).toThrow(/latency has no option treshold: did you mean threshold\?/);
    expect(() => poissonRate({ steps: 5, random, rate: 1 } as never)).toThrow(/poissonRate has no option rate/);
    expect(() => latency({ steps: 5, random })).not.toThrow();
  });

  test("values that are no Float32Array", () => {
    expect(() => constant()([0, 1, 0] as never, [3])).toThrow(/data is \[0, 1, 0\]: expected a Float32Array/);
    expect(() => constant()(row([0, 1, 0]), 3 as never)).toThrow(/shape is 3/);
  });

  test("a Poisson encoder without a stream", () => {
    expect(() => poissonRate({ steps: 5 } as never)).toThrow(OptionError);
  });

  test.each([-0.1, 1.1, NaN])("the intensity %d, naming its place", (value) => {
    for (const encode of [poissonRate({ steps: 5, random }), latency({ steps: 5 })]) {
      expect(() => encode(row([0, 1, value]), [3])).toThrow(OptionError);
      expect(() => encode(row([0, 1, value]), [3])).toThrow(/index 2/);
    }
  });

  test("data that does not fit its shape", () => {
    for (const encode of [constant(), poissonRate({ steps: 5, random }), latency({ steps: 5 })]) {
      expect(() => encode(row([0, 1, 0]), [2, 2])).toThrow(ShapeError);
    }
  });
});
