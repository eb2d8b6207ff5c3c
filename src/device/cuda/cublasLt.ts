import { DeviceError } from "../../errors.ts";
import type { Driver } from "./driver.ts";
import { type Argument, bind, type Bound } from "./libraries.ts";
import { libraries, openLibrary } from "./search.ts";

/** Functions of cuBLASLt and their parameters, as those of the driver are written. */
export const cublasLtFunctions = {
  cublasLtCreate: "void *handle",
  cublasLtDestroy: "uint64_t handle",
  cublasLtMatmulDescCreate: "void *operation, int computeType, int scaleType",
  cublasLtMatmulDescDestroy: "uint64_t operation",
  cublasLtMatmulDescSetAttribute: "uint64_t operation, int attribute, void *value, size_t bytes",
  cublasLtMatrixLayoutCreate: "void *layout, int type, uint64_t rows, uint64_t columns, int64_t leading",
  cublasLtMatrixLayoutDestroy: "uint64_t layout",
  cublasLtMatmulPreferenceCreate: "void *preference",
  cublasLtMatmulPreferenceDestroy: "uint64_t preference",
  cublasLtMatmulPreferenceSetAttribute: "uint64_t preference, int attribute, void *value, size_t bytes",
  cublasLtMatmulAlgoGetHeuristic:
    "uint64_t handle, uint64_t operation, uint64_t aLayout, uint64_t bLayout, uint64_t cLayout, uint64_t dLayout, uint64_t preference, int requested, void *results, void *found",
  cublasLtMatmul:
    "uint64_t handle, uint64_t operation, void *alpha, uint64_t a, uint64_t aLayout, uint64_t b, uint64_t bLayout, void *beta, " +
    "uint64_t c, uint64_t cLayout, uint64_t d, uint64_t dLayout, void *algorithm, uint64_t workspace, size_t workspaceBytes, uint64_t stream",
} as const;

/** Constants of cuBLASLt's headers, under their names there. */
export const cublasLtConstants = {
  CUDA_R_32F: 0,
  CUDA_R_16BF: 14,
  CUBLAS_COMPUTE_32F: 68,
  CUBLAS_COMPUTE_32F_FAST_TF32: 77,
  CUBLAS_OP_T: 1,
  CUBLASLT_MATMUL_DESC_TRANSA: 3,
  CUBLASLT_MATMUL_DESC_TRANSB: 4,
  CUBLASLT_MATMUL_DESC_EPILOGUE: 7,
  CUBLASLT_MATMUL_DESC_BIAS_POINTER: 8,
  CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE: 26,
  CUBLASLT_EPILOGUE_BIAS: 4,
  CUBLASLT_EPILOGUE_BGRADA: 256,
  CUBLASLT_EPILOGUE_BGRADB: 512,
  CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES: 1,
  CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK: 3,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES: 5,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES: 6,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES: 7,
  CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES: 8,
  CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE: 2,
  CUBLAS_STATUS_NOT_INITIALIZED: 1,
  CUBLAS_STATUS_ALLOC_FAILED: 3,
  CUBLAS_STATUS_INVALID_VALUE: 7,
  CUBLAS_STATUS_ARCH_MISMATCH: 8,
  CUBLAS_STATUS_EXECUTION_FAILED: 13,
  CUBLAS_STATUS_INTERNAL_ERROR: 14,
  CUBLAS_STATUS_NOT_SUPPORTED: 15,
} as const;

/** cublasLtMatmulHeuristicResult_t: the algorithm is its first member. */
export const heuristicResult = { bytes: 96, algorithmBytes: 64, workspaceSize: 64, state: 72 } as const;

const C = cublasLtConstants;
const types = { f32: C.CUDA_R_32F, bf16: C.CUDA_R_16BF } as const;
const epilogues = { bias: C.CUBLASLT_EPILOGUE_BIAS, sumsOfB: C.CUBLASLT_EPILOGUE_BGRADA, sumsOfA: C.CUBLASLT_EPILOGUE_BGRADB } as const;

