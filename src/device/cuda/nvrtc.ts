import { DeviceError } from "../../errors.ts";
import { nodeModule } from "../../runtime.ts";
import { KernelCache } from "./cache.ts";
import type { Driver } from "./driver.ts";
import { type Argument, bind, type Bound, CUDA_MAJORS, type LibraryHandle } from "./libraries.ts";
import { libraries, openLibrary } from "./search.ts";

const { statSync } = nodeModule("node:fs");

/** Functions of NVRTC and their parameters, as those of the driver are written. */
export const nvrtcFunctions = {
  nvrtcVersion: "void *major, void *minor",
  nvrtcGetNumSupportedArchs: "void *count",
  nvrtcGetSupportedArchs: "void *architectures",
  nvrtcCreateProgram: "void *program, const char *source, const char *name, int headers, uint64_t headerTexts, uint64_t headerNames",
  nvrtcCompileProgram: "uint64_t program, int count, const char **options",
  nvrtcGetCUBINSize: "uint64_t program, void *bytes",
  nvrtcGetCUBIN: "uint64_t program, void *cubin",
  nvrtcGetPTXSize: "uint64_t program, void *bytes",
  nvrtcGetPTX: "uint64_t program, void *ptx",
  nvrtcGetProgramLogSize: "uint64_t program, void *bytes",
  nvrtcGetProgramLog: "uint64_t program, void *log",
  nvrtcDestroyProgram: "void *program",
} as const;

/** Constants of nvrtc.h, under their names there. */
export const nvrtcConstants = {
  NVRTC_ERROR_OUT_OF_MEMORY: 1,
  NVRTC_ERROR_INVALID_OPTION: 5,
  NVRTC_ERROR_COMPILATION: 6,
  NVRTC_ERROR_BUILTIN_OPERATION_FAILURE: 7,
} as const;

type NvrtcFunction = keyof typeof nvrtcFunctions;

const advice: Readonly<Record<number, string>> = {
  [nvrtcConstants.NVRTC_ERROR_OUT_OF_MEMORY]: "Use a smaller kernel or free memory.",
  [nvrtcConstants.NVRTC_ERROR_BUILTIN_OPERATION_FAILURE]: "It did not find its libnvrtc-builtins, which belongs in the same folder.",
};

export interface CompileOptions {
  /** Compute capability, such as "sm_90". */
  architecture: string;
  /** Contract products and sums to fused multiply-adds: faster, but results differ from other devices' in the last bits. */
  fmad: boolean;
}

/** NVIDIA's run-time compiler, with a cache on disk. */
export class Nvrtc {
  readonly #driver: Driver;
  readonly #first: Compiler;
  readonly #cache: KernelCache;
  readonly #targets = new Map<string, Target>();

  /** @throws DeviceError if there is no NVRTC that fits the driver and works. */
  constructor(driver: Driver) {
    this.#driver = driver;
    this.#first = openCompiler(driver);
    this.#cache = new KernelCache(driver.where);
  }

