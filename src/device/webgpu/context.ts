import "../jax/workers.ts";
import type { numpy as np } from "@jax-js/jax";
import { DeviceError } from "../../errors.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { DenseMath, Device, DType, FusedKernel, Precision, Tensor, TimeShare, TypedArray } from "../device.ts";
import { arrayTypes, byteCount, checkCopy, checkedDtype, checkWrite, ELEMENT_BYTES, elementCount, storageOf, StoredTensor } from "../tensor.ts";
import { BindGroups } from "./bindGroups.ts";
import { describeGpu, isSoftware } from "./gpu.ts";
import { GpuMemory, type GpuStorage, wordsOf } from "./memory.ts";
import { Pipelines } from "./pipelines.ts";

export type GpuTensor = StoredTensor<WebGpuContext, GpuStorage>;

/** What bounds a launch. */
export interface GpuLimits {
  /** Bytes of one storage binding. */
  bindingBytes: number;
  /** Workgroups in one dimension of a grid. */
  workgroups: number;
  /** Threads of a workgroup. */
  threads: number;
  /** Bytes of memory that the threads of a workgroup share. */
  sharedBytes: number;
}

/** jax-js's element types under our names. */
const dtypes: Readonly<Record<string, DType>> = { float32: "f32", int32: "i32", uint32: "u32" };

/** A GPU's memory and queue: the device as its kernels, fused and dense, know it. */
export abstract class WebGpuContext implements Device {
  readonly name = "webgpu";
  readonly description: string;
  readonly arithmetic: string;
  abstract readonly dense: DenseMath;
  abstract denseFor(precision: Precision): DenseMath;
  /** Shared with jax-js; `dispose` leaves it open. */
  readonly gpu: GPUDevice;
  /** Whether it is a GPU in name only: an adapter that computes on the CPU. */
  readonly software: boolean;
  readonly limits: Readonly<GpuLimits>;
  readonly pipelines: Pipelines;
  readonly bindGroups: BindGroups;
  readonly #memory = new GpuMemory();
  readonly #listen = (event: GPUUncapturedErrorEvent): void => { this.#fault ??= event.error.message; };
  #fault: string | undefined;
  #lost: string | undefined;
  #closed = false;

