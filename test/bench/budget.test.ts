import { describe, expect, it } from "vitest";
import { Budget, type Tick } from "../../src/bench/budget.ts";

const pause = (milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds));

/** A run of `steps` steps, and how far it came. */
function work(steps: number, milliseconds: number) {
  const run = { done: 0, async run(tick: Tick): Promise<void> {
    for (run.done = 0; run.done < steps;) {
      await pause(milliseconds);
      await tick(++run.done, steps, () => Promise.resolve());
    }
  } };
  return run;
}

describe("a budget of time", () => {
  it("lets runs pass until it is spent, breaks off the one that goes beyond, and begins no other", async () => {
    const seen: number[] = [];
    const budget = new Budget({ seconds: 0.6, runs: 1, onTick: (done) => seen.push(done) });
    const [short, long, late] = [work(2, 60), work(100, 60), work(1, 1)];
    expect(await budget.spend(short.run)).toBe(true);
    expect(budget.exhausted).toBeUndefined();
    expect(await budget.spend(long.run)).toBe(false);
    expect(budget.exhausted).toBe("its 0.6 s are over");
    expect(long.done).toBeLessThan(20);
    expect(seen.length).toBeGreaterThan(1);
    expect(await budget.spend(late.run)).toBe(false);
    expect(late.done).toBe(0);
    expect(budget.spent).toBeGreaterThan(0.5);
  });

  it("judges the first run by its beginning", async () => {
    const budget = new Budget({ seconds: 30, runs: 4 });
    const long = work(1000, 60);
    expect(await budget.spend(long.run)).toBe(false);
    expect(budget.exhausted).toMatch(/^one round of it would take about \d+ s, more than the 30 s it may$/);
    expect(budget.spent).toBeLessThan(5);
  });

  it("of nothing begins nothing", async () => {
    const never = work(1, 1);
    expect(await new Budget({ seconds: 0, runs: 1 }).spend(never.run)).toBe(false);
    expect(never.done).toBe(0);
  });

  it("ends at a signal, and passes errors on", async () => {
    const controller = new AbortController();
    const budget = new Budget({ seconds: Infinity, runs: 1, signal: controller.signal });
    setTimeout(() => controller.abort(), 50);
    expect(await budget.spend(work(100, 60).run)).toBe(false);
    expect(budget.exhausted).toBe("stopped");
    await expect(new Budget({ seconds: 1, runs: 1 }).spend(() => Promise.reject(new Error("no memory")))).rejects.toThrow("no memory");
  });
});
