import { describe, expect, it } from "vitest";
import { Simulation } from "../../src/parallel/simulation.ts";

describe("a simulation of events", () => {
  it("does the tasks of a stream one after the other, and those of two at once", () => {
    const simulation = new Simulation();
    const [a, b] = [simulation.stream(), simulation.stream()];
    simulation.task(a, "compute", 2);
    simulation.task(a, "compute", 3);
    simulation.task(b, "compute", 4);
    expect(simulation.run()).toEqual({ seconds: 5, path: { compute: 5, handOver: 0, gather: 0, allReduce: 0 } });
    expect([a.busy, b.busy]).toEqual([5, 4]);
  });

  it("starts a task once all that it waits for has arrived, a latency after its end", () => {
    const simulation = new Simulation();
    const [a, link, b] = [simulation.stream(), simulation.stream(), simulation.stream()];
    const first = simulation.task(a, "compute", 1);
    const sent = simulation.task(link, "handOver", 0.5, [first], 0.25);
    simulation.task(a, "compute", 1);
    simulation.task(b, "compute", 2, [first, sent]);
    const { seconds, path } = simulation.run();
    expect(seconds).toBe(3.75);
    expect(path).toEqual({ compute: 3, handOver: 0.75, gather: 0, allReduce: 0 });
  });

  it("lets a link carry the next message while the one before is under way", () => {
    const simulation = new Simulation();
    const [a, link, b] = [simulation.stream(), simulation.stream(), simulation.stream()];
    for (let i = 0; i < 10; i++) simulation.task(b, "compute", 1, [simulation.task(link, "handOver", 0.1, [simulation.task(a, "compute", 1)], 5)]);
    expect(simulation.run().seconds).toBeCloseTo(1 + 0.1 + 5 + 10, 12);
  });

  it("keeps the order of a stream though a later task could start before", () => {
    const simulation = new Simulation();
    const [a, b] = [simulation.stream(), simulation.stream()];
    const slow = simulation.task(a, "compute", 5);
    simulation.task(b, "compute", 1, [slow]);
    simulation.task(b, "compute", 1);
    expect(simulation.run().seconds).toBe(7);
  });

  it("finds the end of random graphs as a recursion over them does, and a critical path as long", () => {
    let state = 1;
    const random = (): number => (state = (state * 48271) % 2147483647) / 2147483647;
    for (let run = 0; run < 50; run++) {
      const simulation = new Simulation();
      const streams = Array.from({ length: 4 }, () => simulation.stream());
      const tasks: ReturnType<Simulation["task"]>[] = [];
      const ends: number[] = [];
      const lastOf = new Map<object, number>();
      for (let i = 0; i < 60; i++) {
        const after = tasks.filter(() => random() < 0.05);
        const stream = streams[Math.floor(random() * 4)];
        const task = simulation.task(stream, "compute", random(), after, random() < 0.5 ? random() : 0);
        ends.push(Math.max(lastOf.get(stream) ?? 0, ...after.map((each) => ends[tasks.indexOf(each)] + each.latency)) + task.seconds);
        lastOf.set(stream, ends[i]);
        tasks.push(task);
      }
      const { seconds, path } = simulation.run();
      expect(seconds).toBeCloseTo(Math.max(...ends), 10);
      expect(path.compute).toBeCloseTo(seconds, 10);
    }
  });

  it("says when tasks wait for one another in a circle", () => {
    const simulation = new Simulation();
    const [a, b] = [simulation.stream(), simulation.stream()];
    const later = simulation.task(b, "compute", 1);
    const early = simulation.task(a, "compute", 1, [later]);
    early.next.push(later);
    later.waits++;
    expect(() => simulation.run()).toThrow(RangeError);
  });
});
