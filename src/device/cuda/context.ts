import { DeviceError } from "../../errors.ts";
import type { Device, DType, Tensor, TimeShare } from "../device.ts";
import { addressOf, byteCount, StoredTensor } from "../tensor.ts";
import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";
import { Graphs } from "./graphs.ts";
import { type LaunchOptions, Launcher } from "./launch.ts";
import { DeviceMemory } from "./memory.ts";
import type { Nvrtc } from "./nvrtc.ts";
import { Profile } from "./profile.ts";
import { type Properties, propertiesOf } from "./properties.ts";
import { Readback } from "./readback.ts";
import { Staging } from "./staging.ts";
import { Waits, type Watch } from "./waits.ts";

export interface ContextOptions {
  fmad: boolean;
  profile: boolean;
}

/** What works beside the stream, on streams of its own that wait for it and that it waits for. */
export interface Companion extends Watch {
  /** At the end of recorded work: what it has queued comes before all that follows. Nothing fails here. @returns whether it has taken part in it */
  join(): boolean;
  /** Before the context is left. Nothing fails here. */
  leave(): void;
}

/** What the parts of a cuda device share: one CUDA context with one stream, its memory, its compiled kernels, and the clock of its work. */
export class CudaContext {
  readonly device: Device;
  readonly driver: Driver;
  readonly properties: Properties;
  /** CUstream of all work. */
  readonly stream: number;
  readonly memory: DeviceMemory;
  readonly graphs: Graphs;
  readonly waits: Waits;
  readonly #handle: number;
  readonly #nvrtc: Nvrtc;
  readonly #launcher: Launcher;
  readonly #staging: Staging;
  readonly #readback: Readback;
  readonly #profile: Profile | null;
  readonly #fmad: boolean;
  readonly #modules: number[] = [];
  readonly #functions = new Map<string, number>();
  /** What parts want done before the context is left. */
  readonly #parting: (() => void)[] = [];
  readonly #companions = new Set<Companion>();
  #capturing = false;
  #closed = false;

