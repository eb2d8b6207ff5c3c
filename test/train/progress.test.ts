import { stripVTControlCharacters } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { createProgress, formatDuration } from "../../src/train/progress.ts";

function fakeStream(options: { isTTY?: boolean; columns?: number } = {}) {
  const writes: string[] = [];
  return { ...options, writes, write: (text: string) => writes.push(text), text: () => writes.join("") };
}
const colour = `${String.fromCharCode(27)}[36m`;
/** What a terminal shows in the end: every redraw starts at the line's beginning. */
const lastDrawing = (writes: string[]) => stripVTControlCharacters(writes.at(-1)!).replace(/^\r/, "");

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubEnv("NO_COLOR", "");
  vi.stubEnv("TERM", "xterm");
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllEnvs();
});

describe("progress on a terminal", () => {
  it("redraws one line with bar, percent, rate, loss, accuracy and time left", () => {
    const stream = fakeStream({ isTTY: true, columns: 120 });
    const progress = createProgress({ total: 200, label: "epoch 1/3", stream });
    for (let step = 1; step <= 100; step++) {
      vi.advanceTimersByTime(20);
      progress.update(step, { loss: 0.51234, accuracy: 0.8765 });
    }
    expect(stream.text()).not.toContain("\n");
    expect(lastDrawing(stream.writes)).toMatch(
      /^epoch 1\/3 {2}█+░+ {2}\d+\/200 {2}(4\d|50)% {2}loss 0\.5123 {2}accuracy 87\.65% {2}50\.0 steps\/s {2}ETA 0:02$/,
    );
    expect(stream.writes.length, "at most ten drawings a second").toBeLessThanOrEqual(21);
  });

  it.each([200, 120, 100, 80, 60, 40, 20, 5, 1])("fits into %i columns", (columns) => {
    const stream = fakeStream({ isTTY: true, columns });
    const progress = createProgress({ total: 469, label: "epoch 10/10", stream });
    vi.advanceTimersByTime(1000);
    progress.update(123, { loss: 1234.5678, accuracy: 0.99, learningRate: 0.000123456, gradientNorm: 12.345678 });
    const shown = lastDrawing(stream.writes);
    expect(shown.length).toBeLessThan(columns);
    if (columns >= 40) expect(shown).toMatch(/26%.*accuracy 99\.00%/);
  });

  it("clears the bar for logged lines and the summary, and is silent afterwards", () => {
    const stream = fakeStream({ isTTY: true, columns: 80 });
    const progress = createProgress({ total: 10, label: "train", stream });
    progress.update(5);
    progress.log("saved");
    expect(stream.writes.at(-2)).toBe("\r\x1b[2Ksaved\n");
    expect(lastDrawing(stream.writes)).toContain("50%");
    progress.finish("done in 3 s");
    const written = stream.text();
    expect(written.endsWith("\r\x1b[2Kdone in 3 s\n")).toBe(true);
    progress.update(6);
    progress.log("late");
    progress.finish();
    expect(stream.text()).toBe(written);
  });

  it("uses colour unless NO_COLOR is set", () => {
    const draw = () => {
      const stream = fakeStream({ isTTY: true, columns: 80 });
      createProgress({ total: 10, label: "train", stream }).update(5);
      return stream.text();
    };
    expect(draw()).toContain(colour);
    vi.stubEnv("NO_COLOR", "1");
    expect(draw()).not.toContain(colour);
  });
});

describe("progress elsewhere", () => {
  it("writes whole plain lines, at most one per interval", () => {
    const stream = fakeStream();
    const progress = createProgress({ total: 1000, label: "train", stream, interval: 2 });
    for (let step = 1; step <= 100; step++) {
      vi.advanceTimersByTime(100);
      progress.update(step, { loss: 0.25, accuracy: 0.5, spikes: 0.123456 });
    }
    expect(stream.writes).toHaveLength(5);
    for (const line of stream.writes)
      expect(line).toMatch(/^train {2}\d+\/1000 {2}\d+% {2}loss 0\.2500 {2}accuracy 50\.00% {2}spikes 0\.1235 {2}10\.0 steps\/s {2}ETA \d:\d\d\n$/);
  });

  it("ends with the last state, also when it was faster than the interval", () => {
    const stream = fakeStream();
    const progress = createProgress({ total: 3, label: "train", stream });
    progress.update(3, { loss: 0.1 });
    progress.finish();
    expect(stream.text()).toBe("train  3/3  100%  loss 0.1000\n");
  });

  it("treats a dumb terminal as no terminal", () => {
    vi.stubEnv("TERM", "dumb");
    const stream = fakeStream({ isTTY: true, columns: 80 });
    const progress = createProgress({ total: 2, label: "train", stream });
    progress.update(1);
    progress.finish();
    expect(stream.text()).toBe("train  1/2  50%\n");
  });

  it("does not count the steps before a resume in the rate", () => {
    const stream = fakeStream();
    const progress = createProgress({ total: 1000, initial: 900, label: "train", stream, interval: 0 });
    vi.advanceTimersByTime(1000);
    progress.update(910);
    expect(stream.text()).toContain("10.0 steps/s  ETA 0:09");
  });

  it("follows a change of speed within seconds", () => {
    const stream = fakeStream();
    const progress = createProgress({ total: 100_000, label: "train", stream, interval: 0 });
    let step = 0;
    for (const [ticks, perTick] of [[600, 1], [300, 5]])
      for (let tick = 0; tick < ticks; tick++) {
        vi.advanceTimersByTime(100);
        progress.update((step += perTick));
      }
    const rate = Number(/([\d.]+) steps\/s/.exec(stream.writes.at(-1)!)![1]);
    expect(rate).toBeGreaterThan(48);
    expect(rate).toBeLessThan(50.1);
  });
});

it.each([true, false])("goes on if its stream fails (terminal: %s)", (isTTY) => {
  const write = vi.fn(() => { throw new Error("ENOSPC"); });
  const progress = createProgress({ total: 2, label: "train", stream: { write, isTTY }, interval: 0 });
  progress.update(1);
  progress.log("line");
  progress.finish();
  expect(write.mock.calls.length).toBeGreaterThan(2);
});

it("writes nothing at all when silent", () => {
  const stream = fakeStream({ isTTY: true });
  const progress = createProgress({ total: 1, label: "train", stream, silent: true });
  progress.update(1, { loss: 1 });
  progress.log("line");
  progress.finish("summary");
  expect(stream.writes).toEqual([]);
});

it("writes to standard error by default", () => {
  const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
  createProgress({ total: 1, label: "train" }).finish("over");
  expect(write.mock.calls.map(([text]) => text).join("")).toContain("over\n");
  write.mockRestore();
});

it("formats durations", () => {
  expect([7.4, 750, 11_100, -1].map(formatDuration)).toEqual(["0:07", "12:30", "3:05:00", "0:00"]);
});
