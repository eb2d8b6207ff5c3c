/**
 * jax-js runs its wasm kernels on Web Workers when the platform has them and when it is loaded; Node has worker threads instead.
 * Importing this module before jax-js gives it a `Worker` made of those, which about doubles its matrix products on two cores,
 * and the relaxed SIMD that it looks for.
 */
import { inNode, nodeModule } from "../../runtime.ts";
import { relaxedSimd } from "../cpu/features.ts";

/** What a thread runs first: the parts of a worker's global scope that jax-js uses. */
const PRELUDE = `
const { parentPort } = process.getBuiltinModule("node:worker_threads");
globalThis.self = globalThis;
globalThis.postMessage = (message) => parentPort.postMessage(message);
parentPort.on("message", (data) => globalThis.onmessage({ data }));
`;

if (inNode && typeof Worker === "undefined") {
  // Not imports: a module that awaits some would let jax-js load before it is done.
  const { Worker: Thread } = nodeModule("node:worker_threads");
  const { resolveObjectURL } = nodeModule("node:buffer");
  const { availableParallelism } = nodeModule("node:os");

  class BlobWorker {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onerror: ((event: { message: string }) => void) | null = null;
    readonly #thread: Promise<InstanceType<typeof Thread>>;

    constructor(url: string) {
      const source = resolveObjectURL(url)!.text();
      this.#thread = source.then((text) => {
        const thread = new Thread(new URL(`data:text/javascript,${encodeURIComponent(PRELUDE + text)}`));
        thread.on("message", (data) => this.onmessage?.({ data }));
        thread.on("error", (error) => this.onerror?.({ message: error.message }));
        thread.unref();
        return thread;
      });
    }

    postMessage(message: unknown): void {
      // While an answer is awaited, the process must not end.
      void this.#thread.then((thread) => {
        thread.ref();
        thread.once("message", () => thread.unref());
        thread.postMessage(message);
      });
    }

    terminate(): void {
      void this.#thread.then((thread) => thread.terminate());
    }
  }
  Object.defineProperty(globalThis, "Worker", { value: BlobWorker, configurable: true, writable: true });
  if (typeof navigator === "undefined" || typeof navigator.userAgent !== "string") {
    const known = { userAgent: `Node.js/${process.versions.node}`, hardwareConcurrency: availableParallelism() };
    Object.defineProperty(globalThis, "navigator", { value: known, configurable: true, writable: true });
  }
  relaxedSimd();
}
