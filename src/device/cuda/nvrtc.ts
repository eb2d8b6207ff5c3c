import { DeviceError } from "../../errors.ts";
import { nodeModule } from "../../runtime.ts";
import { KernelCache } from "./cache.ts";
import type { Argument, Driver } from "./driver.ts";
import { libraries, openLibrary } from "./search.ts";

const { statSync } = nodeModule("node:fs");

const functions = {
  nvrtcVersion: "void *major, void *minor",
  nvrtcCreateProgram: "void *program, const char *source, const char *name, int headers, uint64_t headerTexts, uint64_t headerNames",
  nvrtcCompileProgram: "uint64_t program, int count, const char **options",
  nvrtcGetCUBINSize: "uint64_t program, void *bytes",
  nvrtcGetCUBIN: "uint64_t program, void *cubin",
  nvrtcGetProgramLogSize: "uint64_t program, void *bytes",
  nvrtcGetProgramLog: "uint64_t program, void *log",
  nvrtcDestroyProgram: "void *program",
} as const;

type NvrtcFunction = keyof typeof functions;

const COMPILATION = 6;
const advice: Readonly<Record<number, string>> = {
  1: "Use a smaller kernel or free memory.",
  5: "This NVRTC does not know the device's architecture: install a newer one, or an older one for devices that it no longer supports.",
  7: "NVRTC did not find its libnvrtc-builtins: install both from the same package.",
};

export interface CompileOptions {
  /** Compute capability, such as "sm_90". */
  architecture: string;
  /** Contract products and sums to fused multiply-adds: faster, but results differ from other devices' in the last bits. */
  fmad: boolean;
}

/** NVIDIA's run-time compiler, with a cache on disk. */
export class Nvrtc {
  /** Such as "12.9". */
  readonly version: string;
  readonly #raw: Readonly<Record<NvrtcFunction, (...args: (Argument | readonly string[])[]) => number>>;
  readonly #errorText: (code: number) => string;
  readonly #cache: KernelCache;
  readonly #identity: string;

  /** @throws DeviceError if there is no NVRTC that fits the driver. */
  constructor({ koffi, version, where, standIn }: Driver) {
    const library = openLibrary(libraries.nvrtc, koffi, version.major, where, (candidate) => candidate.library);
    this.#raw = Object.fromEntries(Object.entries(functions).map(([name, parameters]) => [name, library.func(`int ${name}(${parameters})`)])) as never;
    this.#errorText = library.func("const char *nvrtcGetErrorString(int code)");
    this.#cache = new KernelCache(where);
    const numbers = [new Int32Array(1), new Int32Array(1)];
    this.#call("nvrtcVersion", ...numbers);
    this.version = numbers.map(([number]) => number).join(".");
    this.#identity = standIn === null ? `NVRTC ${this.version}` : `stand-in ${standIn} ${statSync(standIn).mtimeMs}`;
  }

  /**
   * The device code of CUDA C++ `source`, for cuModuleLoadData.
   * @throws DeviceError with the compiler's log if it does not compile.
   */
  compile(name: string, source: string, { architecture, fmad }: CompileOptions): Uint8Array {
    const options = [`--gpu-architecture=${architecture}`, `--fmad=${fmad}`, "--std=c++17"];
    return this.#cache.get([this.#identity, ...options, source], () => this.#compile(name, source, options));
  }

  #compile(name: string, source: string, options: readonly string[]): Uint8Array {
    const handle = new BigUint64Array(1);
    this.#call("nvrtcCreateProgram", handle, source, `${name}.cu`, 0, 0, 0);
    const program = handle[0];
    try {
      const code = this.#raw.nvrtcCompileProgram(program, options.length, options);
      if (code === COMPILATION) throw new DeviceError(`cuda: the kernel ${name} does not compile (${options.join(" ")}):\n${this.#log(program)}`);
      if (code !== 0) throw this.#failure("nvrtcCompileProgram", code, this.#log(program));
      const bytes = this.#size("nvrtcGetCUBINSize", program);
      const cubin = new Uint8Array(bytes);
      this.#call("nvrtcGetCUBIN", program, cubin);
      return cubin;
    } finally {
      this.#raw.nvrtcDestroyProgram(handle);
    }
  }

  #log(program: bigint): string {
    const log = Buffer.alloc(this.#size("nvrtcGetProgramLogSize", program));
    this.#call("nvrtcGetProgramLog", program, log);
    return log.toString("utf8").replace(/[\0\s]+$/, "");
  }

  #size(name: "nvrtcGetCUBINSize" | "nvrtcGetProgramLogSize", program: bigint): number {
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
