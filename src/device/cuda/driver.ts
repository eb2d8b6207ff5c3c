import { DeviceError } from "../../errors.ts";
import { CudaError } from "./failure.ts";
import { type Argument, bind, type Bound, type Koffi, loadDriver, loadKoffi, standInPath, type Surroundings, surroundings } from "./libraries.ts";

/** Functions of the driver and their parameters. Handles and device addresses are uint64; what a pointer points at is an array here. */
export const entryPoints = {
  cuInit: "uint32_t flags",
  cuDriverGetVersion: "void *version",
  cuDeviceGetCount: "void *count",
  cuDeviceGet: "void *device, int ordinal",
  cuDeviceGetName: "void *name, int length, int device",
  cuDeviceGetAttribute: "void *value, int attribute, int device",
  cuDeviceTotalMem_v2: "void *bytes, int device",
  cuDevicePrimaryCtxRetain: "void *context, int device",
  cuDevicePrimaryCtxRelease_v2: "int device",
  cuCtxSetCurrent: "uint64_t context",
  cuCtxSynchronize: "",
  cuMemGetInfo_v2: "void *free, void *total",
  cuMemAlloc_v2: "void *address, size_t bytes",
  cuMemFree_v2: "uint64_t address",
  cuMemAllocAsync: "void *address, size_t bytes, uint64_t stream",
  cuMemFreeAsync: "uint64_t address, uint64_t stream",
  cuMemAllocHost_v2: "void *address, size_t bytes",
  cuMemFreeHost: "uint64_t address",
  cuMemcpyHtoDAsync_v2: "uint64_t to, uint64_t from, size_t bytes, uint64_t stream",
  cuMemcpyDtoHAsync_v2: "uint64_t to, uint64_t from, size_t bytes, uint64_t stream",
  cuMemcpyDtoDAsync_v2: "uint64_t to, uint64_t from, size_t bytes, uint64_t stream",
  cuMemsetD8Async: "uint64_t to, uint8_t value, size_t count, uint64_t stream",
  cuMemsetD32Async: "uint64_t to, uint32_t value, size_t count, uint64_t stream",
  cuStreamCreate: "void *stream, uint32_t flags",
  cuStreamDestroy_v2: "uint64_t stream",
  cuStreamSynchronize: "uint64_t stream",
  cuStreamWaitEvent: "uint64_t stream, uint64_t event, uint32_t flags",
  cuEventCreate: "void *event, uint32_t flags",
  cuEventDestroy_v2: "uint64_t event",
  cuEventRecord: "uint64_t event, uint64_t stream",
  cuEventQuery: "uint64_t event",
  cuEventSynchronize: "uint64_t event",
  cuEventElapsedTime: "void *milliseconds, uint64_t start, uint64_t end",
  cuModuleLoadData: "void *module, void *image",
  cuModuleUnload: "uint64_t module",
  cuModuleGetFunction: "void *function, uint64_t module, const char *name",
  cuFuncGetAttribute: "void *value, int attribute, uint64_t function",
  cuLaunchKernel: "uint64_t function, uint32_t gridX, uint32_t gridY, uint32_t gridZ, uint32_t blockX, uint32_t blockY, uint32_t blockZ, uint32_t sharedBytes, uint64_t stream, uint64_t parameters, uint64_t extra",
  cuStreamBeginCapture_v2: "uint64_t stream, int mode",
  cuStreamEndCapture: "uint64_t stream, void *graph",
  cuGraphInstantiateWithFlags: "void *executable, uint64_t graph, uint64_t flags",
  cuGraphLaunch: "uint64_t executable, uint64_t stream",
  cuGraphDestroy: "uint64_t graph",
  cuGraphExecDestroy: "uint64_t executable",
  cuGetErrorName: "int code, void *text",
  cuGetErrorString: "int code, void *text",
} as const;

export type EntryPoint = keyof typeof entryPoints;

/** NVIDIA's driver API: every call is checked. */
export class Driver {
  readonly koffi: Koffi;
  readonly where: Surroundings;
  /** The newest CUDA that the driver runs the code of. */
  readonly version: { readonly major: number; readonly minor: number };
  /** The path of the stand-in, null on real devices. */
  readonly standIn: string | null;
  /** The functions themselves, which return a CUresult. */
  readonly raw: Bound<EntryPoint>;
  readonly #out = new BigUint64Array(1);
  #context = 0;

  /** @throws DeviceError if koffi or the driver is missing, the driver is too old, or there is no device. */
  static async open(where: Surroundings = surroundings()): Promise<Driver> {
    return new Driver(await loadKoffi(), where);
  }

  private constructor(koffi: Koffi, where: Surroundings) {
    this.koffi = koffi;
    this.where = where;
    this.standIn = standInPath(where);
    const library = loadDriver(koffi, where);
    try {
      this.raw = bind(library, entryPoints);
    } catch (cause) {
      throw new DeviceError(`cuda: the NVIDIA driver cannot be used, ${(cause as Error).message}. Update it to one for CUDA 12 or newer.`, { cause });
    }
    this.call("cuInit", 0);
    const version = this.get("cuDriverGetVersion");
    this.version = { major: Math.floor(version / 1000), minor: Math.floor((version % 1000) / 10) };
    if (this.version.major < 12) throw new DeviceError(`cuda: the NVIDIA driver is for CUDA ${this.version.major}.${this.version.minor}, 12 or newer is needed: update the driver.`);
  }

  /** @throws CudaError if the call fails. */
  call(name: EntryPoint, ...args: Argument[]): void {
    const code = this.raw[name](...args);
    if (code !== 0) throw this.failure(name, code);
  }

  /** Calls a function whose first parameter points at its result, and returns that. */
  get(name: EntryPoint, ...args: Argument[]): number {
    this.#out[0] = 0n;
    this.call(name, this.#out, ...args);
    return Number(this.#out[0]);
  }

  failure(name: EntryPoint, code: number): CudaError {
    return new CudaError(name, code, this.#text("cuGetErrorName", code) ?? "an unknown error", this.#text("cuGetErrorString", code) ?? "");
  }

  /** Makes a context the one of later calls. */
  use(context: number): void {
    if (context === this.#context) return;
    this.call("cuCtxSetCurrent", context);
    this.#context = context;
  }

  /** Forgets a context that is given back. */
  leave(context: number): void {
    if (context === this.#context) this.#context = 0;
  }

  #text(name: "cuGetErrorName" | "cuGetErrorString", code: number): string | null {
    this.#out[0] = 0n;
    return this.raw[name](code, this.#out) === 0 && this.#out[0] !== 0n ? this.koffi.decode.string(this.#out[0]) : null;
  }
}

const opened = new Map<string | null, Promise<Driver>>();

/** The process's driver, opened once. */
export function openDriver(where: Surroundings = surroundings()): Promise<Driver> {
  const key = standInPath(where);
  const pending = opened.get(key) ?? Driver.open(where);
  opened.set(key, pending);
  pending.catch(() => opened.delete(key));
  return pending;
}
