/** A worker of the pool: waits for jobs in shared memory and never returns to its event loop until the pool is closed. */
import {
  ACTIVE, EPOCH, EXIT, EXPORT, MAIN_WAITS, MODULE, MODULE_ADDRESS, MODULE_BYTES, OPEN, SLEEPERS,
  controlBlock, instantiate, processChunks,
} from "./control.js";

/** Longer than the gap between two launches, shorter than anyone notices. */
const SPIN_MILLISECONDS = 0.1;
const LOADS_PER_CLOCK = 32;

/** @param {{ memory: WebAssembly.Memory, thread: number }} start */
function serve({ memory, thread }) {
  const control = controlBlock(memory);
  const { words } = control;
  /** @type {Map<number, import("./control.js").Kernel[]>} */
  const modules = new Map();

  const resolve = () => {
    let kernels = modules.get(words[MODULE]);
    if (!kernels) {
      const bytes = new Uint8Array(memory.buffer, words[MODULE_ADDRESS] >>> 0, words[MODULE_BYTES]).slice();
      kernels = instantiate(bytes, memory).kernels;
      modules.set(words[MODULE], kernels);
    }
    return kernels[words[EXPORT]];
  };

  let epoch = 0;
  while (Atomics.load(words, EXIT) === 0) {
    const next = awaitEpoch(words, epoch);
    if (next === epoch) continue;
    epoch = next;
    Atomics.add(words, ACTIVE, 1);
    if (Atomics.load(words, OPEN) !== 0) processChunks(control, resolve, thread);
    const last = Atomics.sub(words, ACTIVE, 1) === 1;
    if (last && Atomics.load(words, MAIN_WAITS) !== 0) Atomics.notify(words, ACTIVE);
  }
}

/**
 * The epoch after `seen`: spins for a moment, then sleeps.
 * @param {Int32Array} words
 * @param {number} seen
 */
function awaitEpoch(words, seen) {
  const deadline = performance.now() + SPIN_MILLISECONDS;
  do {
    for (let i = 0; i < LOADS_PER_CLOCK; i++) {
      const epoch = Atomics.load(words, EPOCH);
      if (epoch !== seen) return epoch;
    }
  } while (performance.now() < deadline);
  Atomics.add(words, SLEEPERS, 1);
  Atomics.wait(words, EPOCH, seen);
  Atomics.sub(words, SLEEPERS, 1);
  return Atomics.load(words, EPOCH);
}

/** The other end: of a Node worker thread, or of a Worker in a browser. */
const port = /** @type {Pick<Worker, "postMessage" | "onmessage">} */ (
  typeof process === "object" && process.versions?.node !== undefined
    ? /** @type {unknown} */ (process.getBuiltinModule("node:worker_threads").parentPort)
    : globalThis
);
port.onmessage = (/** @type {MessageEvent} */ { data }) => {
  port.postMessage("ready");
  serve(data);
};
