import { DeviceError } from "../../errors.ts";
import {
  ACTIVE, ARGUMENTS, ARGUMENT_COUNT, CHUNKS, EPOCH, EXIT, EXPORT, FAILED, GRAIN, ITEMS, MAIN_WAITS, MAX_ARGUMENTS, MESSAGE_BYTES,
  MODULE, MODULE_ADDRESS, MODULE_BYTES, NEXT, OPEN, SCRATCH_ADDRESS, SCRATCH_STRIDE, SLEEPERS,
  controlBlock, instantiate, processChunks,
} from "./control.js";
import type { Kernel } from "./control.js";
import { Memory, roundUp } from "./memory.ts";
import { startWorker } from "./start.ts";
import type { PoolWorker } from "./start.ts";
import { checkThreads } from "./threads.ts";

const MAX_CHUNKS = 2 ** 30;
const DEFAULT_SCRATCH = 1 << 20;
/** Between the scratch of two threads, beyond whole pages: an odd number of cache lines, so that they share no cache sets. */
const SCRATCH_SKEW = 4096 + 5 * 64;
/** How long the main thread spins for the last chunks before it sleeps. */
const SPIN_MILLISECONDS = 0.1;

interface LoadedModule {
  address: number;
  bytes: number;
  kernels: readonly Kernel[];
  index: ReadonlyMap<string, number>;
}

/**
 * Threads that share one memory and run kernels of WebAssembly modules over ranges of items; the main thread is one of them.
 * Every kernel export has the form `name(scratch, begin, end, ...args)`: the address of memory that only its thread uses
 * during the call, the half-open range of items to process, and the arguments of `run`, each an i32 or f32.
 */
export class Pool {
  readonly memory: Memory;
  readonly threads: number;
  readonly #control;
  readonly #workers: readonly PoolWorker[];
  readonly #modules: LoadedModule[] = [];
  readonly #mayWait: boolean;
  #scratchBytes = 0;
  #scratchBlock: number | undefined;
  #closed = false;

  /**
   * A pool of `threads` threads, the calling one included.
   * @throws OptionError unless `threads` is an integer from 1 to 64; DeviceError if memory or workers cannot be had.
   */
  static async open(threads: number): Promise<Pool> {
    checkThreads(threads);
    const memory = new Memory();
    const workers = await Promise.all(Array.from({ length: threads - 1 }, (_, i) => startWorker(memory.wasm, i + 1)));
    return new Pool(memory, workers);
  }

  private constructor(memory: Memory, workers: readonly PoolWorker[]) {
    this.memory = memory;
    this.threads = workers.length + 1;
    this.#workers = workers;
    this.#control = controlBlock(memory.wasm);
    this.#mayWait = mayWait(this.#control.words);
    this.reserveScratch(DEFAULT_SCRATCH);
  }

  /**
   * Instantiates a module that imports `env.memory` here and, at its first job, in the workers.
   * @returns The module's number, for `run`.
   */
  load(wasm: Uint8Array): number {
    this.#requireOpen("load a module");
    let loaded;
    try {
      loaded = instantiate(wasm as Uint8Array<ArrayBuffer>, this.memory.wasm);
    } catch (cause) {
      throw new DeviceError(`cpu: a module cannot be loaded: ${(cause as Error).message}`, { cause });
    }
    // Stays for the life of the pool: a worker may meet its first job of this module at any time.
    const address = this.memory.allocate(wasm.length);
    new Uint8Array(this.memory.buffer, address, wasm.length).set(wasm);
    const index = new Map(loaded.names.map((name, i) => [name, i]));
    return this.#modules.push({ address, bytes: wasm.length, kernels: loaded.kernels, index }) - 1;
  }