  /** Such as "12.9". */
  get version(): string { return this.#first.version; }

  /** Where the library was found. */
  get path(): string { return this.#first.path; }

  /**
   * The device code of CUDA C++ `source`, for cuModuleLoadData.
   * @throws DeviceError with the compiler's log if it does not compile.
   */
  compile(name: string, source: string, { architecture, fmad }: CompileOptions): Uint8Array {
    const target = this.#targets.get(architecture) ?? this.#targetFor(architecture);
    this.#targets.set(architecture, target);
    const options = [`--gpu-architecture=${target.architecture}`, `--fmad=${fmad}`, "--std=c++17"];
    return this.#cache.get([target.compiler.identity, ...options, source], () => target.compiler.compile(name, source, options));
  }

  /** The first NVRTC that knows an architecture; else the first of all, and code for the newest architecture before it that the driver compiles on. */
  #targetFor(architecture: string): Target {
    const number = Number(/^sm_(\d+)/.exec(architecture)?.[1]);
    if (this.#first.architectures.includes(number)) return { compiler: this.#first, architecture };
    const older = this.#first.architectures.filter((each) => each < number);
    try {
      return { compiler: openCompiler(this.#driver, number), architecture };
    } catch (cause) {
      if (!(cause instanceof DeviceError)) throw cause;
      if (older.length > 0) return { compiler: this.#first, architecture: `compute_${Math.max(...older)}` };
      throw new DeviceError(
        `cuda: NVRTC ${this.version} no longer compiles for this device, ${architecture}, and no other NVRTC here does. ` +
        `Install an older one: pip install ${libraries.nvrtc.wheel(CUDA_MAJORS.at(-1)!)}. Found: ${this.path}`, { cause },
      );
    }
  }
}

interface Target {
  readonly compiler: Compiler;
  /** sm_… for device code, compute_… for PTX. */
  readonly architecture: string;
}

const openCompiler = ({ koffi, version, where, standIn }: Driver, architecture?: number): Compiler =>
  openLibrary(libraries.nvrtc, koffi, version.major, where, ({ path, library }) => {
    const compiler = new Compiler(path, library, standIn);
    if (architecture !== undefined && !compiler.architectures.includes(architecture)) {
      throw new DeviceError(`NVRTC ${compiler.version} does not know sm_${architecture}`);
    }
    return compiler;
  });

/** One NVRTC. */
class Compiler {
  readonly path: string;
  readonly version: string;
  /** Compute capabilities, such as 90. */
  readonly architectures: readonly number[];
  /** What its code depends on. */
  readonly identity: string;
  readonly #raw: Bound<NvrtcFunction>;
  readonly #errorText: (code: number) => string;

  /** @throws DeviceError if it cannot compile. */
  constructor(path: string, library: LibraryHandle, standIn: string | null) {
    this.path = path;
    this.#raw = bind(library, nvrtcFunctions);
    this.#errorText = library.func("const char *nvrtcGetErrorString(int code)");
    const numbers = [new Int32Array(1), new Int32Array(1)];
    this.#call("nvrtcVersion", ...numbers);
    this.version = numbers.map(([number]) => number).join(".");
    this.#call("nvrtcGetNumSupportedArchs", numbers[0]);
    const architectures = new Int32Array(numbers[0][0]);
    this.#call("nvrtcGetSupportedArchs", architectures);
    this.architectures = [...architectures];
    this.identity = standIn === null ? `NVRTC ${this.version}` : `stand-in ${standIn} ${statSync(standIn).mtimeMs}`;
    // One that was installed without its libnvrtc-builtins loads all the same.
    if (standIn === null) this.compile("probe", 'extern "C" __global__ void probe() {}', []);
  }

  /** Device code, or PTX where the options name a virtual architecture. */
  compile(name: string, source: string, options: readonly string[]): Uint8Array {
    const handle = new BigUint64Array(1);
    this.#call("nvrtcCreateProgram", handle, source, `${name}.cu`, 0, 0, 0);
    const program = handle[0];
    try {
      const code = this.#raw.nvrtcCompileProgram(program, options.length, options);
      if (code === nvrtcConstants.NVRTC_ERROR_COMPILATION) throw new DeviceError(`cuda: the kernel ${name} does not compile (${options.join(" ")}):\n${this.#log(program)}`);
      if (code !== 0) throw this.#failure("nvrtcCompileProgram", code, this.#log(program));
      const kind = options[0]?.startsWith("--gpu-architecture=sm_") ? "CUBIN" : "PTX";
      const image = new Uint8Array(this.#size(`nvrtcGet${kind}Size`, program));
      this.#call(`nvrtcGet${kind}`, program, image);
      return image;
    } finally {
      this.#raw.nvrtcDestroyProgram(handle);
    }
  }

  #log(program: bigint): string {
    const log = Buffer.alloc(this.#size("nvrtcGetProgramLogSize", program));
    this.#call("nvrtcGetProgramLog", program, log);
    return log.toString("utf8").replace(/[\0\s]+$/, "");
  }

  #size(name: "nvrtcGetCUBINSize" | "nvrtcGetPTXSize" | "nvrtcGetProgramLogSize", program: bigint): number {
    const bytes = new BigUint64Array(1);
    this.#call(name, program, bytes);
    return Number(bytes[0]);
  }

  #call(name: NvrtcFunction, ...args: Argument[]): void {
    const code = this.#raw[name](...args);
    if (code !== 0) throw this.#failure(name, code);
  }

  #failure(name: NvrtcFunction, code: number, log = ""): DeviceError {
    return new DeviceError(`cuda: ${name} failed with ${this.#errorText(code)} (${code}). ${advice[code] ?? ""}${log && `\n${log}`}`.trimEnd());
  }
}
