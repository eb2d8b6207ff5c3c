import { DeviceError } from "../../errors.ts";
import { inNode } from "../../runtime.ts";

/** A started worker. It does not keep the process alive. */
export interface PoolWorker {
  terminate(): Promise<void>;
}

/** Starts worker number `thread` of a pool and resolves when it has taken up its post. */
export async function startWorker(memory: WebAssembly.Memory, thread: number): Promise<PoolWorker> {
  try {
    return await (inNode ? startThread : startWebWorker)({ memory, thread }, `spikefold cpu ${thread}`);
  } catch (cause) {
    throw new DeviceError(`cpu: worker ${thread} did not start: ${(cause as Error).message}`, { cause });
  }
}

interface Start {
  memory: WebAssembly.Memory;
  thread: number;
}

/** A worker thread of Node. */
async function startThread(start: Start, name: string): Promise<PoolWorker> {
  const { Worker: Thread } = process.getBuiltinModule("node:worker_threads");
  // In two steps: bundlers for browsers would emit the file once more for `new URL` with `import.meta.url`.
  const here = import.meta.url;
  const thread = new Thread(new URL("./worker.js", here), { execArgv: [], name });
  await new Promise((resolve, reject) => {
    thread.once("message", resolve);
    thread.once("error", reject);
    thread.postMessage(start);
  });
  thread.unref();
  return {
    async terminate() {
      await thread.terminate();
    },
  };
}

/** A worker of a page, or of a worker of a page. */
async function startWebWorker(start: Start, name: string): Promise<PoolWorker> {
  const worker = new Worker(new URL("./worker.js", import.meta.url), { type: "module", name });
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = ({ message }) => reject(new Error(message || "its script cannot be loaded; does the server send it with Cross-Origin-Embedder-Policy: require-corp?"));
      worker.postMessage(start);
    });
  } catch (error) {
    worker.terminate();
    throw error;
  }
  return {
    async terminate() {
      worker.terminate();
    },
  };
}
