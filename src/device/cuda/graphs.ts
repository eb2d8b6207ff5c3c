import { DeviceError, OptionError } from "../../errors.ts";
import type { CaptureOptions, Graph } from "../device.ts";
import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";
import type { Arena, DeviceMemory } from "./memory.ts";

/** The graphs of one stream that are alive: they end with the device. */
export class Graphs {
  readonly #driver: Driver;
  readonly #stream: number;
  readonly #memory: DeviceMemory;
  readonly #queue: (launch: () => void) => void;
  readonly #recorded: () => readonly object[];
  readonly #alive = new Map<Recorded, { arena: Arena; parts: readonly object[] }>();

  /** @param queue what is done around each launch @param recorded is called at the end of each recording, before it ends, and says who took part in it */
  constructor(driver: Driver, stream: number, memory: DeviceMemory, queue: (launch: () => void) => void, recorded: () => readonly object[]) {
    this.#driver = driver;
    this.#stream = stream;
    this.#memory = memory;
    this.#queue = queue;
    this.#recorded = recorded;
  }

  /** Records what `work` queues, without running it. */
  record(work: () => void, { sharing }: CaptureOptions = {}): Graph {
    const arena = sharing ? this.#arenaOf(sharing) : this.#memory.newArena();
    arena.graphs++;
    let graph = 0;
    try {
      let parts: readonly object[] = [];
      [graph, parts] = this.#capture(arena, work);
      const executable = this.#driver.get("cuGraphInstantiateWithFlags", graph, 0);
      const launch = (): void => this.#queue(() => this.#driver.call("cuGraphLaunch", executable, this.#stream));
      const recorded = new Recorded(work, launch, () => {
        this.#driver.raw.cuGraphExecDestroy(executable);
        this.#alive.delete(recorded);
        this.#memory.leaveArena(arena);
      });
      this.#alive.set(recorded, { arena, parts });
      return recorded;
    } catch (error) {
      this.#memory.leaveArena(arena);
      throw error;
    } finally {
      if (graph !== 0) this.#driver.raw.cuGraphDestroy(graph);
    }
  }

  dispose(): void {
    for (const graph of this.#alive.keys()) graph.dispose();
  }

  /** Ends the graphs that somebody took part in. @param reason why they cannot be launched any more */
  end(part: object, reason: Error): void {
    for (const [graph, { parts }] of this.#alive) if (parts.includes(part)) graph.end(reason);
  }

  #arenaOf(graph: Graph): Arena {
    const arena = this.#alive.get(graph as Recorded)?.arena;
    if (!arena) throw new OptionError("capture: sharing is no graph of this device that is alive");
    return arena;
  }

  /** @returns CUgraph, and who took part in it. */
  #capture(arena: Arena, work: () => void): [number, readonly object[]] {
    const graph = new BigUint64Array(1);
    let parts: readonly object[] = [];
    this.#driver.call("cuStreamBeginCapture_v2", this.#stream, driverConstants.CU_STREAM_CAPTURE_MODE_RELAXED);
    try {
      this.#memory.within(arena, () => {
        try {
          work();
        } finally {
          parts = this.#recorded();
        }
      });
    } catch (error) {
      this.#driver.raw.cuStreamEndCapture(this.#stream, graph);
      if (graph[0] !== 0n) this.#driver.raw.cuGraphDestroy(graph[0]);
      throw error;
    }
    this.#driver.call("cuStreamEndCapture", this.#stream, graph);
    return [Number(graph[0]), parts];
  }
}

class Recorded implements Graph {
  readonly #launch: () => void;
  readonly #end: () => void;
  /** Kept, as it holds the tensors that the graph works on. */
  #work: (() => void) | null;
  #ended: Error = new DeviceError("cuda: a graph was launched after it was disposed.");

  constructor(work: () => void, launch: () => void, end: () => void) {
    this.#work = work;
    this.#launch = launch;
    this.#end = end;
  }

  launch(): void {
    if (!this.#work) throw this.#ended;
    this.#launch();
  }

  /** @param reason what later launches throw */
  end(reason: Error): void {
    this.#ended = reason;
    this.dispose();
  }

  dispose(): void {
    if (!this.#work) return;
    this.#work = null;
    this.#end();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
