import { type ConvolutionProblem, operation } from "./convolutionProblem.ts";
import { type Attribute, type Constant, type CudnnBackend, cudnnConstants as C, CudnnError, descriptors, enumerated, handleOf, text } from "./cudnnBackend.ts";

/** What heuristics offer for a graph. */
export interface Candidate {
  readonly configuration: number;
  /** The engine's index among all that cuDNN has. */
  readonly index: number;
  /** CUDNN_NUMERICAL_NOTE_…. */
  readonly notes: readonly number[];
}

/** A plan to compute a convolution by one engine, with the configuration that it was made from. */
export interface Engine {
  readonly descriptor: number;
  readonly configuration: number;
  readonly index: number;
  readonly workspaceBytes: number;
  /** Whether it gives the same bits each time. */
  readonly deterministic: boolean;
  /** Its place among the problem's candidates, which is the same for every process with this cuDNN and device. */
  readonly rank: number;
}

/** Notes of engines that round operands or sums further than was asked for. Tensor cores round f32 to TF32. */
const COARSE: readonly number[] = [C.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, C.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION];
const COARSE_FOR_F32: readonly number[] = [...COARSE, C.CUDNN_NUMERICAL_NOTE_TENSOR_CORE];

/** Whether an engine of these notes keeps to the precision. */
export const keepsPrecision = ({ type, tf32 = false }: ConvolutionProblem, notes: readonly number[]): boolean =>
  !notes.some((note) => (type === "f32" && !tf32 ? COARSE_FOR_F32 : COARSE).includes(note));

export const repeatsBits = (notes: readonly number[]): boolean => !notes.includes(C.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC);

/** Descriptors that are needed for a while. */
export class Descriptors {
  readonly backend: CudnnBackend;
  readonly #made: number[] = [];

  constructor(backend: CudnnBackend) {
    this.backend = backend;
  }

  readonly make: CudnnBackend["make"] = (type, attributes) => this.#add(this.backend.make(type, attributes));

  /** One without attributes, for cuDNN to fill. */
  empty(type: Constant<"BACKEND">): number {
    return this.#add(this.backend.create("cudnnBackendCreateDescriptor", C[type]));
  }

  /** Leaves one to the caller. */
  keep(descriptor: number): void {
    this.#made.splice(this.#made.indexOf(descriptor), 1);
  }

  [Symbol.dispose](): void {
    this.backend.destroy(...this.#made.splice(0).reverse());
  }

  #add(descriptor: number): number {
    this.#made.push(descriptor);
    return descriptor;
  }
}

/** cuDNN's engines for convolutions, on the current context's device or on one that is described. */
export class Engines {
  readonly #backend: CudnnBackend;
  readonly #handle: () => number;
  readonly #deviceless: string | undefined;
  #device = 0;

  /** @param handle cudnnHandle_t @param deviceless the description of a device in JSON */
  constructor(backend: CudnnBackend, handle: () => number, deviceless?: string) {
    this.#backend = backend;
    this.#handle = handle;
    this.#deviceless = deviceless;
  }

