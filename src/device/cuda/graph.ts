import { checkArgument, func, instanceOf } from "../../check.ts";
import { DeviceError } from "../../errors.ts";
import { CudaDevice } from "./device.ts";
import type { Arena } from "./memory.ts";

/** Calls that may not be captured stay possible, such as loading a kernel. */
const RELAXED = 2;

/** Recorded work, to be launched again as a whole at the host cost of one launch. */
export class Graph implements Disposable {
  readonly #device: CudaDevice;
  readonly #executable: number;
  readonly #arena: Arena;
  #disposed = false;

  constructor(device: CudaDevice, executable: number, arena: Arena) {
    this.#device = device;
    this.#executable = executable;
    this.#arena = arena;
    device.graphs.add(this);
  }

  /** Queues the work again, on the same tensors. */
  launch(): void {
    if (this.#disposed) throw new DeviceError(`${this.#device.name}: a graph was launched after it was disposed.`);
    this.#device.activate("graph");
    this.#device.timed("rest", () => this.#device.driver.call("cuGraphLaunch", this.#executable, this.#device.stream));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#device.graphs.delete(this);
    this.#device.driver.raw.cuGraphExecDestroy(this.#executable);
    this.#device.memory.closeArena(this.#arena);
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

/**
 * Records what `work` queues on the device, without running it. Tensors that `work` uses must live as long as the graph; what it allocates
 * itself stays the graph's until that is disposed. Run `work` once before, so that its kernels are compiled.
 * @throws DeviceError if something in it cannot be recorded, such as uploads and reads; and what `work` throws
 */
export function captureGraph(device: CudaDevice, work: () => void): Graph {
  checkArgument("captureGraph", "device", device, instanceOf(CudaDevice, 'a cuda device: await openDevice("cuda")'));
  checkArgument("captureGraph", "work", work, func);
  device.activate("captureGraph");
  const arena = device.memory.newArena();
  let graph = 0;
  try {
    graph = device.capturing(() => record(device, arena, work));
    return new Graph(device, device.driver.get("cuGraphInstantiateWithFlags", graph, 0), arena);
  } catch (error) {
    device.memory.closeArena(arena);
    throw error;
  } finally {
    if (graph !== 0) device.driver.raw.cuGraphDestroy(graph);
  }
}

/** @returns CUgraph. */
function record({ driver, stream, memory }: CudaDevice, arena: Arena, work: () => void): number {
  const graph = new BigUint64Array(1);
  driver.call("cuStreamBeginCapture_v2", stream, RELAXED);
  try {
    memory.within(arena, work);
  } catch (error) {
    driver.raw.cuStreamEndCapture(stream, graph);
    if (graph[0] !== 0n) driver.raw.cuGraphDestroy(graph[0]);
    throw error;
  }
  driver.call("cuStreamEndCapture", stream, graph);
  return Number(graph[0]);
}
