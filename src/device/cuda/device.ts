import { checkArgument, checkOptions, flag, integer } from "../../check.ts";
import { DeviceError } from "../../errors.ts";
import type { Plan } from "../../fusion/plan.ts";
import type { DenseMath, Device, DType, Tensor, TimeShare, TypedArray } from "../device.ts";
import { checkPlan } from "../launch.ts";
import { addressOf, arrayTypes, byteCount, checkCopy, checkedDtype, checkWrite, ELEMENT_BYTES, StoredTensor } from "../tensor.ts";
import { type Driver, openDriver } from "./driver.ts";
import { compileFused, type CudaKernel } from "./fused.ts";
import type { Graph } from "./graph.ts";
import { Launcher } from "./launch.ts";
import { DeviceMemory } from "./memory.ts";
import { Nvrtc } from "./nvrtc.ts";
import { Profile } from "./profile.ts";
import { describe, type Properties, propertiesOf } from "./properties.ts";
import { Staging } from "./staging.ts";

const NON_BLOCKING = 1;

export interface CudaOptions {
  /** Let the compiler contract products and sums to fused multiply-adds: faster, but spikes may differ from other devices'. Default: false. */
  fmad?: boolean;
  /** Measure `time` by events around all work, which costs the host some microseconds each; without it, `time` stays 0. Default: false. */
  profile?: boolean;
}

/** An NVIDIA GPU. Work is queued on one stream in the order of the calls; a fault while it runs is thrown by a later call. */
export class CudaDevice implements Device {
  readonly name: string;
  readonly description: string;
  readonly arithmetic: string;
  readonly properties: Properties;
  readonly driver: Driver;
  /** CUstream of all work. */
  readonly stream: number;
  readonly memory: DeviceMemory;
  /** Graphs that are alive: they end with the device. */
  readonly graphs = new Set<Graph>();
  readonly #context: number;
  readonly #nvrtc: Nvrtc;
  readonly #launcher: Launcher;
  readonly #staging: Staging;
  readonly #profile: Profile | null;
  readonly #fmad: boolean;
  readonly #modules: number[] = [];
  readonly #functions = new Map<string, number>();
  readonly #kernels = new Map<string, CudaKernel>();
  #capturing = false;
  #closed = false;

  /** @throws DeviceError that says what is missing: koffi, the driver, NVRTC, or the device of that number. */
  static async open(ordinal: number, options: CudaOptions = {}): Promise<CudaDevice> {
    checkArgument("CudaDevice.open", "ordinal", ordinal, integer(0));
    checkOptions<CudaOptions>("CudaDevice.open", options, { fmad: flag, profile: flag });
    const driver = await openDriver();
    return new CudaDevice(driver, new Nvrtc(driver), ordinal, options);
  }

