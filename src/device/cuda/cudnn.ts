import { DeviceError } from "../../errors.ts";
import { elementCount } from "../tensor.ts";
import { type ConvolutionProblem, outputShape, problemKey, workspaceFor } from "./convolutionProblem.ts";
import { CudnnBackend, CudnnError, int64, pointers } from "./cudnnBackend.ts";
import { type Engine, Engines } from "./cudnnEngines.ts";
import type { Driver } from "./driver.ts";
import { libraries, openLibrary } from "./search.ts";
import { fastest, shortest, type Stopwatch } from "./trials.ts";

/** A convolution whose engine is chosen. */
export interface ConvolutionPlan {
  /** What a run needs of workspace, at most `workspaceBytes` of the library's options. A trial may change it. */
  readonly workspaceBytes: number;
  /** False where no engine that fits gives the same bits each time. */
  readonly deterministic: boolean;
}

class Prepared implements ConvolutionPlan {
  readonly problem: ConvolutionProblem;
  engine: Engine;
  /** Whether the engine stays. */
  settled: boolean;
  /** Whether a graph may have it. */
  recorded = false;

  constructor(problem: ConvolutionProblem, engine: Engine, settled: boolean) {
    this.problem = problem;
    this.engine = engine;
    this.settled = settled;
  }

  get workspaceBytes(): number { return this.engine.workspaceBytes; }

  get deterministic(): boolean { return this.engine.deterministic; }
}

export interface CudnnOptions {
  /** The most workspace that an engine may take, in bytes. Default: 256 MiB, or what copies of its f32 tensors take. */
  workspaceBytes?: number;
  /** Choose engines for the device that this JSON describes, with no device at hand: such plans do not run. Default: the current context's device. */
  deviceless?: string;
  /** Lets `settle` try engines by it. Default: the first engine by cuDNN's heuristics is taken. */
  stopwatch?: Stopwatch;
}

/** Where operands lie: device addresses of x, w and y, multiples of 16. */
export interface Operands { x: number; w: number; y: number }

/** The tensors' names in a graph. */
const IDS = int64(1, 2, 3);

/** Ranks of the engines that trials have chosen: all devices of a kind take the same in one process, and round alike. */
const chosen = new Map<string, number>();

/** Convolutions by cuDNN 9 for the context that is current when the first is planned. Engines are chosen once a problem and kept. */
export class Cudnn {
  /** Where the library was found. */
  readonly path: string;
  readonly backend: CudnnBackend;
  readonly engines: Engines;
  readonly #workspaceBytes: number | undefined;
  readonly #stopwatch: Stopwatch | undefined;
  /** By problem; where there is no engine, why. */
  readonly #plans = new Map<string, Prepared | DeviceError>();
  /** What graphs were recorded with before others turned out faster: they may hold code that these launch. */
  readonly #recorded: Engine[] = [];
  #handle = 0;
  #stream = -1;

  /** @throws DeviceError that names the package to install if there is no cuDNN 9 that fits the driver. */
  static open({ koffi, version, where }: Driver, options: CudnnOptions = {}): Cudnn {
    return openLibrary(libraries.cudnn, koffi, version.major, where, ({ path, library }) => {
      const backend = new CudnnBackend(library);
      // The file's name is the same for every major of CUDA.
      if (backend.cudaMajor > version.major) throw new DeviceError(`cuDNN ${backend.version} is for CUDA ${backend.cudaMajor}, the driver for CUDA ${version.major}`);
      return new Cudnn(path, backend, options);
    });
  }

  private constructor(path: string, backend: CudnnBackend, { workspaceBytes, deviceless, stopwatch }: CudnnOptions) {
    this.path = path;
    this.backend = backend;
    this.engines = new Engines(backend, () => this.handle, deviceless);
    this.#workspaceBytes = workspaceBytes;
    this.#stopwatch = deviceless === undefined ? stopwatch : undefined;
  }

  get version(): string { return this.backend.version; }

  /**
   * Chooses the engine of a convolution, once: the first by cuDNN's heuristics that keeps to the precision and to the workspace allowed;
   * one that gives the same bits each time before those that do not. Where trials have chosen one in this process, that.
   * @throws DeviceError if there is none
   */
  plan(problem: ConvolutionProblem): ConvolutionPlan {
    const plan = this.#find(problem);
    if (plan instanceof DeviceError) throw plan;
    return plan;
  }

  /** The plan of a convolution that gives the same bits each time; undefined if cuDNN has none. */
  deterministicPlan(problem: ConvolutionProblem): ConvolutionPlan | undefined {
    const plan = this.#find(problem);
    return plan instanceof DeviceError || !plan.deterministic ? undefined : plan;
  }

