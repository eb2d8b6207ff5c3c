import { DeviceError } from "../../errors.ts";
import { inNode, nodeModule } from "../../runtime.ts";
import { worker as script } from "./generated/worker.ts";

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

/** A worker thread of Node. Its script is a text, so that a bundle is one file. */
async function startThread(start: Start, name: string): Promise<PoolWorker> {
  const { Worker: Thread } = nodeModule("node:worker_threads");
  const thread = new Thread(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { execArgv: [], name });
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
  const blob = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  try {
    return await greet(() => new Worker(blob, { type: "module", name }), start);
  } catch {
    // A page's policy may forbid blobs. Some bundlers make a file of this very expression, and without a bundler it is one.
    return await greet(() => new Worker(new URL("./worker.js", import.meta.url), { type: "module", name }), start);
  } finally {
    URL.revokeObjectURL(blob);
  }
}

async function greet(create: () => Worker, start: Start): Promise<PoolWorker> {
  const worker = create();
  try {
    await new Promise<void>((resolve, reject) => {
      worker.onmessage = () => resolve();
      worker.onerror = ({ message }) => reject(new Error(message || `its script cannot be loaded; ${POLICY}`));
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

const POLICY = "let the page's Content-Security-Policy allow worker-src blob:, or open the device with threads: 1";
