import type { Complaint, FromWorker, Requests, ToWorker } from "./protocol.ts";

/** What the engine says of a definition that it refuses. */
export class EngineError extends Error {
  readonly complaint: Complaint;

  constructor(complaint: Complaint) {
    super(complaint.message);
    this.complaint = complaint;
  }
}

interface Job {
  message: ToWorker;
  resolve(result: unknown): void;
  reject(error: Error): void;
}

/** A definition may keep the engine so long. */
const LIMIT_MS = 2000;

/**
 * The worker that reads and runs definitions. It takes one request at a time; of those that wait, the last of each kind is kept, and the earlier
 * ones resolve to null. A request that takes longer than two seconds ends the worker, and the next one starts another.
 */
export class Engine {
  #worker: Worker | null = null;
  #ready = false;
  #running: Job | null = null;
  #timer = 0;
  #count = 0;
  readonly #waiting = new Map<string, Job>();

  /** Starts the worker ahead of the first request. */
  start(): void {
    if (this.#worker) return;
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    this.#worker = worker;
    this.#ready = false;
    worker.onmessage = ({ data }: MessageEvent<FromWorker | "ready">) => {
      if (data === "ready") this.#ready = true;
      else if (data.id === this.#running?.message.id) this.#settle(data);
      this.#next();
    };
    worker.onerror = () => this.#fail(this.#ready ? "the engine failed on this definition" : "the engine could not be loaded; reload the page");
  }

  run<Kind extends keyof Requests>(request: Requests[Kind]["request"] & { kind: Kind }): Promise<Requests[Kind]["result"] | null> {
    return new Promise((resolve, reject) => {
      this.#waiting.get(request.kind)?.resolve(null);
      this.#waiting.set(request.kind, { message: { id: ++this.#count, request }, resolve: resolve as Job["resolve"], reject });
      this.start();
      this.#next();
    });
  }

  #next(): void {
    if (!this.#ready || this.#running || this.#waiting.size === 0) return;
    const [[kind, job]] = this.#waiting;
    this.#waiting.delete(kind);
    this.#running = job;
    this.#timer = window.setTimeout(() => this.#fail(`stopped: the definition took longer than ${LIMIT_MS / 1000} s`), LIMIT_MS);
    this.#worker!.postMessage(job.message);
  }

  #settle(answer: FromWorker): void {
    const { resolve, reject } = this.#running!;
    clearTimeout(this.#timer);
    this.#running = null;
    if ("complaint" in answer) reject(new EngineError(answer.complaint));
    else resolve(answer.result);
  }

  #fail(message: string): void {
    this.#worker?.terminate();
    this.#worker = null;
    clearTimeout(this.#timer);
    const failed = this.#running ? [this.#running] : [...this.#waiting.values()];
    if (!this.#running) this.#waiting.clear();
    this.#running = null;
    for (const { reject } of failed) reject(new EngineError({ message, place: null }));
    if (this.#waiting.size > 0) this.start();
  }
}
