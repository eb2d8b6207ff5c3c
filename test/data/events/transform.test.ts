import { describe, expect, it } from "vitest";
import { checkEvents, type Events, takeEvents } from "../../../src/data/events/events.ts";
import type { EventTransform } from "../../../src/data/events/transform.ts";
import {
  centerCrop, compose, cropTime, denoise, downsample, dropEvent, dropEventByArea, dropEventByTime, mergePolarities, namedTransform, randomCrop, randomFlipLR, randomFlipPolarity, randomFlipUD,
  refractoryPeriod, spatialJitter, timeJitter, timeSkew, uniformNoise,
} from "../../../src/data/events/transforms.ts";
import { Random } from "../../../src/data/random.ts";
import { makeEvents, peers, sample } from "./peers.ts";

const lists = ({ x, y, t, p }: Events) => ({ x: Array.from(x), y: Array.from(y), t: Array.from(t), p: Array.from(p) });
const none = makeEvents({ x: [], y: [], t: [], p: [] }, 6, 4);

const all: Record<string, EventTransform> = {
  denoise: denoise({ filterTime: 150 }), refractoryPeriod: refractoryPeriod({ delta: 400 }), dropEvent: dropEvent({ p: [0.2, 0.4] }), dropEventByTime: dropEventByTime(),
  dropEventByArea: dropEventByArea({ areaRatio: 0.5 }), uniformNoise: uniformNoise({ n: 20 }), mergePolarities: mergePolarities(), randomFlipPolarity: randomFlipPolarity(),
  centerCrop: centerCrop({ size: 3 }), randomCrop: randomCrop({ targetSize: [4, 2] }), downsample: downsample({ spatialFactor: 0.5 }), randomFlipLR: randomFlipLR(), randomFlipUD: randomFlipUD(),
  spatialJitter: spatialJitter({ sigmaXY: 0.5 }), cropTime: cropTime({ min: 500 }), timeJitter: timeJitter({ std: 300 }), timeSkew: timeSkew({ coefficient: [0.5, 2], offset: [-10, 10] }),
};