const advice: Readonly<Record<number, string>> = {
  [C.CUBLAS_STATUS_NOT_INITIALIZED]: "The CUDA driver did not start: see nvidia-smi.",
  [C.CUBLAS_STATUS_ALLOC_FAILED]: "There is no memory left: use a smaller batch.",
  [C.CUBLAS_STATUS_ARCH_MISMATCH]: "This cuBLAS has no code for the device: install another version of it.",
  [C.CUBLAS_STATUS_EXECUTION_FAILED]: "Something queued before went wrong, and the device is lost to this process: open it again in a new one.",
};

export type MatmulType = keyof typeof types;

/** D [m, n] = op(A) [m, k] · op(B) [k, n] (+ D), all row-major. */
export interface MatmulProblem {
  m: number;
  n: number;
  k: number;
  /** A is stored as [k, m]. Default: false. */
  transposeA?: boolean;
  /** B is stored as [n, k]. Default: false. */
  transposeB?: boolean;
  /** Of A and B. */
  type: MatmulType;
  /** Of D, and of the bias or the sums. Default: that of A and B. */
  output?: MatmulType;
  /** Round the f32 operands of the products to TF32 (10 bits): sums stay f32. Default: false. */
  tf32?: boolean;
  /** Elements from one stored row to the next. Defaults: no gaps. */
  leadingA?: number;
  leadingB?: number;
  leadingD?: number;
  /** Add the product to D instead of replacing it. Default: false. */
  accumulate?: boolean;
  /**
   * What is done with the vector `bias` beside: "bias" adds its n elements to each row of D; "sumsOfB" writes to it the n sums of op(B) over k,
   * "sumsOfA" the m sums of op(A) over k: gradients of a bias where that operand is the gradient of the layer's output.
   */
  epilogue?: keyof typeof epilogues;
}

/** Device addresses of a product, of at least the alignment of their elements. */
export interface MatmulOperands {
  a: number;
  b: number;
  d: number;
  /** Of the epilogue's vector, of the type of D. */
  bias?: number;
}

/** A product whose algorithm is chosen. */
export interface MatmulPlan {
  /** What a run needs of workspace, at most `workspaceBytes` of the library's options. */
  readonly workspaceBytes: number;
}

interface Prepared extends MatmulPlan {
  readonly operation: number;
  readonly layouts: readonly [a: number, b: number, d: number];
  readonly algorithm: Uint8Array;
  readonly beta: Float32Array;
}

const ONE = Float32Array.of(1);
const ZERO = Float32Array.of(0);
const MAX_ALIGNMENT = 256;

/** The most workspace that an algorithm may take, unless asked otherwise. */
export const WORKSPACE_BYTES = 32 * 2 ** 20;

export interface CublasLtOptions {
  /** The most workspace that an algorithm may take, in bytes. Default: 32 MiB. */
  workspaceBytes?: number;
}

/** Matrix products by cuBLASLt for the context that is current when the first is planned. Algorithms are chosen once a problem and kept. */
export class CublasLt {
  /** Such as "13.1.1". */
  readonly version: string;
  /** Where the library was found. */
  readonly path: string;
  /** The functions themselves, which return a cublasStatus_t. */
  readonly raw: Bound<keyof typeof cublasLtFunctions>;
  readonly #statusName: (code: number) => string;
  readonly #workspaceBytes: number;
  readonly #plans = new Map<string, Prepared | null>();
  readonly #word = new BigUint64Array(1);
  readonly #int = new Int32Array(1);
  #handle = 0;

  /** @throws DeviceError that names the package to install if there is no cuBLASLt that fits the driver. */
  static open({ koffi, version, where }: Driver, options: CublasLtOptions = {}): CublasLt {
    return openLibrary(libraries.cublasLt, koffi, version.major, where, ({ path, library }) => new CublasLt(path, library, options));
  }

  private constructor(path: string, library: Parameters<typeof bind>[0], { workspaceBytes = WORKSPACE_BYTES }: CublasLtOptions) {
    this.path = path;
    this.raw = bind(library, cublasLtFunctions);
    this.#statusName = library.func("const char *cublasLtGetStatusName(int status)");
    const version = Number(library.func<() => number | bigint>("size_t cublasLtGetVersion()")());
    this.version = `${Math.floor(version / 10_000)}.${Math.floor(version / 100) % 100}.${version % 100}`;
    this.#workspaceBytes = workspaceBytes;
  }

