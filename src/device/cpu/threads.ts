import { DeviceError, OptionError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";

export const MAX_THREADS = 64;

/** Whether workers can be given shared memory: in Node always, in browsers on pages that are cross-origin isolated. */
export const canShareMemory = inNode || globalThis.crossOriginIsolated === true;

/** As many threads as the machine runs at once; one where memory cannot be shared. */
export function defaultThreads(): number {
  if (!canShareMemory) return 1;
  const threads = inNode ? nodeModule("node:os").availableParallelism() : navigator.hardwareConcurrency;
  return Math.min(threads, MAX_THREADS);
}

/** @throws OptionError unless `threads` is an integer from 1 to 64; DeviceError if there are several and memory cannot be shared. */
export function checkThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1 || threads > MAX_THREADS) {
    throw new OptionError(`threads is ${threads}: an integer from 1 to ${MAX_THREADS} was expected.`);
  }
  if (threads > 1 && !canShareMemory) {
    throw new DeviceError(
      `cpu: threads is ${threads}, but this page is not cross-origin isolated and has one thread only. Serve it with the headers ` +
        "Cross-Origin-Opener-Policy: same-origin and Cross-Origin-Embedder-Policy: require-corp, or leave threads out.",
    );
  }
}