describe("transforms of events", () => {
  it.each(Object.entries(all))("%s makes right events, the same from the same stream, and changes none that it is given", (_, transform) => {
    const before = lists(sample);
    for (let seed = 0; seed < 20; seed++) {
      const made = transform(sample, new Random(seed));
      checkEvents("test", made);
      expect(transform(sample, new Random(seed))).toEqual(made);
    }
    expect(lists(sample)).toEqual(before);
    expect(transform(none, new Random(1)).t).toHaveLength(0);
  });

  it("equal Tonic's", () => {
    expect(lists(denoise({ filterTime: 150 })(sample))).toEqual(lists(takeEvents(sample, Uint32Array.from(peers.denoise150))));
    expect(lists(refractoryPeriod({ delta: 400 })(sample))).toEqual(lists(takeEvents(sample, Uint32Array.from(peers.refractory400))));
    expect(lists(centerCrop({ size: [3, 2] })(sample))).toEqual(peers.centerCrop3x2);
    expect(lists(cropTime({ min: 1000, max: 2000 })(sample))).toEqual(peers.cropTime);
    for (const [options, tonic] of [[{ timeFactor: 0.5, spatialFactor: 0.4 }, peers.downsample], [{ targetSize: [4, 2] }, peers.downsampleTarget]] as const) {
      const { t, ...places } = lists(downsample(options)(sample));
      expect({ ...places, t: t.map(Math.floor) }).toEqual(tonic);
    }
  });

  it("say the size of the sensor that they make", () => {
    const size = ({ width, height }: Events) => [width, height];
    expect(size(centerCrop({ size: [10, 2] })(sample))).toEqual([10, 2]);
    expect(lists(centerCrop({ size: [10, 4] })(sample)).x).toEqual(peers.x.map((x) => x + 2));
    expect(size(downsample({ spatialFactor: 0.25 })(makeEvents({ x: [33], y: [0], t: [0], p: [0] }, 34, 34)))).toEqual([9, 9]);
    expect(size(downsample({ targetSize: [4, 2] })(sample))).toEqual([4, 2]);
  });

  it("draw what they say", () => {
    expect(dropEvent({ p: 0.3 })(sample, new Random(1)).t).toHaveLength(42);
    expect(dropEvent({ p: 1 })(sample, new Random(1)).t).toHaveLength(0);
    expect(uniformNoise({ n: 20 })(sample, new Random(1)).t).toHaveLength(80);
    expect(lists(randomFlipLR({ p: 1 })(sample, new Random(1))).x).toEqual(peers.x.map((x) => 5 - x));
    expect(lists(randomFlipUD({ p: 1 })(sample, new Random(1))).y).toEqual(peers.y.map((y) => 3 - y));
    expect(lists(randomFlipPolarity({ p: 1 })(sample, new Random(1))).p).toEqual(peers.p.map((p) => 1 - p));
    expect(randomFlipLR({ p: 0 })(sample, new Random(1))).toEqual(sample);
    expect(lists(timeSkew({ coefficient: 2, offset: 5 })(sample, new Random(1))).t).toEqual(peers.t.map((t) => 2 * t + 5));
    expect(lists(spatialJitter({ varX: 0, varY: 0 })(sample, new Random(1)))).toEqual(lists(sample));
    // All that left was in a box of 3 × 2 pixels.
    const kept = new Set(Array.from(dropEventByArea({ areaRatio: 0.5 })(sample, new Random(2)).t));
    const gone = [...peers.t.keys()].filter((i) => !kept.has(peers.t[i]));
    const extent = (values: number[]): number => Math.max(...values) - Math.min(...values) + 1;
    expect(gone.length).toBeGreaterThan(3);
    expect([extent(gone.map((i) => peers.x[i])), extent(gone.map((i) => peers.y[i]))]).toEqual([3, 2]);
  });

  it("take every place of the sensor for a crop, the last included", () => {
    const corner = makeEvents({ x: [5], y: [3], t: [0], p: [1] }, 6, 4);
    const kept = Array.from({ length: 200 }, (_, seed) => randomCrop({ targetSize: [3, 2] })(corner, new Random(seed)).t.length);
    // One of 4 · 3 places holds the corner.
    expect(kept.filter((count) => count === 1).length).toBeGreaterThan(5);
  });

  it("jitter by their deviation, without a shift", () => {
    const many = makeEvents({ x: Array(4000).fill(50), y: Array(4000).fill(50), t: Array(4000).fill(1e6), p: Array(4000).fill(0) }, 100, 100);
    const statistics = (values: ArrayLike<number>) => {
      const list = Array.from(values);
      const mean = list.reduce((a, b) => a + b) / list.length;
      return [mean, list.reduce((a, b) => a + (b - mean) ** 2, 0) / list.length];
    };
    const moved = spatialJitter({ varX: 4, varY: 9, sigmaXY: 5 })(many, new Random(4));
    const [[mx, vx], [my, vy]] = [statistics(moved.x), statistics(moved.y)];
    expect(Math.abs(mx - 50)).toBeLessThan(0.15);
    expect(Math.abs(my - 50)).toBeLessThan(0.2);
    // Rounding adds 1/12.
    expect(vx).toBeCloseTo(4 + 1 / 12, 0);
    expect(Math.abs(vy - 9 - 1 / 12)).toBeLessThan(0.6);
    const covariance = statistics(Array.from(moved.x, (x, i) => (x - mx) * (moved.y[i] - my)))[0];
    expect(Math.abs(covariance - 5)).toBeLessThan(0.5);
    const [mt, vt] = statistics(timeJitter({ std: 100 })(many, new Random(5)).t);
    expect(Math.abs(mt - 1e6)).toBeLessThan(6);
    expect(Math.abs(vt / 10_000 - 1)).toBeLessThan(0.1);
  });

  it("are composed in order, under a key of all their options", () => {
    const chain = compose(cropTime({ min: 1000, max: 2000 }), centerCrop({ size: [3, 2] }), mergePolarities());
    expect(lists(chain(sample))).toEqual(lists(mergePolarities()(centerCrop({ size: [3, 2] })(cropTime({ min: 1000, max: 2000 })(sample)))));
    expect(chain.key).toBe("cropTime({\"min\":1000,\"max\":\"2000\"}) centerCrop({\"size\":[3,2]}) mergePolarities({})");
    expect(compose(chain, (events) => events).key).toBeUndefined();
    expect(compose(chain, namedTransform("mine 1", (events) => events)).key).toContain("mine 1");
  });

  it("refuse what does not fit", () => {
    expect(() => randomCrop({ targetSize: [7, 1] })(sample, new Random(1))).toThrow("sensor's [6, 4]");
    expect(() => downsample({ targetSize: [7, 1] })(sample)).toThrow("sensor's [6, 4]");
    expect(() => spatialJitter({ sigmaXY: 2 })).toThrow("sigmaXY is 2");
    expect(() => cropTime({ min: 2, max: 1 })).toThrow("min ≤ max");
    expect(() => compose((() => undefined) as never)(sample, new Random(1))).toThrow("returned undefined");
    expect(() => dropEvent({ p: 0.5 })(sample, undefined as never)).toThrow("random");
  });
});
