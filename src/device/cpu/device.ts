import type { Plan } from "../../fusion/plan.ts";
import { DeviceError } from "../../errors.ts";
import type { DType, DenseMath, Device, FusedKernel, Precision, Tensor, TimeShare, TypedArray } from "../device.ts";
import { createDense } from "./dense.ts";
import { loadDense, relaxedSimd, roundsOnce } from "./features.ts";
import { compileFused } from "./fused.ts";
import { Pool } from "./pool.ts";
import { canShareMemory, defaultThreads } from "./threads.ts";
import { requireFloat32 } from "../dense/precision.ts";
import { checkPlan } from "../launch.ts";
import { addressOf, arrayTypes, byteCount, checkCopy, checkedDtype, checkWrite, ELEMENT_BYTES, StoredTensor } from "../tensor.ts";

/** What a thread fills or copies at a time. */
const CHUNK_BYTES = 1 << 18;

/** WebAssembly SIMD on a pool of threads that share one memory. Every operation is done when its call returns. */
export class CpuDevice implements Device {
  readonly name = "cpu";
  readonly description: string;
  readonly arithmetic: string;
  /** For authors of kernels: runs them on all threads. */
  readonly pool: Pool;
  /** The pool's number of the module of dense kernels. */
  readonly denseModule: number;
  readonly #time = { dense: 0, neuron: 0, rest: 0 };
  readonly #kernels = new Map<string, FusedKernel>();
  #dense: DenseMath | undefined;
  #bytesInUse = 0;
  #timing = false;
  #closed = false;

  /** Opens the device on `threads` threads, the calling one included; default: as many as there can be; `portable`: without relaxed SIMD; `note`: the end of the description. Throws as `Pool.open` does. */
  static async open(threads = defaultThreads(), { portable = false, note = "" }: { portable?: boolean; note?: string } = {}): Promise<CpuDevice> {
    const relaxed = !portable && relaxedSimd();
    const dense = await loadDense(relaxed);
    return new CpuDevice(await Pool.open(threads), dense, relaxed, note);
  }

  private constructor(pool: Pool, dense: Uint8Array, relaxed: boolean, note: string) {
    this.pool = pool;
    this.denseModule = pool.load(dense);
    const threads = pool.threads === 1 ? `1 thread${canShareMemory ? "" : ": the page is not cross-origin isolated"}` : `${pool.threads} threads`;
    this.arithmetic = relaxed && roundsOnce() ? "cpu, fused multiply-adds" : "cpu";
    this.description = `WebAssembly ${relaxed ? "relaxed SIMD" : "SIMD"}, ${threads}${note}`;
  }

  /** Bytes of all tensors that are alive. */
  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  get time(): Readonly<TimeShare> {
    return { ...this.#time };
  }

  get dense(): DenseMath {
    this.#requireOpen("dense");
    return (this.#dense ??= createDense(this));
  }

  denseFor(precision: Precision): DenseMath {
    requireFloat32(this, precision);
    return this.dense;
  }

  kernel(plan: Plan): FusedKernel {
    this.#requireOpen("kernel");
    checkPlan(this, plan);
    let kernel = this.#kernels.get(plan.key);
    if (!kernel) this.#kernels.set(plan.key, (kernel = compileFused(this, plan)));
    return kernel;
  }

  empty(shape: readonly number[], dtype: DType = "f32"): StoredTensor<CpuDevice> {
    this.#requireOpen("empty");
    const bytes = byteCount(shape, dtype);
    const address = this.pool.memory.allocate(bytes);
    this.#bytesInUse += bytes;
    const free = (): void => {
      this.#bytesInUse -= bytes;
      this.pool.memory.release(address);
    };
    return new StoredTensor(this, shape, dtype, { address, free, holders: 0 });
  }

  zeros(shape: readonly number[], dtype: DType = "f32"): StoredTensor<CpuDevice> {
    const tensor = this.empty(shape, dtype);
    // In whole words: a block is padded to 64 bytes.
    const words = Math.ceil((tensor.size * ELEMENT_BYTES[dtype]) / 4);
    this.timed("rest", () => this.pool.run(this.denseModule, "fill", words, CHUNK_BYTES / 4, [this.ptr(tensor, "zeros"), 0]));
    return tensor;
  }

  tensor(data: TypedArray, shape: readonly number[]): StoredTensor<CpuDevice> {
    const tensor = this.empty(shape, checkedDtype(data, shape));
    this.write(tensor, data);
    return tensor;
  }

  write(tensor: Tensor, data: TypedArray): void {
    const view = this.view(tensor, "write");
    checkWrite(tensor, data);
    this.timed("rest", () => view.set(data));
  }

  async read(tensor: Tensor): Promise<TypedArray> {
    return this.timed("rest", () => this.view(tensor, "read").slice());
  }

  copy(source: Tensor, target: Tensor): void {
    const from = this.ptr(source, "copy");
    const to = this.ptr(target, "copy", source.dtype);
    checkCopy(source, target);
    if (from === to) return;
    const bytes = source.size * ELEMENT_BYTES[source.dtype];
    this.timed("rest", () => this.pool.run(this.denseModule, "copyBytes", bytes, CHUNK_BYTES, [to, from]));
  }

  async synchronize(): Promise<void> {
    this.#requireOpen("synchronize");
  }

  async dispose(): Promise<void> {
    this.#closed = true;
    await this.pool.dispose();
  }

  /**
   * The byte address of a tensor's first element, for kernels.
   * @throws DeviceError, naming `operation`, if the tensor is disposed, of another device, or not of `dtype`.
   */
  ptr(tensor: Tensor, operation: string, dtype?: DType): number {
    this.#requireOpen(operation);
    return addressOf(this, tensor, operation, dtype);
  }

  /** A tensor's elements in place. Only for immediate use: it outlives neither the tensor nor the next allocation. */
  view(tensor: Tensor, operation: string): TypedArray {
    const address = this.ptr(tensor, operation);
    return new arrayTypes[tensor.dtype](this.pool.memory.buffer, address, tensor.size);
  }

  /** Runs `work` and adds what it takes to `time`. Inside another `timed`, the outer one counts. */
  timed<T>(kind: keyof TimeShare, work: () => T): T {
    if (this.#timing) return work();
    const start = performance.now();
    this.#timing = true;
    try {
      return work();
    } finally {
      this.#timing = false;
      this.#time[kind] += performance.now() - start;
    }
  }

  #requireOpen(operation: string): void {
    if (this.#closed) throw new DeviceError(`cpu: ${operation}: the device is closed.`);
  }
}
