import { DeviceError } from "../../errors.ts";

/** A started worker. It does not keep the process alive. */
export interface PoolWorker {
  terminate(): Promise<void>;
}

/** Starts worker number `thread` of a pool and resolves when it has taken up its post. */
export async function startWorker(memory: WebAssembly.Memory, thread: number): Promise<PoolWorker> {
  const { Worker } = await import("node:worker_threads");
  const worker = new Worker(new URL("./worker.js", import.meta.url), { execArgv: [], name: `spikefold cpu ${thread}` });
  try {
    await new Promise((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
      worker.postMessage({ memory, thread });
    });
  } catch (cause) {
    throw new DeviceError(`cpu: worker ${thread} did not start: ${(cause as Error).message}`, { cause });
  }
  worker.unref();
  return {
    async terminate() {
      await worker.terminate();
    },
  };
}
