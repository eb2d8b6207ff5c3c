import { DeviceError } from "../../errors.ts";
import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";
import type { Arena, DeviceMemory } from "./memory.ts";

/** Calls that may not be captured stay possible, such as loading a kernel. */

/** Recorded work, to be launched again as a whole at the host cost of one launch. */
export interface Graph extends Disposable {
  /** Queues the work again, on the same tensors. @throws DeviceError once it is disposed. */
  launch(): void;
  dispose(): void;
}

/** The graphs of one stream that are alive: they end with the device. */
export class Graphs {
  readonly #driver: Driver;
  readonly #stream: number;
  readonly #memory: DeviceMemory;
  readonly #queue: (launch: () => void) => void;
  readonly #alive = new Set<Graph>();

  /** @param queue what is done around each launch */
  constructor(driver: Driver, stream: number, memory: DeviceMemory, queue: (launch: () => void) => void) {
    this.#driver = driver;
    this.#stream = stream;
    this.#memory = memory;
    this.#queue = queue;
  }

  /** Records what `work` queues, without running it. Graphs in one arena share their temporary memory: what one leaves there is gone with the next. */
  record(work: () => void, arena: Arena = this.#memory.newArena()): Graph {
    arena.graphs++;
    let graph = 0;
    try {
      graph = this.#capture(arena, work);
      const executable = this.#driver.get("cuGraphInstantiateWithFlags", graph, 0);
      const launch = (): void => this.#queue(() => this.#driver.call("cuGraphLaunch", executable, this.#stream));
      const recorded: Graph = new Recorded(work, launch, () => {
        this.#driver.raw.cuGraphExecDestroy(executable);
        this.#alive.delete(recorded);
        this.#memory.leaveArena(arena);
      });
      this.#alive.add(recorded);
      return recorded;
    } catch (error) {
      this.#memory.leaveArena(arena);
      throw error;
    } finally {
      if (graph !== 0) this.#driver.raw.cuGraphDestroy(graph);
    }
  }

  dispose(): void {
    for (const graph of this.#alive) graph.dispose();
  }

  /** @returns CUgraph. */
  #capture(arena: Arena, work: () => void): number {
    const graph = new BigUint64Array(1);
    this.#driver.call("cuStreamBeginCapture_v2", this.#stream, driverConstants.CU_STREAM_CAPTURE_MODE_RELAXED);
    try {
      this.#memory.within(arena, work);
    } catch (error) {
      this.#driver.raw.cuStreamEndCapture(this.#stream, graph);
      if (graph[0] !== 0n) this.#driver.raw.cuGraphDestroy(graph[0]);
      throw error;
    }
    this.#driver.call("cuStreamEndCapture", this.#stream, graph);
    return Number(graph[0]);
  }
}

class Recorded implements Graph {
  readonly #launch: () => void;
  readonly #end: () => void;
  /** Kept, as it holds the tensors that the graph works on. */
  #work: (() => void) | null;

  constructor(work: () => void, launch: () => void, end: () => void) {
    this.#work = work;
    this.#launch = launch;
    this.#end = end;
  }

  launch(): void {
    if (!this.#work) throw new DeviceError("cuda: a graph was launched after it was disposed.");
    this.#launch();
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
