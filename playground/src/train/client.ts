import type { FromWorker, ImageSource, ToWorker } from "./protocol.ts";

/** The worker that trains. Of images that wait to be looked at, the last is kept. A worker that failed is replaced by the next `start`. */
export class TrainClient {
  #worker: Worker | null = null;
  #looking = false;
  #next: ImageSource | null = null;
  readonly #receive: (message: FromWorker) => void;

  constructor(receive: (message: FromWorker) => void) {
    this.#receive = receive;
  }

  send(message: Exclude<ToWorker, { kind: "look" }>): void {
    if (message.kind === "start") this.#worker ??= this.#create();
    this.#worker?.postMessage(message);
  }

  look(image: ImageSource): void {
    if (this.#looking) this.#next = image;
    else if (this.#worker) {
      this.#looking = true;
      this.#worker.postMessage({ kind: "look", image } satisfies ToWorker);
    }
  }

  /** Ends the worker and all it does. */
  end(): void {
    this.#worker?.terminate();
    this.#worker = null;
    this.#looking = false;
    this.#next = null;
  }

  #create(): Worker {
    const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
    worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
      if (worker !== this.#worker) return;
      if (data.kind === "failed" && data.fatal) this.end();
      if (data.kind === "look") this.#looked();
      this.#receive(data);
    };
    worker.onerror = ({ message }) => {
      if (worker !== this.#worker) return;
      this.end();
      const text = message ? `The training stopped: ${message}` : "The training could not be loaded";
      this.#receive({ kind: "failed", fatal: true, message: text, advice: "Check the connection and press Start, or reload the page." });
    };
    return worker;
  }

  #looked(): void {
    this.#looking = false;
    if (this.#next === null) return;
    const image = this.#next;
    this.#next = null;
    this.look(image);
  }
}
