import type { TimeShare } from "../device.ts";
import type { Driver } from "./driver.ts";
import type { Waits } from "./waits.ts";

interface Span { kind: keyof TimeShare; start: number; end: number }

/** Spans of which the device's clock was not read yet; more than these, and the host waits for it. */
const MAX_PENDING = 1024;

/** The device's time in each kind of work, by pairs of events around it. */
export class Profile {
  readonly #driver: Driver;
  readonly #stream: number;
  readonly #waits: Waits;
  readonly #time: TimeShare = { dense: 0, neuron: 0, rest: 0 };
  readonly #milliseconds = new Float32Array(1);
  #pending: Span[] = [];
  #spare: number[] = [];
  #inside = false;

  constructor(driver: Driver, stream: number, waits: Waits) {
    this.#driver = driver;
    this.#stream = stream;
    this.#waits = waits;
  }

  /** Work inside other work counts as the outer kind. */
  around<T>(kind: keyof TimeShare, work: () => T): T {
    if (this.#inside) return work();
    if (this.#pending.length >= MAX_PENDING) this.#collect();
    const span = { kind, start: this.#event(), end: this.#event() };
    this.#driver.call("cuEventRecord", span.start, this.#stream);
    this.#inside = true;
    try {
      return work();
    } finally {
      this.#inside = false;
      this.#driver.raw.cuEventRecord(span.end, this.#stream);
      this.#pending.push(span);
    }
  }

  /** Milliseconds so far; waits for the work that is queued. */
  read(): TimeShare {
    this.#collect();
    return { ...this.#time };
  }

  dispose(): void {
    for (const event of [...this.#spare, ...this.#pending.flatMap(({ start, end }) => [start, end])]) this.#driver.raw.cuEventDestroy_v2(event);
    this.#spare = [];
    this.#pending = [];
  }

  #event(): number {
    return this.#spare.pop() ?? this.#driver.get("cuEventCreate", 0);
  }

  #collect(): void {
    if (this.#pending.length === 0) return;
    this.#waits.forEvent(this.#pending.at(-1)!.end);
    for (const { kind, start, end } of this.#pending) {
      this.#driver.call("cuEventElapsedTime", this.#milliseconds, start, end);
      this.#time[kind] += this.#milliseconds[0];
      this.#spare.push(start, end);
    }
    this.#pending = [];
  }
}
