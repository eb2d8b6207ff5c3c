import { DeviceError } from "../../errors.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { DType, DenseMath, Device, FusedKernel, Precision, Tensor, TimeShare, TypedArray } from "../device.ts";
import { addressOf, arrayTypes, byteCount, checkCopy, checkedDtype, checkWrite, ELEMENT_BYTES, StoredTensor } from "../tensor.ts";
import type { Pool } from "./pool.ts";

/** What a thread fills or copies at a time. */
const CHUNK_BYTES = 1 << 18;

/** Memory, threads and time: the device as its kernels, fused and dense, know it. */
export abstract class CpuContext implements Device {
  readonly name = "cpu";
  abstract readonly description: string;
  abstract readonly arithmetic: string;
  abstract readonly dense: DenseMath;
  abstract denseFor(precision: Precision): DenseMath;
  /** For authors of kernels: runs them on all threads. */
  readonly pool: Pool;
  /** The pool's number of the module of dense kernels. */
  readonly denseModule: number;
  readonly #time = { dense: 0, neuron: 0, rest: 0 };
  #bytesInUse = 0;
  #timing = false;
  #closed = false;

  protected constructor(pool: Pool, dense: Uint8Array) {
    this.pool = pool;
    this.denseModule = pool.load(dense);
  }

  abstract kernel(plan: Plan): FusedKernel;

  /** Bytes of all tensors that are alive. */
  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  get time(): Readonly<TimeShare> {
    return { ...this.#time };
  }

  empty(shape: readonly number[], dtype: DType = "f32"): StoredTensor<CpuContext> {
    this.requireOpen("empty");
    const bytes = byteCount(shape, dtype);
    const address = this.pool.memory.allocate(bytes);
    this.#bytesInUse += bytes;
    const free = (): void => {
      this.#bytesInUse -= bytes;
      this.pool.memory.release(address);
    };
    return new StoredTensor(this, shape, dtype, { address, free, holders: 0 });
  }

  zeros(shape: readonly number[], dtype: DType = "f32"): StoredTensor<CpuContext> {
    const tensor = this.empty(shape, dtype);
    // In whole words: a block is padded to 64 bytes.
    const words = Math.ceil((tensor.size * ELEMENT_BYTES[dtype]) / 4);
    this.timed("rest", () => this.pool.run(this.denseModule, "fill", words, CHUNK_BYTES / 4, [this.ptr(tensor, "zeros"), 0]));
    return tensor;
  }

  tensor(data: TypedArray, shape: readonly number[]): StoredTensor<CpuContext> {
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

  copy(source: Tensor, target: Tensor, at?: number): void {
    const from = this.ptr(source, "copy");
    const to = this.ptr(target, "copy", source.dtype);
    const moved = checkCopy(source, target, at);
    if (from === to) return;
    this.timed("rest", () => this.pool.run(this.denseModule, "copyBytes", moved.bytes, CHUNK_BYTES, [to + moved.to, from + moved.from]));
  }

  async synchronize(): Promise<void> {
    this.requireOpen("synchronize");
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
    this.requireOpen(operation);
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

  /** @throws DeviceError, naming `operation`, if the device is closed. */
  protected requireOpen(operation: string): void {
    if (this.#closed) throw new DeviceError(`cpu: ${operation}: the device is closed.`);
  }
}
