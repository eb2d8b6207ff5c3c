import { DeviceError } from "../../errors.ts";
import { type Argument, bind, type Bound, type LibraryHandle } from "./libraries.ts";

/** Functions of cuDNN and their parameters, as those of the driver are written. */
export const cudnnFunctions = {
  cudnnCreate: "void *handle",
  cudnnDestroy: "uint64_t handle",
  cudnnSetStream: "uint64_t handle, uint64_t stream",
  cudnnBackendCreateDescriptor: "int type, void *descriptor",
  cudnnBackendDestroyDescriptor: "uint64_t descriptor",
  cudnnBackendFinalize: "uint64_t descriptor",
  cudnnBackendSetAttribute: "uint64_t descriptor, int attribute, int type, int64_t count, void *values",
  cudnnBackendGetAttribute: "uint64_t descriptor, int attribute, int type, int64_t requested, void *count, void *values",
  cudnnBackendExecute: "uint64_t handle, uint64_t plan, uint64_t variantPack",
} as const;

/** Constants of cudnn_graph.h, under their names there. */
export const cudnnConstants = {
  CUDNN_DATA_FLOAT: 0,
  CUDNN_DATA_BFLOAT16: 9,
  CUDNN_CROSS_CORRELATION: 1,
  CUDNN_HEUR_MODE_FALLBACK: 2,
  CUDNN_HEUR_MODE_A: 3,
  CUDNN_NUMERICAL_NOTE_TENSOR_CORE: 0,
  CUDNN_NUMERICAL_NOTE_DOWN_CONVERT_INPUTS: 1,
  CUDNN_NUMERICAL_NOTE_REDUCED_PRECISION_REDUCTION: 2,
  CUDNN_NUMERICAL_NOTE_NONDETERMINISTIC: 4,
  CUDNN_NUMERICAL_NOTE_TYPE_COUNT: 10,

  CUDNN_TYPE_HANDLE: 0,
  CUDNN_TYPE_DATA_TYPE: 1,
  CUDNN_TYPE_INT64: 3,
  CUDNN_TYPE_FLOAT: 4,
  CUDNN_TYPE_VOID_PTR: 6,
  CUDNN_TYPE_CONVOLUTION_MODE: 7,
  CUDNN_TYPE_HEUR_MODE: 8,
  CUDNN_TYPE_NUMERICAL_NOTE: 11,
  CUDNN_TYPE_BACKEND_DESCRIPTOR: 15,
  CUDNN_TYPE_CHAR: 24,

  CUDNN_BACKEND_CONVOLUTION_DESCRIPTOR: 1,
  CUDNN_BACKEND_ENGINE_DESCRIPTOR: 2,
  CUDNN_BACKEND_ENGINECFG_DESCRIPTOR: 3,
  CUDNN_BACKEND_ENGINEHEUR_DESCRIPTOR: 4,
  CUDNN_BACKEND_EXECUTION_PLAN_DESCRIPTOR: 5,
  CUDNN_BACKEND_OPERATION_CONVOLUTION_FORWARD_DESCRIPTOR: 10,
  CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_FILTER_DESCRIPTOR: 11,
  CUDNN_BACKEND_OPERATION_CONVOLUTION_BACKWARD_DATA_DESCRIPTOR: 12,
  CUDNN_BACKEND_OPERATIONGRAPH_DESCRIPTOR: 15,
  CUDNN_BACKEND_VARIANT_PACK_DESCRIPTOR: 16,
  CUDNN_BACKEND_TENSOR_DESCRIPTOR: 17,
  CUDNN_BACKEND_DEVICEPROP_DESCRIPTOR: 38,

  CUDNN_ATTR_CONVOLUTION_COMP_TYPE: 100,
  CUDNN_ATTR_CONVOLUTION_CONV_MODE: 101,
  CUDNN_ATTR_CONVOLUTION_DILATIONS: 102,
  CUDNN_ATTR_CONVOLUTION_FILTER_STRIDES: 103,
  CUDNN_ATTR_CONVOLUTION_POST_PADDINGS: 104,
  CUDNN_ATTR_CONVOLUTION_PRE_PADDINGS: 105,
  CUDNN_ATTR_CONVOLUTION_SPATIAL_DIMS: 106,
  CUDNN_ATTR_ENGINEHEUR_MODE: 200,
  CUDNN_ATTR_ENGINEHEUR_OPERATION_GRAPH: 201,
  CUDNN_ATTR_ENGINEHEUR_RESULTS: 202,
  CUDNN_ATTR_ENGINEHEUR_DEVICEPROP: 204,
  CUDNN_ATTR_ENGINECFG_ENGINE: 300,
  CUDNN_ATTR_EXECUTION_PLAN_HANDLE: 400,
  CUDNN_ATTR_EXECUTION_PLAN_ENGINE_CONFIG: 401,
  CUDNN_ATTR_EXECUTION_PLAN_WORKSPACE_SIZE: 402,
  CUDNN_ATTR_EXECUTION_PLAN_DEVICEPROP: 407,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_ALPHA: 700,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_BETA: 701,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_CONV_DESC: 702,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_W: 703,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_X: 704,
  CUDNN_ATTR_OPERATION_CONVOLUTION_FORWARD_Y: 705,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_ALPHA: 706,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_BETA: 707,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_CONV_DESC: 708,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_W: 709,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DX: 710,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_DATA_DY: 711,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_ALPHA: 712,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_BETA: 713,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_CONV_DESC: 714,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DW: 715,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_X: 716,
  CUDNN_ATTR_OPERATION_CONVOLUTION_BWD_FILTER_DY: 717,
  CUDNN_ATTR_OPERATIONGRAPH_HANDLE: 800,
  CUDNN_ATTR_OPERATIONGRAPH_OPS: 801,
  CUDNN_ATTR_TENSOR_BYTE_ALIGNMENT: 900,
  CUDNN_ATTR_TENSOR_DATA_TYPE: 901,
  CUDNN_ATTR_TENSOR_DIMENSIONS: 902,
  CUDNN_ATTR_TENSOR_STRIDES: 903,
  CUDNN_ATTR_TENSOR_UNIQUE_ID: 906,
  CUDNN_ATTR_VARIANT_PACK_UNIQUE_IDS: 1000,
  CUDNN_ATTR_VARIANT_PACK_DATA_POINTERS: 1001,
  CUDNN_ATTR_VARIANT_PACK_WORKSPACE: 1003,
  CUDNN_ATTR_ENGINE_GLOBAL_INDEX: 1301,
  CUDNN_ATTR_ENGINE_NUMERICAL_NOTE: 1303,
  CUDNN_ATTR_DEVICEPROP_JSON_REPRESENTATION: 2702,

  CUDNN_STATUS_NOT_INITIALIZED: 1001,
  CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH: 1002,
  CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED: 1008,
  CUDNN_STATUS_NOT_SUPPORTED: 3000,
  CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER: 3005,
  CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH: 3007,
  CUDNN_STATUS_INTERNAL_ERROR: 4000,
  CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED: 4003,
  CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED: 4004,
} as const;

