/** What a task is done for. */
export type Work = "compute" | "handOver" | "gather" | "allReduce";

/** Does its tasks one after the other, in the order in which they were given: the queue of a device, one direction of a link. */
export interface Stream {
  readonly tasks: Task[];
  /** The next to start. */
  head: number;
  /** Seconds in which it worked. */
  busy: number;
  last: Task | undefined;
}

export interface Task {
  readonly stream: Stream;
  readonly work: Work;
  readonly seconds: number;
  /** From its end until those who wait for it see it. */
  readonly latency: number;
  /** Others that it still waits for. */
  waits: number;
  readonly next: Task[];
  /** The task whose end let it start, and whether that arrived by a latency. */
  cause: { task: Task; arrived: boolean } | undefined;
  end: number;
}

export interface Simulated {
  /** When the last task ended. */
  seconds: number;
  /** The seconds of the critical path, the chain of tasks that each waited for the one before, by what they were done for. */
  path: Readonly<Record<Work, number>>;
}

interface Event {
  time: number;
  /** Of events of one time the first that was made comes first, so that a run is always the same. */
  order: number;
  kind: "end" | "arrival";
  task: Task;
}

/** A discrete-event simulation: tasks on streams, which start once their stream is free and what they wait for has arrived. */
export class Simulation {
  readonly #streams: Stream[] = [];
  readonly #events = new Heap();
  #orders = 0;

  stream(): Stream {
    const stream: Stream = { tasks: [], head: 0, busy: 0, last: undefined };
    this.#streams.push(stream);
    return stream;
  }

  task(stream: Stream, work: Work, seconds: number, after: readonly (Task | undefined)[] = [], latency = 0): Task {
    const task: Task = { stream, work, seconds, latency, waits: 0, next: [], cause: undefined, end: NaN };
    stream.tasks.push(task);
    for (const before of after) if (before) this.wait(task, before);
    return task;
  }

  /** Has a task wait for another one. */
  wait(task: Task, before: Task): void {
    before.next.push(task);
    task.waits++;
  }

  /** Once. */
  run(): Simulated {
    for (const stream of this.#streams) this.#start(stream, 0);
    let final: Task | undefined;
    for (let event = this.#events.pop(); event; event = this.#events.pop()) {
      const { time, kind, task } = event;
      if (kind === "end") {
        if (!final || task.end >= final.end) final = task;
        task.stream.last = task;
        task.stream.head++;
        if (task.latency > 0) this.#add(time + task.latency, "arrival", task);
        this.#start(task.stream, time, { task, arrived: false });
      }
      if (kind === "arrival" || task.latency === 0) this.#arrive(task, time);
    }
    const stuck = this.#streams.find(({ tasks, head }) => head < tasks.length);
    if (stuck) throw new RangeError("simulation: a task waits for one that waits for it");
    return { seconds: final?.end ?? 0, path: pathTo(final) };
  }

  #arrive(task: Task, time: number): void {
    for (const next of task.next) {
      next.waits--;
      if (next.waits === 0 && next.stream.tasks[next.stream.head] === next) this.#start(next.stream, time, { task, arrived: true });
    }
  }

  /** Starts the stream's next task if it may. */
  #start(stream: Stream, time: number, cause?: Task["cause"]): void {
    const task = stream.tasks[stream.head];
    if (!task || task.waits > 0 || !Number.isNaN(task.end)) return;
    task.cause = cause;
    task.end = time + task.seconds;
    stream.busy += task.seconds;
    this.#add(task.end, "end", task);
  }

  #add(time: number, kind: Event["kind"], task: Task): void {
    this.#events.push({ time, order: this.#orders++, kind, task });
  }
}

function pathTo(final: Task | undefined): Record<Work, number> {
  const path = { compute: 0, handOver: 0, gather: 0, allReduce: 0 };
  let arrived = false;
  for (let task = final; task; task = task.cause?.task) {
    path[task.work] += task.seconds + (arrived ? task.latency : 0);
    arrived = task.cause?.arrived ?? false;
  }
  return path;
}

/** A binary heap, the earliest event first. */
class Heap {
  readonly #events: Event[] = [];

  push(event: Event): void {
    const events = this.#events;
    let at = events.push(event) - 1;
    for (let parent = (at - 1) >> 1; at > 0 && isBefore(event, events[parent]); at = parent, parent = (at - 1) >> 1) events[at] = events[parent];
    events[at] = event;
  }

  pop(): Event | undefined {
    const events = this.#events;
    const first = events[0];
    const last = events.pop();
    if (events.length === 0 || !last) return first;
    let at = 0;
    for (let child = 1; child < events.length; child = 2 * at + 1) {
      if (child + 1 < events.length && isBefore(events[child + 1], events[child])) child++;
      if (!isBefore(events[child], last)) break;
      events[at] = events[child];
      at = child;
    }
    events[at] = last;
    return first;
  }
}

const isBefore = (a: Event, b: Event): boolean => a.time < b.time || (a.time === b.time && a.order < b.order);