  protected constructor(gpu: GPUDevice, limits: Partial<GpuLimits>) {
    this.gpu = gpu;
    this.description = describeGpu(gpu);
    this.arithmetic = `webgpu, ${this.description}`;
    this.software = isSoftware(gpu);
    this.limits = {
      bindingBytes: gpu.limits.maxStorageBufferBindingSize, workgroups: gpu.limits.maxComputeWorkgroupsPerDimension,
      threads: Math.min(gpu.limits.maxComputeInvocationsPerWorkgroup, gpu.limits.maxComputeWorkgroupSizeX), sharedBytes: gpu.limits.maxComputeWorkgroupStorageSize, ...limits,
    };
    this.pipelines = new Pipelines(gpu);
    this.bindGroups = new BindGroups(gpu);
    gpu.addEventListener("uncapturederror", this.#listen);
    void gpu.lost.then(({ reason, message }) => { this.#lost = message || reason; });
  }

  abstract kernel(plan: Plan): FusedKernel;

  get bytesInUse(): number {
    return this.#memory.bytesInUse;
  }

  get time(): Readonly<TimeShare> {
    return { dense: 0, neuron: 0, rest: 0 };
  }

  empty(shape: readonly number[], dtype: DType = "f32"): GpuTensor {
    this.requireOpen("empty");
    this.#checkSize(byteCount(shape, dtype), shape);
    return new StoredTensor(this, shape, dtype, this.#memory.allocate(elementCount(shape), dtype));
  }

  zeros(shape: readonly number[], dtype: DType = "f32"): GpuTensor {
    const tensor = this.empty(shape, dtype);
    this.submit((encoder) => encoder.clearBuffer(this.buffer(tensor, "zeros")));
    return tensor;
  }

  tensor(data: TypedArray, shape: readonly number[]): GpuTensor {
    const tensor = this.empty(shape, checkedDtype(data, shape));
    this.write(tensor, data);
    return tensor;
  }

  write(tensor: Tensor, data: TypedArray): void {
    const buffer = this.buffer(tensor, "write");
    checkWrite(tensor, data);
    if (data.byteLength === 0) return;
    const whole = data.byteLength & ~3;
    const bytes = new Uint8Array(data.buffer as ArrayBuffer, data.byteOffset, data.byteLength);
    if (whole > 0) this.gpu.queue.writeBuffer(buffer, 0, bytes, 0, whole);
    if (whole < bytes.length) {
      const last = new Uint8Array(4);
      last.set(bytes.subarray(whole));
      this.gpu.queue.writeBuffer(buffer, whole, last);
    }
  }

  async read(tensor: Tensor): Promise<TypedArray> {
    const from = this.buffer(tensor, "read");
    const { size, dtype } = tensor;
    const bytes = 4 * wordsOf(size, dtype);
    const staging = this.gpu.createBuffer({ size: bytes, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
    try {
      this.submit((encoder) => encoder.copyBufferToBuffer(from, 0, staging, 0, bytes));
      await this.#settle("read", staging.mapAsync(GPUMapMode.READ));
      return new arrayTypes[dtype](staging.getMappedRange().slice(0, size * ELEMENT_BYTES[dtype]), 0, size);
    } finally {
      staging.destroy();
    }
  }

  copy(source: Tensor, target: Tensor, at?: number): void {
    const from = this.buffer(source, "copy");
    const to = this.buffer(target, "copy", source.dtype);
    const moved = checkCopy(source, target, at);
    if (from !== to) this.submit((encoder) => encoder.copyBufferToBuffer(from, moved.from, to, moved.to, 4 * Math.ceil(moved.bytes / 4)));
  }

  async synchronize(): Promise<void> {
    this.requireOpen("synchronize");
    await this.#settle("synchronize", this.gpu.queue.onSubmittedWorkDone());
  }

  /** Frees what the device keeps; the GPU stays open for jax-js and for tensors that are alive. */
  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.gpu.removeEventListener("uncapturederror", this.#listen);
    this.pipelines.dispose();
    this.bindGroups.clear();
    this.#memory.trim();
  }

  /**
   * The buffer of a tensor, for kernels.
   * @throws DeviceError, naming `operation`, if the tensor is disposed, of another device, or not of `dtype`.
   */
  buffer(tensor: Tensor, operation: string, dtype?: DType): GPUBuffer {
    this.requireOpen(operation);
    return storageOf<GpuStorage>(this, tensor, operation, dtype).buffer;
  }

  /**
   * A jax array [shape] in a tensor's memory (f32, i32 or u32), for jax-js functions; the caller owns the reference. What is written to the tensor later shows in
   * the array and the other way round. The memory lives as long as either.
   */
  array(tensor: Tensor, operation = "array"): np.Array {
    const storage = storageOf<GpuStorage>(this, tensor, operation);
    storage.shared = true;
    return this.lend(tensor, operation);
  }

  /** As `array`, for work whose results are adopted before the tensor is freed; the tensor's memory can then be used again. */
  lend(tensor: Tensor, operation: string): np.Array {
    this.requireOpen(operation);
    if (tensor.dtype === "u8" || tensor.dtype === "u16") throw new DeviceError(`webgpu: ${operation}: jax-js has no arrays of ${tensor.dtype}.`);
    return storageOf<GpuStorage>(this, tensor, operation).array.ref.reshape([...tensor.shape]);
  }

  /**
   * Takes over a jax array of f32, i32 or u32 on webgpu as a tensor in the same memory. Work that the array waits for is queued at once.
   * @throws DeviceError if it lies elsewhere or has other elements; it then stays the caller's.
   */
  adopt(array: np.Array): GpuTensor {
    this.requireOpen("adopt");
    const dtype = dtypes[array.dtype];
    if (array.device !== "webgpu") throw new DeviceError(`webgpu: adopt: the array [${array.shape}] lies on jax-js's "${array.device}"; move it with devicePut(array, "webgpu").`);
    if (!dtype) throw new DeviceError(`webgpu: adopt: the array [${array.shape}] is of ${array.dtype}; f32, i32 and u32 can be taken.`);
    return new StoredTensor(this, array.shape, dtype, this.#memory.adopt(array, array.size * ELEMENT_BYTES[dtype]));
  }

  /** Queues the commands that `record` gives. */
  submit(record: (encoder: GPUCommandEncoder) => void): void {
    const encoder = this.gpu.createCommandEncoder();
    record(encoder);
    this.gpu.queue.submit([encoder.finish()]);
  }

  async #settle(operation: string, work: Promise<unknown>): Promise<void> {
    try {
      await work;
    } catch (cause) {
      // The news of a lost device may come after the failure that it causes.
      await Promise.race([this.gpu.lost.then(() => undefined), new Promise((resolve) => setTimeout(resolve, 50))]);
      this.requireOpen(operation);
      throw new DeviceError(`webgpu: ${operation} failed: ${this.#takeFault() ?? (cause as Error).message}`, { cause });
    }
    this.requireOpen(operation);
    const fault = this.#takeFault();
    if (fault !== undefined) throw new DeviceError(`webgpu: work that was queued before this ${operation} failed: ${fault}`);
  }

  #takeFault(): string | undefined {
    const fault = this.#fault;
    this.#fault = undefined;
    return fault;
  }

  #checkSize(bytes: number, shape: readonly number[]): void {
    const { maxBufferSize } = this.gpu.limits;
    if (bytes > maxBufferSize) throw new DeviceError(`webgpu: a tensor [${shape}] takes ${bytes} bytes, a buffer of this GPU holds ${maxBufferSize}; use smaller batches or fewer time steps.`);
  }

  /** @throws DeviceError, naming `operation`, if the device is closed or lost. */
  protected requireOpen(operation: string): void {
    if (this.#closed) throw new DeviceError(`webgpu: ${operation}: the device is closed.`);
    if (this.#lost !== undefined) {
      throw new DeviceError(`webgpu: ${operation}: the GPU was lost (${this.#lost}). What was written to files is intact; start the process again (or reload the page) and resume from the last checkpoint.`);
    }
  }
}
