import { DeviceError } from "../../errors.ts";
import { elementCount } from "../tensor.ts";
import { type Attribute, type Constant, CudnnBackend, cudnnConstants as C, CudnnError, descriptors, enumerated, float, handleOf, int64, pointers, text } from "./cudnnBackend.ts";
import type { Driver } from "./driver.ts";
import { libraries, openLibrary } from "./search.ts";

const types = { f32: C.CUDNN_DATA_FLOAT, bf16: C.CUDNN_DATA_BFLOAT16 } as const;
const bytesOf = { f32: 4, bf16: 2 } as const;

export type ConvolutionType = keyof typeof types;

/** A convolution of x [n, h, w, c] by w [o, kh, kw, c/groups] to y [n, h', w', o], each dense in memory in this order. */
export interface ConvolutionProblem {
  /** What is computed: y of x and w; x ("data") of y and w; w ("filter") of x and y. */
  kind: "forward" | "data" | "filter";
  /** [n, h, w, c]. */
  x: readonly [number, number, number, number];
  /** [o, kh, kw, c/groups]. */
  w: readonly [number, number, number, number];
  /** Zeros around x: [above and below, left and right]. */
  padding: readonly [number, number];
  stride: readonly [number, number];
  /** Distance of the pixels that w sees. Default: [1, 1]. */
  dilation?: readonly [number, number];
  /** Of what is read. */
  type: ConvolutionType;
  /** Of what is written. Default: `type`. cuDNN 9.24 has no "filter" that writes f32 of bf16. */
  output?: ConvolutionType;
  /** Round f32 operands to TF32 (10 bits): sums stay f32. Default: false. */
  tf32?: boolean;
}

/** A convolution whose engine is chosen. */
export interface ConvolutionPlan {
  /** What a run needs of workspace, at most `workspaceBytes` of the library's options. */
  readonly workspaceBytes: number;
  /** False where no engine that fits gives the same bits each time. */
  readonly deterministic: boolean;
}

interface Prepared extends ConvolutionPlan {
  readonly descriptor: number;
  readonly configuration: number;
}

const WORKSPACE_BYTES = 256 * 2 ** 20;

/**
 * The most workspace that an engine may take, unless asked otherwise, of a convolution whose tensors have so many elements: 256 MiB, or more where copies of
 * all its f32s take more. Many engines of f32 copy tensors to an order of their own; without room for that those are left that cuDNN ranks last. Those of bf16 need none.
 */
export const workspaceFor = (type: ConvolutionType, elements: number): number =>
  (type === "bf16" ? WORKSPACE_BYTES : Math.max(WORKSPACE_BYTES, Math.ceil(elements * bytesOf.f32 * (1 + 1 / 8))));

export interface CudnnOptions {
  /** The most workspace that an engine may take, in bytes. Default: 256 MiB, or what copies of its f32 tensors take. */
  workspaceBytes?: number;
  /** Choose engines for the device that this JSON describes, with no device at hand: such plans do not run. Default: the current context's device. */
  deviceless?: string;
}

/** The tensors' names in a graph. */
const IDS = int64(1, 2, 3);

const operations = {
  forward: ["CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR", "FORWARD", ["X", "W", "Y"]],
  data: ["CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR", "BWD_DATA", ["DX", "W", "DY"]],
  filter: ["CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR", "BWD_FILTER", ["X", "DW", "DY"]],
} as const satisfies Record<ConvolutionProblem["kind"], readonly [Constant<"BACKEND">, string, readonly string[]]>;

const written = { forward: 2, data: 0, filter: 1 } as const;

/** Notes of engines that round operands or sums further than was asked for. Tensor cores round f32 to TF32. */
const COARSE: readonly number[] = [C.CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS, C.CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION];
const COARSE_FOR_F32: readonly number[] = [...COARSE, C.CUDNN_NUMERICAL_NOTE_TENSOR_CORE];
const BYTE_ALIGNMENT = 16;

/** Convolutions by cuDNN 9 for the context that is current when the first is planned. Engines are chosen once a problem and kept. */
export class Cudnn {
  /** Where the library was found. */
  readonly path: string;
  readonly backend: CudnnBackend;
  readonly #workspaceBytes: number | undefined;
  readonly #deviceless: string | undefined;
  /** By problem; where there is no engine, why. */
  readonly #plans = new Map<string, Prepared | DeviceError>();
  #handle = 0;
  #device = 0;
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

  private constructor(path: string, backend: CudnnBackend, { workspaceBytes, deviceless }: CudnnOptions) {
    this.path = path;
    this.backend = backend;
    this.#workspaceBytes = workspaceBytes;
    this.#deviceless = deviceless;
  }

  get version(): string { return this.backend.version; }

  /** Shape of y: [n, h', w', o]. */
  static outputShape({ x: [n, h, w], w: [o, kh, kw], padding: [py, px], stride: [sy, sx], dilation: [dy, dx] = [1, 1] }: Pick<ConvolutionProblem, "x" | "w" | "padding" | "stride" | "dilation">): [number, number, number, number] {
    return [n, Math.floor((h + 2 * py - dy * (kh - 1) - 1) / sy) + 1, Math.floor((w + 2 * px - dx * (kw - 1) - 1) / sx) + 1, o];
  }

