import { describe, expect, it } from "vitest";
import { type FrameOptions, toFrames } from "../../../src/data/events/frames.ts";
import { toTimesurface, toVoxelGrid } from "../../../src/data/events/surfaces.ts";
import { Random } from "../../../src/data/random.ts";
import { OptionError } from "../../../src/errors.ts";
import { dense, makeEvents, peers, sample } from "./peers.ts";

const plain = ({ data, shape }: { data: ArrayLike<number>; shape: readonly number[] }) => ({ data: Array.from(data), shape });
const total = (data: ArrayLike<number>): number => Array.from(data).reduce((a, b) => a + b, 0);
/** Counts in each frame of events at these times, on one pixel. */
const counts = (t: number[], options: FrameOptions): number[] => {
  const zeros = t.map(() => 0);
  return Array.from(toFrames(makeEvents({ x: zeros, y: zeros, t, p: zeros }, 1, 1), { channels: 1, ...options }).data);
};

describe("toFrames", () => {
  it("counts as SpikingJelly does, channels last", () => {
    expect(plain(toFrames(sample, { steps: 7 }))).toEqual(dense(peers.sjTime7));
    expect(plain(toFrames(sample, { steps: 7, by: "count" }))).toEqual(dense(peers.sjNumber7));
    expect(plain(toFrames(sample, { duration: 300 }))).toEqual(dense(peers.sjDuration300));
  });

  it("counts as Tonic does, but for the events behind Tonic's last full window", () => {
    const size = 6 * 4 * 2;
    for (const [ours, theirs] of [[toFrames(sample, { steps: 7 }), peers.tonicTimeBins7], [toFrames(sample, { steps: 7, by: "count" }), peers.tonicEventBins7]] as const) {
      const tonic = dense(theirs);
      expect(ours.shape).toEqual(tonic.shape);
      expect(Array.from(ours.data.subarray(0, 6 * size))).toEqual(tonic.data.slice(0, 6 * size));
      expect(total(ours.data)).toBe(60);
    }
    const tonic = dense(peers.tonicWindow300);
    const ours = toFrames(sample, { duration: 300 });
    expect(ours.shape[0]).toBe(tonic.shape[0] + 1);
    expect(Array.from(ours.data.subarray(0, tonic.data.length))).toEqual(tonic.data);
  });

  it("keeps gaps", () => {
    expect(counts([0, 1, 900, 1000], { steps: 5 })).toEqual([2, 0, 0, 0, 2]);
    expect(counts([0, 1, 900, 1000], { duration: 250 })).toEqual([2, 0, 0, 2]);
    expect(counts([], { steps: 3 })).toEqual([0, 0, 0]);
    expect(counts([], { duration: 10 })).toEqual([0]);
    expect(counts([5, 5], { steps: 2 })).toEqual([0, 2]);
    expect(counts([0, 0.25, 0.5, 1], { steps: 2 })).toEqual([2, 2]);
  });

  it("begins at the first event, at the file's time 0, or where told", () => {
    expect(counts([30, 35, 59], { duration: 10 })).toEqual([2, 0, 1]);
    expect(counts([30, 35, 59], { duration: 10, origin: "file" })).toEqual([0, 0, 0, 2, 0, 1]);
    expect(counts([30, 35, 59], { duration: 10, origin: 32 })).toEqual([1, 0, 1]);
    expect(counts([-5, 30, 60], { steps: 2, origin: "file" })).toEqual([0, 2]);
    expect(counts([30, 35, 59], { duration: 10, origin: 100 })).toEqual([0]);
  });

  it("makes as many frames of a duration as asked, and leaves out what comes later", () => {
    expect(counts([0, 15, 25, 30, 99], { duration: 10, steps: 3 })).toEqual([1, 1, 1]);
    expect(counts([0, 15], { duration: 10, steps: 4 })).toEqual([1, 1, 0, 0]);
  });

  it("counts beyond 255", () => {
    for (const count of [255, 256, 700]) {
      const frames = toFrames(makeEvents({ x: Array.from({ length: count }, () => 1), y: Array(count).fill(0), t: Array(count).fill(0), p: Array(count).fill(1) }, 2, 1), { steps: 1 });
      expect(plain(frames)).toEqual({ data: [0, 0, 0, count], shape: [1, 1, 2, 2] });
      expect(frames.data).toBeInstanceOf(count > 255 ? Float32Array : Uint8Array);
    }
  });

  it("counts each event once, wherever frames end", () => {
    const random = new Random(3);
    for (let round = 0; round < 50; round++) {
      const length = random.integer(200);
      const t = Array.from({ length }, () => random.integer(1000) / (1 + random.integer(3))).sort((a, b) => a - b);
      for (const options of [{ steps: 1 + random.integer(20) }, { steps: 1 + random.integer(20), by: "count" }, { duration: 1 + random.uniform() * 100 }] as const) {
        expect(total(counts(t, options))).toBe(length);
      }
    }
  });

  it("refuses options that contradict each other, and arrays that none could hold", () => {
    expect(() => toFrames(sample, {})).toThrow(OptionError);
    expect(() => toFrames(sample, { duration: 5, by: "time" })).toThrow("by and duration");
    expect(() => toFrames(sample, { duration: 1e-6 })).toThrow("duration is 0.000001");
    expect(() => toFrames(sample, { steps: 2 ** 40 })).toThrow("steps is 1099511627776");
  });
});

describe("toVoxelGrid and toTimesurface", () => {
  it.each([["toVoxelGrid", toVoxelGrid(sample, { timeBins: 5 }), peers.voxel5], ["toTimesurface", toTimesurface(sample, { dt: 500, tau: 800 }), peers.surface]])("%s equals Tonic's", (_, ours, theirs) => {
    const { data, shape } = dense(theirs);
    expect(ours.shape).toEqual(shape);
    data.forEach((value, i) => expect(ours.data[i]).toBeCloseTo(value, 5));
  });

  it("take events at one time, and none", () => {
    const at = makeEvents({ x: [0, 1], y: [0, 0], t: [7, 7], p: [1, 0] }, 2, 1);
    expect(Array.from(toVoxelGrid(at, { timeBins: 2 }).data)).toEqual([1, -1, 0, 0]);
    const none = makeEvents({ x: [], y: [], t: [], p: [] }, 2, 1);
    expect(plain(toVoxelGrid(none, { timeBins: 1 }))).toEqual({ data: [0, 0], shape: [1, 1, 2, 1] });
    expect(plain(toTimesurface(none, { dt: 1, tau: 1 }))).toEqual({ data: [0, 0, 0, 0], shape: [1, 1, 2, 2] });
  });
});