  /**
   * Engines for a problem that keep to the precision and to `mostBytes` of workspace, the best by cuDNN's heuristics first, but those that give the same bits
   * each time before those that do not. Each is the caller's, to be given back by `destroy`.
   * @param from the rank to begin with
   * @param refused gets why others do not do
   */
  *fitting(problem: ConvolutionProblem, mostBytes: number, from = 0, refused: string[] = []): Generator<Engine> {
    using made = new Descriptors(this.#backend);
    const candidates = [...this.candidates(made, this.graph(made.make, problem))].filter(({ notes }) => keepsPrecision(problem, notes));
    const ranked = [true, false].flatMap((wanted) => candidates.filter(({ notes }) => repeatsBits(notes) === wanted));
    for (let rank = from; rank < ranked.length; rank++) {
      const { configuration, index, notes } = ranked[rank];
      let engine: Engine;
      try {
        engine = { ...this.plan(configuration), configuration, index, rank, deterministic: repeatsBits(notes) };
      } catch (error) {
        if (!(error instanceof CudnnError)) throw error;
        refused.push(`  ${error.message.split("\n")[0]}`);
        continue;
      }
      if (engine.workspaceBytes > mostBytes) {
        refused.push(`  needs ${engine.workspaceBytes} bytes of workspace, ${mostBytes} are allowed`);
        this.#backend.destroy(engine.descriptor);
        continue;
      }
      made.keep(configuration);
      yield engine;
    }
  }

  graph(make: CudnnBackend["make"], problem: ConvolutionProblem): number {
    return make("CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR", { ...this.#of("OPERATIONGRAPH"), CUDNN_ATTR_OPERATIONGRAPH_OPS: descriptors(operation(make, problem)) });
  }

  /** Engine configurations for a graph, the best first. */
  *candidates(made: Descriptors, graph: number, modes: readonly number[] = [C.CUDNN_HEUR_MODE_A, C.CUDNN_HEUR_MODE_FALLBACK]): Generator<Candidate> {
    const backend = this.#backend;
    for (const mode of modes) {
      let heuristics: number;
      try {
        heuristics = made.make("CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR", { ...this.#of("ENGINEHEUR"), CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH: descriptors(graph), CUDNN_ATTR_ENGINEHEUR_MODE: enumerated("HEUR_MODE", mode) });
      } catch (error) {
        if (error instanceof CudnnError && error.unsupported) continue;
        throw error;
      }
      const count = backend.get(heuristics, "CUDNN_ATTR_ENGINEHEUR_RESULTS", "CUDNN_TYPE_BACKEND_DESCRIPTOR", new BigInt64Array(0));
      const results = BigInt64Array.from({ length: count }, () => BigInt(made.empty("CUDNN_BACKEND_ENGINECFG_DESCRIPTOR")));
      const found = backend.get(heuristics, "CUDNN_ATTR_ENGINEHEUR_RESULTS", "CUDNN_TYPE_BACKEND_DESCRIPTOR", results);
      for (const configuration of Array.from(results.subarray(0, found), Number)) yield { configuration, ...this.describe(configuration) };
    }
  }

  /** The engine of a configuration. */
  describe(configuration: number): Pick<Candidate, "index" | "notes"> {
    const backend = this.#backend;
    using made = new Descriptors(backend);
    const engine = made.empty("CUDNN_BACKEND_ENGINE_DESCRIPTOR");
    backend.get(configuration, "CUDNN_ATTR_ENGINECFG_ENGINE", "CUDNN_TYPE_BACKEND_DESCRIPTOR", BigInt64Array.of(BigInt(engine)));
    const index = new BigInt64Array(1);
    backend.get(engine, "CUDNN_ATTR_ENGINE_GLOBAL_INDEX", "CUDNN_TYPE_INT64", index);
    const notes = new Int32Array(C.CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
    const count = backend.get(engine, "CUDNN_ATTR_ENGINE_NUMERICAL_NOTE", "CUDNN_TYPE_NUMERICAL_NOTE", notes);
    return { index: Number(index[0]), notes: Array.from(notes.subarray(0, count)) };
  }

  /** An execution plan of a configuration. @throws CudnnError if it cannot be made */
  plan(configuration: number): { descriptor: number; workspaceBytes: number } {
    const descriptor = this.#backend.make("CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR", { ...this.#of("EXECUTION_PLAN"), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG: descriptors(configuration) });
    const bytes = new BigInt64Array(1);
    this.#backend.get(descriptor, "CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE", "CUDNN_TYPE_INT64", bytes);
    return { descriptor, workspaceBytes: Number(bytes[0]) };
  }

  destroy({ descriptor, configuration }: Engine): void {
    this.#backend.destroy(descriptor, configuration);
  }

  dispose(): void {
    if (this.#device !== 0) this.#backend.destroy(this.#device);
    this.#device = 0;
  }

  /** Which device a descriptor is for: that of the handle, or the one described. */
  #of(descriptor: "OPERATIONGRAPH" | "ENGINEHEUR" | "EXECUTION_PLAN"): Partial<Record<Constant<"ATTR">, Attribute>> {
    if (this.#deviceless === undefined) return descriptor === "ENGINEHEUR" ? {} : { [`CUDNN_ATTR_${descriptor}_HANDLE`]: handleOf(this.#handle()) };
    if (descriptor === "OPERATIONGRAPH") return {};
    this.#device ||= this.#backend.make("CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR", { CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION: text(`${this.#deviceless}\0`) });
    return { [`CUDNN_ATTR_${descriptor}_DEVICEPROP`]: descriptors(this.#device) };
  }
}