  /**
   * Tries the engines of a plan on its operands and leaves it the fastest, unless that was done or cannot be now: there is no stopwatch, or the stream is captured.
   * Each trial writes the result. Engines for which there is no room are passed over.
   */
  settle(plan: ConvolutionPlan, operands: Operands): void {
    const prepared = plan as Prepared;
    const stopwatch = this.#stopwatch;
    if (!stopwatch || prepared.settled) return;
    if (!stopwatch.ready) {
      prepared.recorded = true;
      return;
    }
    const { problem, engine: first } = prepared;
    const measure = (engine: Engine, least: number): number | undefined => {
      try {
        return stopwatch.lend(engine.workspaceBytes, (workspace) => shortest(() => stopwatch.time(() => this.execute(engine, operands, workspace, stopwatch.stream)), least));
      } catch (error) {
        if (error instanceof CudnnError) return undefined;
        throw error;
      }
    };
    const found = fastest(first, this.#alike(first, problem), measure, (engine) => this.engines.destroy(engine));
    if (found !== first && prepared.recorded) this.#recorded.push(first);
    else if (found !== first) this.engines.destroy(first);
    prepared.engine = found;
    prepared.settled = true;
    chosen.set(this.#choiceKey(problem, stopwatch), found.rank);
  }

  /**
   * Queues a convolution on a stream.
   * @param workspace the address of as many bytes as the plan asks for, a multiple of 16, used until the convolution is done
   * @throws DeviceError if it cannot be queued
   */
  run(plan: ConvolutionPlan, operands: Operands, workspace: number, stream: number): void {
    this.execute((plan as Prepared).engine, operands, workspace, stream);
  }

  /** Queues a convolution by an engine that need not be chosen, as `run` does. */
  execute({ descriptor, workspaceBytes }: Pick<Engine, "descriptor" | "workspaceBytes">, { x, w, y }: Operands, workspace: number, stream: number): void {
    if (stream !== this.#stream) this.backend.call("cudnnSetStream", this.handle, stream);
    this.#stream = stream;
    const pack = this.backend.make("CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR", {
      CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS: IDS,
      CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS: pointers(x, w, y),
      CUDNN_ATTR_VARIANT_PACK_WORKSPACE: pointers(workspaceBytes === 0 ? 0 : workspace),
    });
    try {
      this.backend.call("cudnnBackendExecute", this.handle, descriptor, pack);
    } finally {
      this.backend.destroy(pack);
    }
  }

  /** cudnnHandle_t, created at first use. */
  get handle(): number {
    return (this.#handle ||= this.backend.create("cudnnCreate"));
  }

  /** Gives back the handle and all plans. */
  dispose(): void {
    for (const plan of this.#plans.values()) if (!(plan instanceof DeviceError)) this.engines.destroy(plan.engine);
    this.#plans.clear();
    for (const engine of this.#recorded.splice(0)) this.engines.destroy(engine);
    this.engines.dispose();
    if (this.#handle !== 0) this.backend.raw.cudnnDestroy(this.#handle);
    this.#handle = 0;
    this.#stream = -1;
  }

  #find(problem: ConvolutionProblem): Prepared | DeviceError {
    const key = problemKey(problem);
    let plan = this.#plans.get(key);
    if (!plan) this.#plans.set(key, (plan = this.#prepare(problem)));
    return plan;
  }

  #prepare(problem: ConvolutionProblem): Prepared | DeviceError {
    const rank = this.#stopwatch && chosen.get(this.#choiceKey(problem, this.#stopwatch));
    const refused: string[] = [];
    try {
      for (const engine of this.engines.fitting(problem, this.#most(problem), rank, refused)) return new Prepared(problem, engine, rank !== undefined);
    } catch (error) {
      if (error instanceof CudnnError && error.unsupported) return error;
      throw error;
    }
    return new DeviceError(`cuda: cuDNN ${this.version} has no engine for the convolution ${JSON.stringify(problem)}. Use a smaller batch or another precision.${refused.length > 0 ? ` Tried:\n${refused.join("\n")}` : ""}`);
  }

  /** The engines that come after one and repeat bits as it does. */
  *#alike(first: Engine, problem: ConvolutionProblem): Generator<Engine> {
    for (const engine of this.engines.fitting(problem, this.#most(problem), first.rank + 1)) {
      if (engine.deterministic !== first.deterministic) return this.engines.destroy(engine);
      yield engine;
    }
  }

  /** The most bytes of workspace that a problem's engine may take. */
  #most(problem: ConvolutionProblem): number {
    return this.#workspaceBytes ?? workspaceFor(problem.type, [problem.x, problem.w, outputShape(problem)].reduce((sum, shape) => sum + elementCount(shape), 0));
  }

  #choiceKey(problem: ConvolutionProblem, { device }: Stopwatch): string {
    return JSON.stringify([this.path, device, this.#most(problem), problemKey(problem)]);
  }
}