  /**
   * Chooses the engine of a convolution, once: the first by cuDNN's heuristics that keeps to the precision and to the workspace allowed;
   * one that gives the same bits each time before those that do not.
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

  #find(problem: ConvolutionProblem): Prepared | DeviceError {
    const { kind, x, w, padding, stride, dilation = [1, 1], type, output = type, tf32 = false } = problem;
    const key = JSON.stringify([kind, x, w, padding, stride, dilation, type, output, tf32]);
    let plan = this.#plans.get(key);
    if (!plan) this.#plans.set(key, (plan = this.#prepare(problem)));
    return plan;
  }

  /**
   * Queues a convolution on a stream.
   * @param operands device addresses of x, w and y, multiples of 16
   * @param workspace the address of as many bytes as the plan asks for, a multiple of 16, used until the convolution is done
   * @throws DeviceError if it cannot be queued
   */
  run(plan: ConvolutionPlan, { x, w, y }: { x: number; w: number; y: number }, workspace: number, stream: number): void {
    const { descriptor } = plan as Prepared;
    if (stream !== this.#stream) this.backend.call("cudnnSetStream", this.handle, stream);
    this.#stream = stream;
    const pack = this.backend.make("CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR", {
      CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS: IDS,
      CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS: pointers(x, w, y),
      CUDNN_ATTR_VARIANT_PACK_WORKSPACE: pointers(plan.workspaceBytes === 0 ? 0 : workspace),
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
    for (const plan of this.#plans.values()) if (!(plan instanceof DeviceError)) this.backend.destroy(plan.descriptor, plan.configuration);
    this.#plans.clear();
    if (this.#device !== 0) this.backend.destroy(this.#device);
    if (this.#handle !== 0) this.backend.raw.cudnnDestroy(this.#handle);
    this.#device = this.#handle = 0;
    this.#stream = -1;
  }

  #prepare(problem: ConvolutionProblem): Prepared | DeviceError {
    const { backend } = this;
    // What a plan is built from goes once it is finalized, but for its own configuration.
    const made: number[] = [];
    let kept = 0;
    const make: CudnnBackend["make"] = (type, attributes) => {
      const descriptor = backend.make(type, attributes);
      made.push(descriptor);
      return descriptor;
    };
    try {
      const graph = make("CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR", { ...this.#of("OPERATIONGRAPH"), CUDNN_ATTR_OPERATIONGRAPH_OPS: descriptors(operation(make, problem)) });
      const plan = this.#firstThatFits(problem, [...this.#candidates(make, made, graph, problem)]);
      if (!(plan instanceof DeviceError)) kept = plan.configuration;
      return plan;
    } catch (error) {
      if (error instanceof CudnnError && error.unsupported) return error;
      throw error;
    } finally {
      backend.destroy(...made.reverse().filter((descriptor) => descriptor !== kept));
    }
  }

  /** Engine configurations for a graph that keep to the precision, the best first. */
  *#candidates(make: CudnnBackend["make"], made: number[], graph: number, { type, tf32 = false }: ConvolutionProblem): Iterable<{ configuration: number; deterministic: boolean }> {
    const { backend } = this;
    const coarse = type === "f32" && !tf32 ? COARSE_FOR_F32 : COARSE;
    for (const mode of [C.CUDNN_HEUR_MODE_A, C.CUDNN_HEUR_MODE_FALLBACK]) {
      let heuristics: number;
      try {
        heuristics = make("CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR", { ...this.#of("ENGINEHEUR"), CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH: descriptors(graph), CUDNN_ATTR_ENGINEHEUR_MODE: enumerated("HEUR_MODE", mode) });
      } catch (error) {
        if (error instanceof CudnnError && error.unsupported) continue;
        throw error;
      }
      const count = backend.get(heuristics, "CUDNN_ATTR_ENGINEHEUR_RESULTS", "CUDNN_TYPE_BACKEND_DESCRIPTOR", new BigInt64Array(0));
      const configurations = Array.from({ length: count }, () => backend.create("cudnnBackendCreateDescriptor", C.CUDNN_BACKEND_ENGINECFG_DESCRIPTOR));
      made.push(...configurations);
      const results = BigInt64Array.from(configurations, BigInt);
      const found = backend.get(heuristics, "CUDNN_ATTR_ENGINEHEUR_RESULTS", "CUDNN_TYPE_BACKEND_DESCRIPTOR", results);
      for (const configuration of Array.from(results.subarray(0, found), Number)) {
        const notes = this.#notes(configuration);
        if (notes.some((note) => coarse.includes(note))) continue;
        yield { configuration, deterministic: !notes.includes(C.CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC) };
      }
    }
  }

  /** Numerical notes of a configuration's engine. */
  #notes(configuration: number): number[] {
    const { backend } = this;
    const engine = backend.create("cudnnBackendCreateDescriptor", C.CUDNN_BACKEND_ENGINE_DESCRIPTOR);
    try {
      backend.get(configuration, "CUDNN_ATTR_ENGINECFG_ENGINE", "CUDNN_TYPE_BACKEND_DESCRIPTOR", BigInt64Array.of(BigInt(engine)));
      const notes = new Int32Array(C.CUDNN_NUMERICAL_NOTE_TYPE_COUNT);
      return Array.from(notes.subarray(0, backend.get(engine, "CUDNN_ATTR_ENGINE_NUMERICAL_NOTE", "CUDNN_TYPE_NUMERICAL_NOTE", notes)));
    } finally {
      backend.destroy(engine);
    }
  }

  #firstThatFits(problem: ConvolutionProblem, candidates: readonly { configuration: number; deterministic: boolean }[]): Prepared | DeviceError {
    const { backend } = this;
    const refused: string[] = [];
    const elements = [problem.x, problem.w, Cudnn.outputShape(problem)].reduce((sum, shape) => sum + elementCount(shape), 0);
    const most = this.#workspaceBytes ?? workspaceFor(problem.type, elements);
    for (const wanted of [true, false]) {
      for (const { configuration, deterministic } of candidates) {
        if (deterministic !== wanted) continue;
        let descriptor: number;
        try {
          descriptor = backend.make("CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR", { ...this.#of("EXECUTION_PLAN"), CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG: descriptors(configuration) });
        } catch (error) {
          if (!(error instanceof CudnnError)) throw error;
          refused.push(`  ${error.message.split("\n")[0]}`);
          continue;
        }
        const bytes = new BigInt64Array(1);
        backend.get(descriptor, "CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE", "CUDNN_TYPE_INT64", bytes);
        const workspaceBytes = Number(bytes[0]);
        if (workspaceBytes <= most) return { descriptor, configuration, workspaceBytes, deterministic };
        refused.push(`  needs ${workspaceBytes} bytes of workspace, ${most} are allowed`);
        backend.destroy(descriptor);
      }
    }
    return new DeviceError(`cuda: cuDNN ${this.version} has no engine for the convolution ${JSON.stringify(problem)}. Use a smaller batch or another precision.${refused.length > 0 ? ` Tried:\n${refused.join("\n")}` : ""}`);
  }

  /** Which device a descriptor is for: that of the handle, or the one described. */
  #of(descriptor: "OPERATIONGRAPH" | "ENGINEHEUR" | "EXECUTION_PLAN"): Partial<Record<Constant<"ATTR">, Attribute>> {
    if (this.#deviceless === undefined) return descriptor === "ENGINEHEUR" ? {} : { [`CUDNN_ATTR_${descriptor}_HANDLE`]: handleOf(this.handle) };
    if (descriptor === "OPERATIONGRAPH") return {};
    this.#device ||= this.backend.make("CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR", { CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION: text(`${this.#deviceless}\0`) });
    return { [`CUDNN_ATTR_${descriptor}_DEVICEPROP`]: descriptors(this.#device) };
  }
}

/** The operation of a convolution with its tensors. cuDNN orders dimensions [n, c, h, w], whatever their order in memory is. */
function operation(make: CudnnBackend["make"], problem: ConvolutionProblem): number {
  const { kind, x, w, padding, stride, dilation = [1, 1], type, output = type } = problem;
  const tensors = [x, w, Cudnn.outputShape(problem)].map(([n, h, width, c], i) => {
    const element = i === written[kind] ? output : type;
    return make("CUDNN_BACKEND_TENSOR_DESCRIPTOR", {
      CUDNN_ATTR_TENSOR_UNIQUE_ID: int64(i + 1),
      CUDNN_ATTR_TENSOR_DATA_TYPE: enumerated("DATA_TYPE", types[element]),
      CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT: int64(Math.max(BYTE_ALIGNMENT, bytesOf[element])),
      CUDNN_ATTR_TENSOR_DIMENSIONS: int64(n, c, h, width),
      CUDNN_ATTR_TENSOR_STRIDES: int64(h * width * c, 1, width * c, c),
    });
  });
  const convolution = make("CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR", {
    CUDNN_ATTR_CONVOLUTION_COMP_TYPE: enumerated("DATA_TYPE", C.CUDNN_DATA_FLOAT),
    CUDNN_ATTR_CONVOLUTION_CONV_MODE: enumerated("CONVOLUTION_MODE", C.CUDNN_CROSS_CORRELATION),
    CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS: int64(2),
    CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS: int64(...padding),
    CUDNN_ATTR_CONVOLUTION_POST_PADDINGS: int64(...padding),
    CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES: int64(...stride),
    CUDNN_ATTR_CONVOLUTION_DILATIONS: int64(...dilation),
  });
  const [descriptor, name, names] = operations[kind];
  const attribute = (suffix: string): Constant<"ATTR"> => `CUDNN_ATTR_OPERATION_CONVOLUTION_${name}_${suffix}` as Constant<"ATTR">;
  return make(descriptor, {
    [attribute("CONV_DESC")]: descriptors(convolution),
    ...Object.fromEntries(names.map((each, i) => [attribute(each), descriptors(tensors[i])])),
    [attribute("ALPHA")]: float(1),
    [attribute("BETA")]: float(0),
  });
}
