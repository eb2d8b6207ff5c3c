import { describe, expect, it } from "vitest";
import { checkEvents, concatEvents, type Events, selectEvents, sliceEvents, sortEvents, takeEvents } from "../../../src/data/events/events.ts";
import { OptionError, ShapeError } from "../../../src/errors.ts";

const make = (t: number[], change: Partial<Record<keyof Events, unknown>> = {}): Events => ({
  x: Uint16Array.from(t, (_, i) => i), y: Uint16Array.from(t, (_, i) => 2 * i), t: Float64Array.from(t), p: Uint8Array.from(t, (_, i) => i % 2), width: 5, height: 9, ...change,
} as Events);
const places = ({ x }: Events): number[] => [...x];

describe("checkEvents", () => {
  it("accepts events, and none", () => {
    expect(() => checkEvents("f", make([0, 1, 1, 3.5]))).not.toThrow();
    expect(() => checkEvents("f", make([]))).not.toThrow();
    expect(() => checkEvents("f", make([-5, 0], { warnings: ["one event was cut off"] }))).not.toThrow();
  });

  it.each([
    ["a column beyond the sensor", { width: 3 }, /event 3 is { x: 3, y: 6, t: 3, p: 1 }: expected x and y on a sensor of 3 × 9/],
    ["a row beyond the sensor", { height: 4 }, /event 2 .* sensor of 5 × 4/],
    ["a polarity of 2", { p: Uint8Array.of(0, 1, 2, 0) }, /event 2 .*p = 0 or 1/],
    ["a time that goes back", { t: Float64Array.of(0, 5, 4, 6) }, /event 2 .*t ≥ 5/],
    ["a time of NaN", { t: Float64Array.of(NaN, 5, 6, 7) }, /event 0 .*finite t/],
    ["a time without end", { t: Float64Array.of(0, 1, 2, Infinity) }, /event 3 .*finite t/],
    ["an array of another type", { t: Float32Array.of(0, 1, 2, 3) }, /events.t is a Float32Array of 4: expected a Float64Array/],
    ["a list", { x: [0, 1, 2, 3] }, /events.x is .*expected a Uint16Array/],
    ["a sensor without size", { width: 0 }, /events.width is 0/],
    ["a warning that is no text", { warnings: [1] }, /events.warnings/],
  ])("refuses %s", (_, change, message) => {
    expect(() => checkEvents("f", make([0, 1, 2, 3], change))).toThrow(OptionError);
    expect(() => checkEvents("f", make([0, 1, 2, 3], change))).toThrow(message);
  });

  it("refuses arrays of unequal lengths, and what is no object", () => {
    expect(() => checkEvents("f", make([0, 1], { p: new Uint8Array(3) }))).toThrow(ShapeError);
    expect(() => checkEvents("f", undefined as never)).toThrow(/f: events is undefined: expected what readEvents gives/);
  });
});

describe("parts of events", () => {
  const events = make([0, 1, 2, 3, 4]);

  it("are slices, which share memory", () => {
    const slice = sliceEvents(events, 1, 3);
    expect(places(slice)).toEqual([1, 2]);
    expect(slice.t.buffer).toBe(events.t.buffer);
    expect(places(sliceEvents(events, 3))).toEqual([3, 4]);
  });

  it("are selections, which do not", () => {
    const kept = selectEvents(events, Uint8Array.of(0, 1, 0, 0, 1));
    expect(kept).toEqual({ x: Uint16Array.of(1, 4), y: Uint16Array.of(2, 8), t: Float64Array.of(1, 4), p: Uint8Array.of(1, 0), width: 5, height: 9 });
    expect(kept.t.buffer).not.toBe(events.t.buffer);
    expect(places(takeEvents(events, Uint32Array.of(3, 0, 3)))).toEqual([3, 0, 3]);
  });
});

describe("the order of time", () => {
  it("is made without moving events of one time", () => {
    const sorted = sortEvents(make([4, 2, 4, 2, 0]));
    expect([...sorted.t]).toEqual([0, 2, 2, 4, 4]);
    expect(places(sorted)).toEqual([4, 1, 3, 0, 2]);
  });

  it("leaves alone what has it", () => {
    const events = make([0, 0, 1]);
    expect(sortEvents(events)).toBe(events);
  });

  it("holds for recordings that are put together, on the larger sensor, with all warnings", () => {
    const whole = concatEvents(make([0, 4], { warnings: ["a"] }), make([2], { width: 9, height: 2, warnings: ["b"] }));
    expect(whole).toMatchObject({ t: Float64Array.of(0, 2, 4), width: 9, height: 9, warnings: ["a", "b"] });
    expect(places(whole)).toEqual([0, 0, 1]);
    expect("warnings" in concatEvents(make([1]), make([0]))).toBe(false);
  });
});