const C = cudnnConstants;

export type Constant<Prefix extends string> = Extract<keyof typeof cudnnConstants, `CUDNN_${Prefix}_${string}`>;

/** Values of an attribute with their type: [CUDNN_TYPE_…, values]. */
export type Attribute = readonly [type: number, values: BigInt64Array | Int32Array | Float32Array | Uint8Array];

export const int64 = (...values: (number | bigint)[]): Attribute => [C.CUDNN_TYPE_INT64, BigInt64Array.from(values, BigInt)];
export const descriptors = (...values: number[]): Attribute => [C.CUDNN_TYPE_BACKEND_DESCRIPTOR, BigInt64Array.from(values, BigInt)];
export const pointers = (...values: number[]): Attribute => [C.CUDNN_TYPE_VOID_PTR, BigInt64Array.from(values, BigInt)];
export const float = (value: number): Attribute => [C.CUDNN_TYPE_FLOAT, Float32Array.of(value)];
export const handleOf = (handle: number): Attribute => [C.CUDNN_TYPE_HANDLE, BigInt64Array.of(BigInt(handle))];
export const enumerated = (type: "DATA_TYPE" | "CONVOLUTION_MODE" | "HEUR_MODE", value: number): Attribute => [C[`CUDNN_TYPE_${type}`], Int32Array.of(value)];
export const text = (value: string): Attribute => [C.CUDNN_TYPE_CHAR, new TextEncoder().encode(value)];