  /** @param device whose tensors they are. @throws DeviceError if there is no device of that number. */
  constructor(device: Device, driver: Driver, nvrtc: Nvrtc, ordinal: number, { fmad, profile }: ContextOptions) {
    this.device = device;
    this.driver = driver;
    this.properties = propertiesOf(driver, ordinal);
    this.#nvrtc = nvrtc;
    this.#fmad = fmad;
    this.waits = new Waits(driver, () => {
      if (this.#closed) throw new DeviceError("cuda: the device was closed while it was read.");
      driver.use(this.#handle);
    });
    this.#handle = driver.get("cuDevicePrimaryCtxRetain", this.properties.handle);
    try {
      driver.use(this.#handle);
      this.stream = driver.get("cuStreamCreate", driverConstants.CU_STREAM_NON_BLOCKING);
      this.#parting.push(() => driver.raw.cuStreamDestroy_v2(this.stream));
      this.memory = new DeviceMemory(driver, this.stream, this.waits, this.properties.memoryPools);
      const queue = (launch: () => void): void => {
        this.activate("graph");
        this.timed("rest", launch);
      };
      this.graphs = new Graphs(driver, this.stream, this.memory, queue, () => [...this.#companions].filter((companion) => companion.join()));
      this.#launcher = new Launcher(driver, this.stream);
      this.#staging = new Staging(driver, this.stream, this.waits);
      this.#readback = new Readback(driver, this.stream, this.waits, () => driver.use(this.#handle));
      this.#profile = profile ? new Profile(driver, this.stream, this.waits) : null;
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Milliseconds of each kind of work so far; zeros unless it is measured. */
  get time(): Readonly<TimeShare> {
    if (!this.#profile) return { dense: 0, neuron: 0, rest: 0 };
    this.activate("time");
    return this.#profile.read();
  }

  /** Whether the stream is captured. */
  get capturing(): boolean {
    return this.#capturing;
  }

  empty(shape: readonly number[], dtype: DType = "f32"): StoredTensor<Device> {
    this.activate("empty");
    const bytes = byteCount(shape, dtype);
    const block = this.memory.allocate(bytes);
    return new StoredTensor(this.device, shape, dtype, { address: block.address, free: () => this.memory.release(block, bytes), holders: 0 });
  }

  /**
   * The byte address of a tensor's first element, for kernels.
   * @throws DeviceError, naming `operation`, if the tensor is disposed, of another device, or not of `dtype`.
   */
  ptr(tensor: Tensor, operation: string, dtype?: DType): number {
    this.activate(operation);
    return addressOf(this.device, tensor, operation, dtype);
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

  /** Queues a kernel of `threads` threads; parameters are addresses, integers ≥ 0 and the bits of floats. */
  launch(kernel: number, threads: number, parameters: readonly number[], options?: LaunchOptions): void {
    this.#launcher.launch(kernel, threads, parameters, options);
  }

  /** Copies `data` to the address `to`, in the order of the stream; it may be changed at once. */
  upload(to: number, data: Uint8Array): void {
    this.#staging.upload(to, data);
  }

  /** Fills `data` from the address `from`, in the order of the stream, without holding up the host's other work. */
  async download(data: Uint8Array, from: number): Promise<void> {
    await this.#readback.read(data, from);
  }

  /** Runs `work` and adds what it takes to `time`, where that is measured. Inside another `timed`, the outer one counts. */
  timed<T>(kind: keyof TimeShare, work: () => T): T {
    return this.#profile && !this.#capturing ? this.#profile.around(kind, work) : work();
  }

  /** Runs `work` while the stream is captured. */
  captured<T>(work: () => T): T {
    this.refuseCapture("captureGraph");
    this.#capturing = true;
    try {
      return work();
    } finally {
      this.#capturing = false;
    }
  }

  /** Makes this device the one of the driver's next calls. @throws DeviceError, naming `operation`, if it is closed. */
  activate(operation: string): void {
    if (this.#closed) throw new DeviceError(`${this.device.name}: ${operation}: the device is closed.`);
    this.driver.use(this.#handle);
  }

  /** @throws DeviceError, naming `operation`, while the stream is captured. */
  refuseCapture(operation: string): void {
    if (this.#capturing) throw new DeviceError(`${this.device.name}: ${operation} cannot be part of a graph; do it before capturing or after a launch.`);
  }

  /** Has something work beside the stream until the function that is returned is called. */
  accompany(companion: Companion): () => void {
    this.#companions.add(companion);
    const unwatch = this.waits.watch(companion);
    return () => {
      this.#companions.delete(companion);
      unwatch();
    };
  }

  /** Something to be freed with the context: handles of libraries. */
  atEnd(free: () => void): void {
    this.#parting.push(free);
  }

  /** Frees all that the context holds, tensors that are alive included. */
  dispose(): void {
    if (this.#closed) return;
    this.activate("dispose");
    for (const companion of this.#companions) companion.leave();
    this.#closed = true;
    const { raw } = this.driver;
    raw.cuStreamSynchronize(this.stream);
    this.graphs.dispose();
    for (const module of this.#modules) raw.cuModuleUnload(module);
    this.#leave();
  }

  #leave(): void {
    const { raw } = this.driver;
    // The last that came goes first: the stream is the first that came.
    for (const free of this.#parting.splice(1).reverse()) free();
    this.memory?.dispose();
    this.#staging?.dispose();
    this.#readback?.dispose();
    this.#profile?.dispose();
    if (this.stream !== undefined) raw.cuStreamSynchronize(this.stream);
    for (const free of this.#parting.splice(0)) free();
    this.driver.leave(this.#handle);
    raw.cuDevicePrimaryCtxRelease_v2(this.properties.handle);
  }
}
