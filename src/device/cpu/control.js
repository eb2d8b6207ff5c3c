/**
 * The control block: how the main thread hands a job to the workers, in the reserved low 64 KiB of the shared memory.
 *
 * A job is open while `OPEN` is 1. A thread joins by raising `ACTIVE` and then looking at `OPEN`; the main
 * thread closes the job and then waits until `ACTIVE` is zero. With sequentially consistent atomics no thread can be
 * inside a job that the main thread believes finished, and nobody waits for a worker that never woke up.
 */

/** Byte address of the control block. Everything below it is static data of the modules. */
export const CONTROL_ADDRESS = 0xe000;
/** First byte that the allocator may give away. */
export const HEAP_ADDRESS = 0x10000;
/** As many as there is room for before the message. */
export const MAX_ARGUMENTS = 190;

// Indices of 32-bit words; what different threads write lies on different cache lines.
export const EPOCH = 0;
export const OPEN = 1;
export const EXIT = 2;
export const SLEEPERS = 16;
export const NEXT = 32;
export const ACTIVE = 48;
export const MAIN_WAITS = 49;
export const MODULE = 64;
export const MODULE_ADDRESS = 65;
export const MODULE_BYTES = 66;
export const EXPORT = 67;
export const CHUNKS = 68;
export const SCRATCH_ADDRESS = 69;
export const SCRATCH_STRIDE = 70;
export const ARGUMENT_COUNT = 71;
export const FAILED = 80;
export const MESSAGE_BYTES = 81;

// Indices of 64-bit floats.
export const ITEMS = 64;
export const GRAIN = 65;
export const ARGUMENTS = 66;

const MESSAGE_ADDRESS = CONTROL_ADDRESS + 2048;
const MESSAGE_CAPACITY = 2048;

/**
 * @typedef {{ words: Int32Array, numbers: Float64Array, message: Uint8Array }} Control
 * @typedef {(...args: number[]) => void} Kernel
 */

/**
 * @param {WebAssembly.Memory} memory
 * @returns {Control} Views that stay valid when the memory grows.
 */
export function controlBlock({ buffer }) {
  return {
    words: new Int32Array(buffer, CONTROL_ADDRESS, 128),
    numbers: new Float64Array(buffer, CONTROL_ADDRESS, ARGUMENTS + MAX_ARGUMENTS),
    message: new Uint8Array(buffer, MESSAGE_ADDRESS, MESSAGE_CAPACITY),
  };
}

/**
 * Instantiates a module on the shared memory.
 * @param {BufferSource} bytes
 * @param {WebAssembly.Memory} memory
 * @returns {{ names: string[], kernels: Kernel[] }} Its exported functions, in the order of the module: the same in every thread.
 */
export function instantiate(bytes, memory) {
  const module = new WebAssembly.Module(bytes);
  const { exports } = new WebAssembly.Instance(module, { env: { memory } });
  const names = WebAssembly.Module.exports(module).flatMap(({ kind, name }) => (kind === "function" ? [name] : []));
  return { names, kernels: names.map((name) => /** @type {Kernel} */ (exports[name])) };
}

/**
 * Claims chunks of the open job until none is left. A trap ends the job for all threads and leaves its message.
 * @param {Control} control
 * @param {() => Kernel} resolve
 * @param {number} thread
 */
export function processChunks({ words, numbers, message }, resolve, thread) {
  const chunks = words[CHUNKS];
  try {
    const kernel = resolve();
    const items = numbers[ITEMS];
    const grain = numbers[GRAIN];
    const args = [words[SCRATCH_ADDRESS] + thread * words[SCRATCH_STRIDE], 0, 0];
    for (let i = 0; i < words[ARGUMENT_COUNT]; i++) args.push(numbers[ARGUMENTS + i]);
    for (let chunk = Atomics.add(words, NEXT, 1); chunk < chunks; chunk = Atomics.add(words, NEXT, 1)) {
      args[1] = chunk * grain;
      args[2] = Math.min(items, args[1] + grain);
      kernel(...args);
    }
  } catch (error) {
    Atomics.store(words, NEXT, chunks);
    if (Atomics.compareExchange(words, FAILED, 0, 1) !== 0) return;
    const text = new TextEncoder().encode(error instanceof Error ? error.message : String(error)).subarray(0, message.length);
    message.set(text);
    words[MESSAGE_BYTES] = text.length;
  }
}
