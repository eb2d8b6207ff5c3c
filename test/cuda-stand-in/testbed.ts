import type { TypedArray } from "../../src/device/device.ts";
import { bind, type Cuda } from "./bindings.ts";

export const ILLEGAL_ADDRESS = 700;
export const MISALIGNED_ADDRESS = 716;
export const LAUNCH_FAILED = 719;

export function ok(code: number): void {
  if (code !== 0) throw new Error(`the call failed with ${code}`);
}

/** Calls a function with places for its results, and gives those. */
export function results(count: 1 | 2, call: (...places: [number][]) => number): number[] {
  const places = Array.from({ length: count }, (): [number] => [0]);
  ok(call(...places));
  return places.map(([value]) => value);
}

export type Kernel = (grid: number, block: number, parameters: TypedArray[], options?: { shared?: number; stream?: number }) => number;

export const address = (value: number): BigUint64Array & TypedArray => BigUint64Array.of(BigInt(value)) as never;

/** One device with a stream, over the C entry points; throws where a call fails. */
export class Testbed {
  readonly cuda: Cuda;
  readonly stream: number;

  constructor(path: string, device = 0) {
    const cuda = bind(path);
    this.cuda = cuda;
    cuda.reset();
    ok(cuda.cuInit(0));
    this.select(device);
    [this.stream] = results(1, (stream) => cuda.cuStreamCreate(stream, 1));
  }

  select(device: number): void {
    const [context] = results(1, (place) => this.cuda.cuDevicePrimaryCtxRetain(place, device));
    ok(this.cuda.cuCtxSetCurrent(context));
  }

  /** Compiles for sm_90 and loads; throws the log if the source does not compile. */
  module(source: string, options?: string[]): number { return this.load(this.image(source, options)); }

  load(image: Buffer): number { return results(1, (place) => this.cuda.cuModuleLoadData(place, image))[0]; }

  /** The "cubin" of a source. */
  image(source: string, given = ["--fmad=false"]): Buffer {
    const { cuda } = this;
    const options = ["--gpu-architecture=sm_90", ...given];
    const [program] = results(1, (place) => cuda.nvrtcCreateProgram(place, source, "test.cu", 0, null, null));
    try {
      if (cuda.nvrtcCompileProgram(program, options.length, options) !== 0) throw new Error(this.#log(program));
      const [bytes] = results(1, (place) => cuda.nvrtcGetCUBINSize(program, place));
      const image = Buffer.alloc(bytes);
      ok(cuda.nvrtcGetCUBIN(program, image));
      return image;
    } finally {
      ok(cuda.nvrtcDestroyProgram([program]));
    }
  }

  #log(program: number): string {
    const [bytes] = results(1, (place) => this.cuda.nvrtcGetProgramLogSize(program, place));
    const log = Buffer.alloc(bytes);
    ok(this.cuda.nvrtcGetProgramLog(program, log));
    return log.toString("utf8", 0, bytes - 1);
  }

  function(module: number, name: string): number {
    return results(1, (place) => this.cuda.cuModuleGetFunction(place, module, name))[0];
  }

  kernel(module: number, name: string): Kernel {
    const f = this.function(module, name);
    return (grid, block, parameters, { shared = 0, stream = this.stream } = {}) =>
      this.cuda.cuLaunchKernel(f, grid, 1, 1, block, 1, 1, shared, stream, parameters, null);
  }

  alloc(bytes: number): number { return results(1, (place) => this.cuda.cuMemAlloc(place, bytes))[0]; }

  upload(data: TypedArray): number {
    const at = this.alloc(data.byteLength);
    ok(this.cuda.cuMemcpyHtoDAsync(at, data, data.byteLength, this.stream));
    return at;
  }

  download<T extends TypedArray>(at: number, into: T): T {
    ok(this.cuda.cuMemcpyDtoHAsync(into, at, into.byteLength, this.stream));
    ok(this.synchronize());
    return into;
  }

  synchronize(): number { return this.cuda.cuStreamSynchronize(this.stream); }
}