const advice: Readonly<Record<number, string>> = {
  [C.CUDNN_STATUS_NOT_INITIALIZED]: "The CUDA driver did not start: see nvidia-smi.",
  [C.CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH]: "Parts of cuDNN of different versions were loaded: take the older one out of LD_LIBRARY_PATH.",
  [C.CUDNN_STATUS_SUBLIBRARY_LOADING_FAILED]: "A part of cuDNN was not found next to it: install cuDNN again.",
  [C.CUDNN_STATUS_NOT_SUPPORTED_INCOMPATIBLE_CUDA_DRIVER]: "The driver is too old for this cuDNN: update it.",
  [C.CUDNN_STATUS_NOT_SUPPORTED_ARCH_MISMATCH]: "This cuDNN has no code for the device: install another version of it.",
  [C.CUDNN_STATUS_INTERNAL_ERROR_HOST_ALLOCATION_FAILED]: "There is no memory left: use a smaller batch.",
  [C.CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED]: "There is no memory left: use a smaller batch.",
};

/** A call of cuDNN that failed. */
export class CudnnError extends DeviceError {
  /** cudnnStatus_t. */
  readonly code: number;

  constructor(call: string, code: number, name: string, detail: string) {
    super(`cuda: ${call} failed with ${name} (${code}). ${advice[code] ?? ""}`.trimEnd() + (detail && `\n${detail}`));
    this.code = code;
  }

  /** Whether the library has no way to do it, rather than that something went wrong. */
  get unsupported(): boolean {
    return this.code >= C.CUDNN_STATUS_NOT_SUPPORTED && this.code < C.CUDNN_STATUS_INTERNAL_ERROR;
  }
}

/** cuDNN's backend API: descriptors with attributes, of operations, engines and plans. Every call is checked. */
export class CudnnBackend {
  /** Such as "9.24.0". */
  readonly version: string;
  /** The major of CUDA that the library was built for. */
  readonly cudaMajor: number;
  /** The functions themselves, which return a cudnnStatus_t. */
  readonly raw: Bound<keyof typeof cudnnFunctions>;
  readonly #errorString: (code: number) => string;
  readonly #lastError: (text: Uint8Array, bytes: number) => void;
  readonly #word = new BigUint64Array(1);
  readonly #count = new BigInt64Array(1);

  /** @throws DeviceError if it lacks a function */
  constructor(library: LibraryHandle) {
    this.raw = bind(library, cudnnFunctions);
    this.#errorString = library.func("const char *cudnnGetErrorString(int status)");
    this.#lastError = library.func("void cudnnGetLastErrorString(void *text, size_t bytes)");
    const size = (name: string): number => Number(library.func<() => number | bigint>(`size_t ${name}()`)());
    const version = size("cudnnGetVersion");
    this.version = `${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}.${version % 100}`;
    this.cudaMajor = Math.floor(size("cudnnGetCudartVersion") / 1000);
  }

  /** Calls a function whose last parameter points at what it makes. */
  create(name: "cudnnCreate" | "cudnnBackendCreateDescriptor", ...args: Argument[]): number {
    this.call(name, ...args, this.#word);
    return Number(this.#word[0]);
  }

  /** A descriptor with its attributes, finalized. */
  make(type: Constant<"BACKEND">, attributes: Readonly<Partial<Record<Constant<"ATTR">, Attribute>>>): number {
    const descriptor = this.create("cudnnBackendCreateDescriptor", C[type]);
    try {
      for (const [name, [kind, values]] of Object.entries(attributes)) this.call("cudnnBackendSetAttribute", descriptor, C[name as Constant<"ATTR">], kind, values.length, values);
      this.call("cudnnBackendFinalize", descriptor);
      return descriptor;
    } catch (error) {
      this.destroy(descriptor);
      throw error;
    }
  }

  /** Reads an attribute into `values`; how many there are. */
  get(descriptor: number, name: Constant<"ATTR">, type: Constant<"TYPE">, values: BigInt64Array | Int32Array): number {
    this.call("cudnnBackendGetAttribute", descriptor, C[name], C[type], values.length, this.#count, values);
    return Number(this.#count[0]);
  }

  destroy(...all: readonly number[]): void {
    for (const descriptor of all) this.raw.cudnnBackendDestroyDescriptor(descriptor);
  }

  /** @throws CudnnError if the call fails. */
  call(name: keyof typeof cudnnFunctions, ...args: Argument[]): void {
    const code = this.raw[name](...args);
    if (code === 0) return;
    const detail = new Uint8Array(4096);
    this.#lastError(detail, detail.length);
    throw new CudnnError(name, code, this.#errorString(code), new TextDecoder().decode(detail.subarray(0, detail.indexOf(0))).trim());
  }
}