  /** Whether cuBLASLt has an algorithm for a product. */
  supports(problem: MatmulProblem, operands?: MatmulOperands): boolean {
    return this.#prepared(problem, operands) !== null;
  }

  /**
   * Chooses the algorithm of a product, once: heuristics depend on the alignment of the operands, 256 bytes where none are given.
   * @throws DeviceError if cuBLASLt has none for it.
   */
  plan(problem: MatmulProblem, operands?: MatmulOperands): MatmulPlan {
    const prepared = this.#prepared(problem, operands);
    if (!prepared) throw new DeviceError(`cuda: cuBLASLt ${this.version} has no algorithm for the product ${JSON.stringify(problem)} with ${this.#workspaceBytes} bytes of workspace.`);
    return prepared;
  }

  /**
   * Queues a product on a stream.
   * @param workspace the address of as many bytes as the plan asks for, used until the product is done
   * @throws DeviceError if it cannot be queued
   */
  run(plan: MatmulPlan, { a, b, d, bias }: MatmulOperands, workspace: number, stream: number): void {
    const { operation, layouts, algorithm, beta, workspaceBytes } = plan as Prepared;
    if (bias !== undefined) this.#setAddress(operation, bias);
    // Row-major matrices are the transposes of column-major ones: Dᵀ = op(B)ᵀ · op(A)ᵀ.
    this.#call("cublasLtMatmul", this.handle, operation, ONE, b, layouts[1], a, layouts[0], beta, d, layouts[2], d, layouts[2], algorithm, workspaceBytes === 0 ? 0 : workspace, workspaceBytes, stream);
  }

