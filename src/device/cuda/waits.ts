import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";

/** After so many milliseconds the host looks once a millisecond, so that waiting for long work costs it little, and is late by a small part of the wait. */
const EAGER_WAIT = 20;

/** What else is looked after while the host waits for the device, such as the ranks whose part that work needs. */
export interface Watch {
  /** @throws what the wait is to end with */
  check(): void;
}

/** Nobody wakes who sleeps here. */
let bed: Int32Array | undefined;

/** Holds the host's thread up for a millisecond. */
export const doze = (): void => void Atomics.wait((bed ??= new Int32Array(new SharedArrayBuffer(4))), 0, 0, 1);

/** How the host waits for the device. While something is watched it looks again and again, as work that needs a lost rank never ends by itself. */
export class Waits {
  readonly #driver: Driver;
  readonly #activate: () => void;
  readonly #watches = new Set<Watch>();

  /** @param activate makes the device's context current; throws once it is closed */
  constructor(driver: Driver, activate: () => void) {
    this.#driver = driver;
    this.#activate = activate;
  }

  /** Looks after something until the function that is returned is called. */
  watch(watch: Watch): () => void {
    this.#watches.add(watch);
    return () => void this.#watches.delete(watch);
  }

  /** Holds the host up until an event is reached. @throws CudaError after a fault; what a watch throws */
  forEvent(event: number): void {
    if (this.#watches.size === 0) return this.#driver.call("cuEventSynchronize", event);
    while (!this.#reached(event)) doze();
  }

  /** Holds the host up until all that is queued on a stream is done. */
  forStream(stream: number): void {
    if (this.#watches.size === 0) return this.#driver.call("cuStreamSynchronize", stream);
    this.#recorded(stream, (event) => this.forEvent(event));
  }

  /** Resolves when an event is reached; other promises and timers run meanwhile. */
  async untilEvent(event: number): Promise<void> {
    const eagerUntil = performance.now() + EAGER_WAIT;
    for (;;) {
      // Other devices of the process work in between.
      this.#activate();
      if (this.#reached(event)) return;
      await new Promise<void>((resolve) => {
        if (performance.now() < eagerUntil) setImmediate(resolve);
        else setTimeout(resolve, 1);
      });
    }
  }

  /** Resolves when all that is queued on a stream now is done. */
  async untilStream(stream: number): Promise<void> {
    if (this.#watches.size === 0) return this.#driver.call("cuStreamSynchronize", stream);
    await this.#recorded(stream, (event) => this.untilEvent(event));
  }

  #reached(event: number): boolean {
    const code = this.#driver.raw.cuEventQuery(event);
    if (code === 0) return true;
    if (code !== driverConstants.CUDA_ERROR_NOT_READY) throw this.#driver.failure("cuEventQuery", code);
    for (const watch of this.#watches) watch.check();
    return false;
  }

  #recorded<T>(stream: number, wait: (event: number) => T): T {
    const event = this.#driver.get("cuEventCreate", driverConstants.CU_EVENT_DISABLE_TIMING);
    const end = (): void => void this.#driver.raw.cuEventDestroy_v2(event);
    let waiting: T;
    try {
      this.#driver.call("cuEventRecord", event, stream);
      waiting = wait(event);
    } catch (error) {
      end();
      throw error;
    }
    if (waiting instanceof Promise) return waiting.finally(end) as T;
    end();
    return waiting;
  }
}
