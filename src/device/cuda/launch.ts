import { DeviceError } from "../../errors.ts";
import type { Driver } from "./driver.ts";

export const BLOCK = 256;
const MAX_GRID = 2 ** 31 - 1;
const MAX_PARAMETERS = 128;

export interface LaunchOptions {
  /** Threads of a block. Default 256. */
  block?: number;
}

const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** The bits of an f32, for a parameter of a kernel. */
export function bitsOf(value: number): number {
  float[0] = value;
  return word[0];
}

/**
 * Launches kernels whose parameters are addresses, integers and the bits of floats, or fields of 8 bytes of the one struct that is a kernel's parameter.
 * They are written side by side to one block of memory that lasts as long as the launcher, as the driver copies them before cuLaunchKernel returns.
 */
export class Launcher {
  readonly #driver: Driver;
  readonly #stream: number;
  /** Pointers to the parameters, then the parameters, 8 bytes each. */
  readonly #memory = new ArrayBuffer(MAX_PARAMETERS * 16);
  readonly #words = new Uint32Array(this.#memory, MAX_PARAMETERS * 8);
  readonly #pointers: number;

  constructor(driver: Driver, stream: number) {
    this.#driver = driver;
    this.#stream = stream;
    this.#pointers = Number(driver.koffi.address(this.#memory));
    const table = new BigUint64Array(this.#memory, 0, MAX_PARAMETERS);
    for (let i = 0; i < MAX_PARAMETERS; i++) table[i] = BigInt(this.#pointers + MAX_PARAMETERS * 8 + i * 8);
  }

  /**
   * One thread for each of `threads`, in whole blocks.
   * @throws DeviceError if the launch fails; a fault while the kernel runs comes with a later call.
   */
  launch(kernel: number, threads: number, parameters: readonly number[], { block = BLOCK }: LaunchOptions = {}): void {
    const blocks = Math.ceil(threads / block);
    if (blocks > MAX_GRID || parameters.length > MAX_PARAMETERS) {
      throw new DeviceError(`cuda: a launch of ${threads} threads with ${parameters.length} parameters exceeds ${MAX_GRID} blocks of ${block} threads or ${MAX_PARAMETERS} parameters.`);
    }
    const words = this.#words;
    for (let i = 0; i < parameters.length; i++) {
      words[2 * i] = parameters[i];
      words[2 * i + 1] = Math.floor(parameters[i] / 2 ** 32);
    }
    const code = this.#driver.raw.cuLaunchKernel(kernel, blocks, 1, 1, block, 1, 1, 0, this.#stream, this.#pointers, 0);
    if (code !== 0) throw this.#driver.failure("cuLaunchKernel", code);
  }
}