  /** cublasLtHandle_t, created at first use. */
  get handle(): number {
    return (this.#handle ||= this.#create("cublasLtCreate"));
  }

  /** Gives back the handle and everything made with it. */
  dispose(): void {
    for (const plan of this.#plans.values()) if (plan) this.#release(plan.operation, plan.layouts);
    this.#plans.clear();
    if (this.#handle !== 0) this.raw.cublasLtDestroy(this.#handle);
    this.#handle = 0;
  }

  #prepared(problem: MatmulProblem, operands: MatmulOperands = { a: 0, b: 0, d: 0 }): Prepared | null {
    const { m, n, k, transposeA = false, transposeB = false, type, output = type, tf32 = false, accumulate = false, epilogue } = problem;
    const { leadingA = transposeA ? m : k, leadingB = transposeB ? k : n, leadingD = n } = problem;
    const alignments = [operands.a, operands.b, operands.d, operands.bias ?? 0].map(alignmentOf);
    const key = [m, n, k, transposeA, transposeB, type, output, tf32, leadingA, leadingB, leadingD, accumulate, epilogue, alignments].join();
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const operation = this.#create("cublasLtMatmulDescCreate", tf32 && type === "f32" ? C.CUBLAS_COMPUTE_32F_FAST_TF32 : C.CUBLAS_COMPUTE_32F, C.CUDA_R_32F);
    const layouts: number[] = [];
    const layout = (of: MatmulType, rows: number, columns: number, leading: number): void => {
      layouts.push(this.#create("cublasLtMatrixLayoutCreate", types[of], columns, rows, leading));
    };
    try {
      if (transposeB) this.#setInt(operation, C.CUBLASLT_MATMUL_DESC_TRANSA, C.CUBLAS_OP_T);
      if (transposeA) this.#setInt(operation, C.CUBLASLT_MATMUL_DESC_TRANSB, C.CUBLAS_OP_T);
      if (epilogue !== undefined) {
        this.#setInt(operation, C.CUBLASLT_MATMUL_DESC_EPILOGUE, epilogues[epilogue]);
        this.#setInt(operation, C.CUBLASLT_MATMUL_DESC_BIAS_DATA_TYPE, types[output]);
        this.#setAddress(operation, operands.bias ?? MAX_ALIGNMENT);
      }
      layout(type, transposeA ? k : m, transposeA ? m : k, leadingA);
      layout(type, transposeB ? n : k, transposeB ? k : n, leadingB);
      layout(output, m, n, leadingD);
      const chosen = this.#choose(operation, layouts, output, alignments);
      const plan = chosen && { ...chosen, operation, layouts: layouts as unknown as Prepared["layouts"], beta: accumulate ? ONE : ZERO };
      if (!plan) this.#release(operation, layouts);
      this.#plans.set(key, plan);
      return plan;
    } catch (error) {
      this.#release(operation, layouts);
      throw error;
    }
  }

  #choose(operation: number, [a, b, d]: readonly number[], output: MatmulType, [ofA, ofB, ofD]: readonly number[]): { algorithm: Uint8Array; workspaceBytes: number } | null {
    const preference = this.#create("cublasLtMatmulPreferenceCreate");
    try {
      this.#prefer(preference, C.CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, BigUint64Array.of(BigInt(this.#workspaceBytes)));
      // Where a sum is split, its pieces stay f32: the other schemes round each to the type of D.
      if (output !== "f32") this.#prefer(preference, C.CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, Uint32Array.of(C.CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
      const alignments = [
        [C.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, ofB], [C.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, ofA],
        [C.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, ofD], [C.CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, ofD],
      ] as const;
      for (const [attribute, alignment] of alignments) this.#prefer(preference, attribute, Uint32Array.of(alignment));
      const result = new Uint8Array(heuristicResult.bytes);
      const fields = new DataView(result.buffer);
      const code = this.raw.cublasLtMatmulAlgoGetHeuristic(this.handle, operation, b, a, d, d, preference, 1, result, this.#int);
      if (code === C.CUBLAS_STATUS_NOT_SUPPORTED) return null;
      if (code !== 0) throw this.#failure("cublasLtMatmulAlgoGetHeuristic", code);
      if (this.#int[0] === 0 || fields.getInt32(heuristicResult.state, true) !== 0) return null;
      return { algorithm: result.slice(0, heuristicResult.algorithmBytes), workspaceBytes: Number(fields.getBigUint64(heuristicResult.workspaceSize, true)) };
    } finally {
      this.raw.cublasLtMatmulPreferenceDestroy(preference);
    }
  }

  #release(operation: number, layouts: readonly number[]): void {
    this.raw.cublasLtMatmulDescDestroy(operation);
    for (const layout of layouts) this.raw.cublasLtMatrixLayoutDestroy(layout);
  }

  #setInt(operation: number, attribute: number, value: number): void {
    this.#call("cublasLtMatmulDescSetAttribute", operation, attribute, Int32Array.of(value), 4);
  }

  #setAddress(operation: number, address: number): void {
    this.#word[0] = BigInt(address);
    this.#call("cublasLtMatmulDescSetAttribute", operation, C.CUBLASLT_MATMUL_DESC_BIAS_POINTER, this.#word, 8);
  }

  #prefer(preference: number, attribute: number, value: BigUint64Array | Uint32Array): void {
    this.#call("cublasLtMatmulPreferenceSetAttribute", preference, attribute, value, value.byteLength);
  }

  /** Calls a function whose first parameter points at the handle that it makes. */
  #create(name: keyof typeof cublasLtFunctions, ...args: Argument[]): number {
    this.#call(name, this.#word, ...args);
    return Number(this.#word[0]);
  }

  #call(name: keyof typeof cublasLtFunctions, ...args: Argument[]): void {
    const code = this.raw[name](...args);
    if (code !== 0) throw this.#failure(name, code);
  }

  #failure(name: keyof typeof cublasLtFunctions, code: number): DeviceError {
    return new DeviceError(`cuda: ${name} failed with ${this.#statusName(code)} (${code}). ${advice[code] ?? ""}`.trimEnd());
  }
}

/** Of an address: the largest power of two that divides it, at most 256. */
function alignmentOf(address: number): number {
  const low = address % MAX_ALIGNMENT;
  return low === 0 ? MAX_ALIGNMENT : low & -low;
}