  private constructor(driver: Driver, nvrtc: Nvrtc, ordinal: number, { fmad = false, profile = false }: CudaOptions) {
    this.properties = propertiesOf(driver, ordinal);
    this.name = `cuda:${ordinal}`;
    this.description = describe(driver, nvrtc, this.properties);
    this.arithmetic = `cuda, ${this.properties.name}${fmad ? ", fused multiply-adds" : ""}`;
    this.driver = driver;
    this.#nvrtc = nvrtc;
    this.#fmad = fmad;
    this.#context = driver.get("cuDevicePrimaryCtxRetain", this.properties.handle);
    try {
      driver.use(this.#context);
      this.stream = driver.get("cuStreamCreate", NON_BLOCKING);
      this.memory = new DeviceMemory(driver, this.stream, this.properties.memoryPools);
      this.#launcher = new Launcher(driver, this.stream);
      this.#staging = new Staging(driver, this.stream);
      this.#profile = profile ? new Profile(driver, this.stream) : null;
    } catch (error) {
      driver.leave(this.#context);
      driver.raw.cuDevicePrimaryCtxRelease_v2(this.properties.handle);
      throw error;
    }
  }

  /** Bytes of all tensors that are alive. */
  get bytesInUse(): number {
    return this.memory.bytesInUse;
  }

  get time(): Readonly<TimeShare> {
    if (!this.#profile) return { dense: 0, neuron: 0, rest: 0 };
    this.activate("time");
    return this.#profile.read();
  }

  get dense(): DenseMath {
    this.activate("dense");
    throw new DeviceError(`${this.name}: dense math (matrix products, convolutions, pooling, losses) is not built for cuda yet; train networks on the device "cpu". Neurons alone run here: simulate, gradient, kernel.`);
  }

  kernel(plan: Plan): CudaKernel {
    this.activate("kernel");
    checkPlan(this, plan);
    let kernel = this.#kernels.get(plan.key);
    if (!kernel) this.#kernels.set(plan.key, (kernel = compileFused(this, plan)));
    return kernel;
  }

  empty(shape: readonly number[], dtype: DType = "f32"): StoredTensor<CudaDevice> {
    this.activate("empty");
    const bytes = byteCount(shape, dtype);
    const block = this.memory.allocate(bytes);
    return new StoredTensor(this, shape, dtype, { address: block.address, free: () => this.memory.release(block, bytes), holders: 0 });
  }

  zeros(shape: readonly number[], dtype: DType = "f32"): StoredTensor<CudaDevice> {
    const tensor = this.empty(shape, dtype);
    // In whole words: a block is a multiple of 512 bytes.
    const words = Math.ceil((tensor.size * ELEMENT_BYTES[dtype]) / 4);
    if (words > 0) this.timed("rest", () => this.driver.call("cuMemsetD32Async", this.ptr(tensor, "zeros"), 0, words, this.stream));
    return tensor;
  }

  tensor(data: TypedArray, shape: readonly number[]): StoredTensor<CudaDevice> {
    const tensor = this.empty(shape, checkedDtype(data, shape));
    this.write(tensor, data);
    return tensor;
  }

  write(tensor: Tensor, data: TypedArray): void {
    const to = this.ptr(tensor, "write");
    checkWrite(tensor, data);
    this.#refuseCapture("write");
    this.timed("rest", () => this.#staging.upload(to, new Uint8Array(data.buffer, data.byteOffset, data.byteLength)));
  }

  async read(tensor: Tensor): Promise<TypedArray> {
    const from = this.ptr(tensor, "read");
    this.#refuseCapture("read");
    const data = new arrayTypes[tensor.dtype](tensor.size);
    if (data.byteLength === 0) return data;
    this.timed("rest", () => this.driver.call("cuMemcpyDtoHAsync_v2", data, from, data.byteLength, this.stream));
    this.driver.call("cuStreamSynchronize", this.stream);
    return data;
  }

  copy(source: Tensor, target: Tensor): void {
    const from = this.ptr(source, "copy");
    const to = this.ptr(target, "copy", source.dtype);
    checkCopy(source, target);
    const bytes = source.size * ELEMENT_BYTES[source.dtype];
    if (from === to || bytes === 0) return;
    this.timed("rest", () => this.driver.call("cuMemcpyDtoDAsync_v2", to, from, bytes, this.stream));
  }

  async synchronize(): Promise<void> {
    this.activate("synchronize");
    this.#refuseCapture("synchronize");
    this.driver.call("cuStreamSynchronize", this.stream);
  }

  /** Frees all that the device holds, tensors that are alive included. Faults of work still queued are not reported: `synchronize` first for that. */
  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.activate("dispose");
    this.#closed = true;
    const { raw } = this.driver;
    raw.cuStreamSynchronize(this.stream);
    for (const graph of this.graphs) graph.dispose();
    this.memory.dispose();
    this.#staging.dispose();
    this.#profile?.dispose();
    for (const module of this.#modules) raw.cuModuleUnload(module);
    raw.cuStreamSynchronize(this.stream);
    raw.cuStreamDestroy_v2(this.stream);
    this.driver.leave(this.#context);
    raw.cuDevicePrimaryCtxRelease_v2(this.properties.handle);
  }

  /**
   * The byte address of a tensor's first element, for kernels.
   * @throws DeviceError, naming `operation`, if the tensor is disposed, of another device, or not of `dtype`.
   */
  ptr(tensor: Tensor, operation: string, dtype?: DType): number {
    this.activate(operation);
    return addressOf(this, tensor, operation, dtype);
  }

  /**
   * CUfunction of the kernel `entry` of CUDA C++ `source`, compiled and loaded once.
   * @throws DeviceError with the compiler's log if it does not compile.
   */
  function(name: string, source: string, entry: string): number {
    this.activate(name);
    const key = `${entry}\n${source}`;
    let found = this.#functions.get(key);
    if (found === undefined) {
      const cubin = this.#nvrtc.compile(name, source, { architecture: this.properties.architecture, fmad: this.#fmad });
      const module = this.driver.get("cuModuleLoadData", cubin);
      this.#modules.push(module);
      found = this.driver.get("cuModuleGetFunction", module, entry);
      this.#functions.set(key, found);
    }
    return found;
  }

  /** Queues a kernel of `threads` threads; parameters are addresses and integers ≥ 0. */
  launch(kernel: number, threads: number, parameters: readonly number[]): void {
    this.#launcher.launch(kernel, threads, parameters);
  }

  /** Runs `work` and adds what it takes to `time`, where that is measured. Inside another `timed`, the outer one counts. */
  timed<T>(kind: keyof TimeShare, work: () => T): T {
    return this.#profile && !this.#capturing ? this.#profile.around(kind, work) : work();
  }

  /** Runs `work` while the stream is captured. */
  capturing<T>(work: () => T): T {
    this.#refuseCapture("captureGraph");
    this.#capturing = true;
    try {
      return work();
    } finally {
      this.#capturing = false;
    }
  }

  /** Makes this device the one of the driver's next calls. @throws DeviceError, naming `operation`, if it is closed. */
  activate(operation: string): void {
    if (this.#closed) throw new DeviceError(`${this.name}: ${operation}: the device is closed.`);
    this.driver.use(this.#context);
  }

  #refuseCapture(operation: string): void {
    if (this.#capturing) throw new DeviceError(`${this.name}: ${operation} cannot be part of a graph; do it before capturing or after a launch.`);
  }
}