  /** Makes each thread's scratch at least `bytesPerThread` bytes large (initially 1 MiB). Its contents do not outlast a call of a kernel. */
  reserveScratch(bytesPerThread: number): void {
    if (bytesPerThread <= this.#scratchBytes) return;
    this.#requireOpen("reserve scratch");
    const stride = roundUp(bytesPerThread, 4096) + SCRATCH_SKEW;
    const block = this.memory.allocate(stride * this.threads);
    if (this.#scratchBlock !== undefined) this.memory.release(this.#scratchBlock);
    this.#scratchBlock = block;
    this.#scratchBytes = bytesPerThread;
    this.#control.words[SCRATCH_ADDRESS] = block;
    this.#control.words[SCRATCH_STRIDE] = stride;
  }

  /**
   * Runs the kernel `name` over the items [0, items) in chunks of `grain` items, the last one shorter, and returns when all
   * are done. The chunks depend on `items` and `grain` alone; which thread runs one, and when, does not matter and may vary.
   * At most 190 `args`.
   * @throws DeviceError if there is no such kernel, or if it traps in any thread; the other chunks may then have run or not.
   */
  run(module: number, name: string, items: number, grain: number, args: readonly number[]): void {
    this.#requireOpen(`run "${name}"`);
    if (items <= 0) return;
    const chunks = Math.ceil(items / grain);
    if (!(grain > 0) || chunks > MAX_CHUNKS) throw new DeviceError(`cpu: "${name}": ${items} items cannot be split in chunks of ${grain}.`);
    if (args.length > MAX_ARGUMENTS) throw new DeviceError(`cpu: "${name}": ${args.length} arguments, at most ${MAX_ARGUMENTS} can be passed.`);
    const { kernels, index, address, bytes } = this.#modules[module];
    const kernel = index.get(name);
    if (kernel === undefined) throw new DeviceError(`cpu: module ${module} exports no kernel "${name}", only ${[...index.keys()].join(", ")}.`);

    const { words, numbers } = this.#control;
    words[MODULE] = module;
    words[MODULE_ADDRESS] = address;
    words[MODULE_BYTES] = bytes;
    words[EXPORT] = kernel;
    words[CHUNKS] = chunks;
    words[ARGUMENT_COUNT] = args.length;
    numbers[ITEMS] = items;
    numbers[GRAIN] = grain;
    for (let i = 0; i < args.length; i++) numbers[ARGUMENTS + i] = args[i];
    words[FAILED] = 0;
    Atomics.store(words, NEXT, 0);

    const alone = chunks === 1 || this.threads === 1;
    if (!alone) this.#openJob(chunks);
    processChunks(this.#control, () => kernels[kernel], 0);
    if (!alone) this.#closeJob();
    if (words[FAILED] !== 0) throw new DeviceError(`cpu: the kernel "${name}" failed: ${this.#message()}`);
  }

  /** Stops the workers. The pool is of no use afterwards. */
  async dispose(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    const { words } = this.#control;
    Atomics.store(words, EXIT, 1);
    Atomics.add(words, EPOCH, 1);
    Atomics.notify(words, EPOCH);
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }

  #openJob(chunks: number): void {
    const { words } = this.#control;
    Atomics.store(words, OPEN, 1);
    Atomics.add(words, EPOCH, 1);
    if (Atomics.load(words, SLEEPERS) > 0) Atomics.notify(words, EPOCH, chunks - 1);
  }

  /** Lets no more workers in and waits for those inside. */
  #closeJob(): void {
    const { words } = this.#control;
    Atomics.store(words, OPEN, 0);
    if (Atomics.load(words, ACTIVE) === 0) return;
    const deadline = this.#mayWait ? performance.now() + SPIN_MILLISECONDS : Infinity;
    do {
      for (let i = 0; i < 64; i++) if (Atomics.load(words, ACTIVE) === 0) return;
    } while (performance.now() < deadline);
    Atomics.store(words, MAIN_WAITS, 1);
    for (let active = Atomics.load(words, ACTIVE); active > 0; active = Atomics.load(words, ACTIVE)) Atomics.wait(words, ACTIVE, active);
    Atomics.store(words, MAIN_WAITS, 0);
  }

  #message(): string {
    const { words, message } = this.#control;
    return new TextDecoder().decode(message.slice(0, words[MESSAGE_BYTES]));
  }

  #requireOpen(what: string): void {
    if (this.#closed) throw new DeviceError(`cpu: cannot ${what}: the device is closed.`);
  }
}

/** Whether this thread may sleep; the main thread of a browser may not. */
function mayWait(words: Int32Array): boolean {
  try {
    Atomics.wait(words, MAIN_WAITS, 1, 0);
    return true;
  } catch {
    return false;
  }
}
