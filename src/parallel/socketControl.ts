import { ParallelError } from "../errors.ts";
import { nodeModule } from "../runtime.ts";
import type { ControlPlane } from "./control.ts";
import { worker as script } from "./generated/worker.ts";
import { type Answer, BEAT, type Command, FAILED, JOB_HEADER, type JoinSettings, PENDING, readFailure, type Start, STATUS, STATUS_BYTES, writeFailure } from "./shared.ts";

/** Milliseconds without a beat of the thread of the sockets after which nobody waits for it any more. */
const STALLED = 30_000;

/** Memory for a job's data. Jobs are used again, by their size. */
export interface Job {
  readonly memory: SharedArrayBuffer;
  readonly data: Uint8Array;
}

/** The connections to the other ranks, which a thread of its own holds: they live on while this one computes or sleeps. */
export class SocketControl implements ControlPlane {
  readonly rank: number;
  readonly size: number;
  readonly lost: Promise<never>;
  readonly #thread;
  readonly #status: SharedArrayBuffer;
  readonly #gathers: { resolve(entries: Uint8Array[]): void; reject(error: ParallelError): void }[] = [];
  readonly #free = new Map<number, SharedArrayBuffer[]>();
  /** Jobs that nobody waits for. */
  #sending: SharedArrayBuffer[] = [];
  #left: Promise<void> | undefined;
  #rejectLost!: (error: ParallelError) => void;
  #resolveLeft!: () => void;

  /** Resolves once all ranks are connected with each other. @throws ParallelError if they cannot be */
  static async join(settings: JoinSettings): Promise<SocketControl> {
    const control = new SocketControl(settings);
    await control.#joined(settings);
    return control;
  }

  private constructor({ rank, size }: JoinSettings) {
    const { Worker } = nodeModule("node:worker_threads");
    this.rank = rank;
    this.size = size;
    this.#status = new SharedArrayBuffer(STATUS_BYTES);
    this.#thread = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { execArgv: [], name: "spikefold sockets" });
    this.lost = new Promise<never>((_, reject) => (this.#rejectLost = reject));
    // Who does not look at it learns of a loss by the next call.
    this.lost.catch(() => undefined);
  }

  async #joined(settings: JoinSettings): Promise<void> {
    const thread = this.#thread;
    try {
      await new Promise<void>((resolve, reject) => {
        thread.once("error", ({ message }: Error) => {
          const text = `rank ${this.rank} is lost: its thread of sockets failed: ${message}`;
          writeFailure(this.#status, text);
          this.#hear({ kind: "lost", text }, resolve);
        });
        thread.on("message", (answer: Answer) => this.#hear(answer, resolve));
        this.lost.catch(reject);
        thread.postMessage({ settings, status: this.#status } satisfies Start);
      });
    } catch (error) {
      await this.dispose();
      throw error;
    }
    thread.unref();
  }

  #hear(answer: Answer, joined: () => void): void {
    switch (answer.kind) {
      case "joined": return joined();
      case "left": return this.#resolveLeft();
      case "gathered":
        this.#gathers.shift()?.resolve(answer.entries);
        return this.#rest();
      case "lost": {
        const error = new ParallelError(answer.text);
        this.#rejectLost(error);
        for (const { reject } of this.#gathers.splice(0)) reject(error);
        this.#rest();
      }
    }
  }

  /** Lets the process end unless somebody awaits an answer: a promise alone keeps none alive. */
  #rest(): void {
    if (this.#gathers.length === 0 && !this.#left) this.#thread.unref();
  }

  lostRank(): string | undefined {
    return readFailure(this.#status);
  }

  async gather(bytes: Uint8Array): Promise<Uint8Array[]> {
    this.requireWhole();
    this.#thread.ref();
    return new Promise((resolve, reject) => {
      this.#gathers.push({ resolve, reject });
      this.post({ kind: "gather", bytes: bytes.slice() });
    });
  }

  async barrier(): Promise<void> {
    await this.gather(new Uint8Array(0));
  }

  dispose(): Promise<void> {
    return (this.#left ??= this.#leave());
  }

  async #leave(): Promise<void> {
    this.#thread.ref();
    await new Promise<void>((resolve) => {
      this.#resolveLeft = resolve;
      this.#thread.once("exit", () => resolve());
      this.post({ kind: "leave" });
    });
    await this.#thread.terminate();
    const error = new ParallelError(LEFT);
    for (const { reject } of this.#gathers.splice(0)) reject(error);
  }

  post(command: Command): void {
    this.#thread.postMessage(command);
  }

  /** @throws ParallelError if a rank is lost, or the group was left. */
  requireWhole(): void {
    const failure = this.lostRank() ?? (this.#left && LEFT);
    if (failure !== undefined) throw new ParallelError(failure);
  }

  /** Memory for a new job. */
  take(bytes: number): Job {
    this.#sending = this.#sending.filter((memory) => {
      const isOver = Atomics.load(new Int32Array(memory, 0, 1), 0) !== PENDING;
      if (isOver) this.give(memory);
      return !isOver;
    });
    // Powers of two, so that few sizes are kept.
    const capacity = JOB_HEADER + 2 ** Math.ceil(Math.log2(Math.max(bytes, 64)));
    const memory = this.#free.get(capacity)?.pop() ?? new SharedArrayBuffer(capacity);
    Atomics.store(new Int32Array(memory, 0, 1), 0, PENDING);
    return { memory, data: new Uint8Array(memory, JOB_HEADER, bytes) };
  }

  give(memory: SharedArrayBuffer): void {
    const free = this.#free.get(memory.byteLength);
    if (free) free.push(memory);
    else this.#free.set(memory.byteLength, [memory]);
  }

  /** Takes the memory back when its data is sent. */
  giveLater(memory: SharedArrayBuffer): void {
    this.#sending.push(memory);
  }

  /** Sleeps until the job is done. @throws ParallelError if a rank is lost before */
  wait(memory: SharedArrayBuffer): void {
    const state = new Int32Array(memory, 0, 1);
    const beat = new Int32Array(this.#status, 4 * STATUS.beat, 1);
    let [stalled, last] = [0, Atomics.load(beat, 0)];
    // Memory is used again: the call that ended its last job may wake who sleeps on this one.
    while (Atomics.load(state, 0) === PENDING) {
      if (Atomics.wait(state, 0, PENDING, BEAT) !== "timed-out") continue;
      const now = Atomics.load(beat, 0);
      stalled = now === last ? stalled + BEAT : 0;
      last = now;
      if (stalled >= STALLED) throw new ParallelError(`rank ${this.rank}: its thread of sockets does not answer any more`);
    }
    if (Atomics.load(state, 0) === FAILED) throw new ParallelError(this.lostRank() ?? LEFT);
  }
}

const LEFT = "the group was left: its processes cannot be reached any more";
