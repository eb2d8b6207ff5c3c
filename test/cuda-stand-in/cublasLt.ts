import koffi from "koffi";
import type { TypedArray } from "../../src/device/device.ts";
import { results } from "./testbed.ts";

export const F32 = 0;
export const BF16 = 14;
export const COMPUTE = { f32: 68, tf32: 77 };
export const EPILOGUE = { none: 1, bias: 4, sumsOfA: 256, sumsOfB: 512 };
export const INVALID_VALUE = 7;
export const NOT_SUPPORTED = 15;

/** Attributes of a matmul descriptor by number, with the array that holds a value. */
const attributes = { compute: [0, Int32Array], scale: [1, Int32Array], transA: [3, Int32Array], transB: [4, Int32Array], epilogue: [7, Int32Array], biasType: [26, Int32Array] } as const;
export const BIAS_POINTER = 8;

export function bindCublasLt(path: string) {
  const library = koffi.load(path);
  const f = (signature: string) => library.func(signature) as (...args: unknown[]) => number;
  return {
    getVersion: f("size_t cublasLtGetVersion()"),
    getStatusName: library.func("const char* cublasLtGetStatusName(int status)") as (status: number) => string,
    getStatusString: library.func("const char* cublasLtGetStatusString(int status)") as (status: number) => string,
    create: f("int cublasLtCreate(_Out_ uint64_t* handle)"),
    destroy: f("int cublasLtDestroy(uint64_t handle)"),
    layoutCreate: f("int cublasLtMatrixLayoutCreate(_Out_ uint64_t* layout, int type, uint64_t rows, uint64_t cols, int64_t ld)"),
    layoutDestroy: f("int cublasLtMatrixLayoutDestroy(uint64_t layout)"),
    layoutSet: f("int cublasLtMatrixLayoutSetAttribute(uint64_t layout, int attribute, const void* value, size_t bytes)"),
    layoutGet: f("int cublasLtMatrixLayoutGetAttribute(uint64_t layout, int attribute, void* value, size_t bytes, _Out_ size_t* written)"),
    descCreate: f("int cublasLtMatmulDescCreate(_Out_ uint64_t* desc, int compute, int scale)"),
    descDestroy: f("int cublasLtMatmulDescDestroy(uint64_t desc)"),
    descSet: f("int cublasLtMatmulDescSetAttribute(uint64_t desc, int attribute, const void* value, size_t bytes)"),
    descGet: f("int cublasLtMatmulDescGetAttribute(uint64_t desc, int attribute, void* value, size_t bytes, _Out_ size_t* written)"),
    preferenceCreate: f("int cublasLtMatmulPreferenceCreate(_Out_ uint64_t* preference)"),
    preferenceDestroy: f("int cublasLtMatmulPreferenceDestroy(uint64_t preference)"),
    preferenceSet: f("int cublasLtMatmulPreferenceSetAttribute(uint64_t preference, int attribute, const void* value, size_t bytes)"),
    heuristic: f("int cublasLtMatmulAlgoGetHeuristic(uint64_t handle, uint64_t desc, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t preference, int asked, void* results, _Out_ int* count)"),
    matmul: f("int cublasLtMatmul(uint64_t handle, uint64_t desc, const float* alpha, uint64_t a, uint64_t layoutA, uint64_t b, uint64_t layoutB, const float* beta, uint64_t c, uint64_t layoutC, uint64_t d, uint64_t layoutD, const void* algorithm, uint64_t workspace, size_t workspaceBytes, uint64_t stream)"),
  };
}

export type CublasLt = ReturnType<typeof bindCublasLt>;

export interface Layout { type?: number; rows: number; cols: number; ld?: number }
export interface Product {
  a: Layout;
  b: Layout;
  c?: Layout;
  d: Layout;
  options?: Partial<Record<keyof typeof attributes, number>>;
  bias?: number;
}

/** Descriptors of one product; the stand-in forgets them at its reset. */
export class Products {
  readonly lt: CublasLt;
  readonly handle: number;
  constructor(lt: CublasLt) {
    this.lt = lt;
    [this.handle] = results(1, (place) => lt.create(place));
  }

  layout({ type = F32, rows, cols, ld = rows }: Layout): number { return results(1, (place) => this.lt.layoutCreate(place, type, rows, cols, ld))[0]; }

  describe({ a, b, c, d, options = {}, bias }: Product) {
    const { lt } = this;
    const [desc] = results(1, (place) => lt.descCreate(place, COMPUTE.f32, F32));
    for (const [name, value] of Object.entries(options)) {
      const [number, array] = attributes[name as keyof typeof attributes];
      if (lt.descSet(desc, number, array.of(value), 4) !== 0) throw new Error(`no attribute ${name}`);
    }
    if (bias !== undefined) lt.descSet(desc, BIAS_POINTER, BigUint64Array.of(BigInt(bias)), 8);
    return { desc, a: this.layout(a), b: this.layout(b), c: this.layout(c ?? d), d: this.layout(d) };
  }

  /** The algorithms that the heuristic gives: 64 bytes each, and the workspace each needs. */
  heuristic({ desc, a, b, c, d }: ReturnType<Products["describe"]>, { workspace = 1 << 20, alignment = 256, asked = 4 } = {}) {
    const { lt } = this;
    const [preference] = results(1, (place) => lt.preferenceCreate(place));
    lt.preferenceSet(preference, 1, BigUint64Array.of(BigInt(workspace)), 8);
    for (const attribute of [5, 6, 7, 8]) lt.preferenceSet(preference, attribute, Uint32Array.of(alignment), 4);
    const found = new Uint8Array(96 * asked);
    const count: [number] = [0];
    const status = lt.heuristic(this.handle, desc, a, b, c, d, preference, asked, found, count);
    lt.preferenceDestroy(preference);
    const algorithms = Array.from({ length: count[0] }, (_, n) => ({
      bytes: found.slice(96 * n, 96 * n + 64),
      workspace: Number(new DataView(found.buffer).getBigUint64(96 * n + 64, true)),
    }));
    return { status, algorithms };
  }

  run(product: ReturnType<Products["describe"]>, pointers: { a: number; b: number; c?: number; d: number }, { alpha = 1, beta = 0, algorithm = null as Uint8Array | null, workspace = 0, bytes = 0, stream = 0, handle = this.handle } = {}): number {
    return this.lt.matmul(handle, product.desc, Float32Array.of(alpha), pointers.a, product.a, pointers.b, product.b, Float32Array.of(beta),
      pointers.c ?? pointers.d, product.c, pointers.d, product.d, algorithm, workspace, bytes, stream);
  }
}

/** The bits of bfloat16 nearest to each value, to even in the middle. */
export const bf16 = (values: ArrayLike<number>): Uint16Array & TypedArray => {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return Uint16Array.from(bits, (value) => (value + 0x7fff + ((value >>> 16) & 1)) >>> 16) as never;
};
export const fromBf16 = (values: Uint16Array): Float32Array => new Float32Array(Uint32Array.from(values, (value) => value << 16).buffer);
export const tf32 = (values: ArrayLike<number>): Float32Array => {
  const bits = new Uint32Array(Float32Array.from(values).buffer);
  return new Float32Array(Uint32Array.from(bits, (value) => (value + 0xfff + ((value >>> 13) & 1)) & ~0x1fff).buffer);
};
