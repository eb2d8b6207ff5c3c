import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";
import type { Waits } from "./waits.ts";

const HALF_BYTES = 4 << 20;

/**
 * Page-locked memory through which uploads go, so that the caller may change its data at once while the device still copies. Filled from
 * the front, in two halves: one is filled while the device reads the other.
 */
export class Staging {
  readonly #driver: Driver;
  readonly #stream: number;
  readonly #waits: Waits;
  readonly #address: number;
  readonly #bytes: Uint8Array;
  /** Recorded after the last copy from each half. */
  readonly #read: readonly number[];
  #at = 0;

  constructor(driver: Driver, stream: number, waits: Waits) {
    this.#driver = driver;
    this.#stream = stream;
    this.#waits = waits;
    this.#address = driver.get("cuMemAllocHost_v2", 2 * HALF_BYTES);
    this.#bytes = new Uint8Array(driver.koffi.view(BigInt(this.#address), 2 * HALF_BYTES));
    const { CU_EVENT_DISABLE_TIMING } = driverConstants;
    this.#read = [driver.get("cuEventCreate", CU_EVENT_DISABLE_TIMING), driver.get("cuEventCreate", CU_EVENT_DISABLE_TIMING)];
  }

  /** Copies `data` to the device's address `to`, in the order of the stream. */
  upload(to: number, data: Uint8Array): void {
    for (let done = 0; done < data.length;) {
      const room = HALF_BYTES - (this.#at % HALF_BYTES);
      const bytes = Math.min(room, data.length - done);
      this.#bytes.set(data.subarray(done, done + bytes), this.#at);
      this.#driver.call("cuMemcpyHtoDAsync_v2", to + done, this.#address + this.#at, bytes, this.#stream);
      done += bytes;
      this.#advance(bytes);
    }
  }

  dispose(): void {
    for (const event of this.#read) this.#driver.raw.cuEventDestroy_v2(event);
    this.#driver.raw.cuMemFreeHost(this.#address);
  }

  #advance(bytes: number): void {
    const half = Math.floor(this.#at / HALF_BYTES);
    const aligned = Math.ceil(bytes / 16) * 16;
    this.#at += aligned;
    if (Math.floor(this.#at / HALF_BYTES) === half) return;
    this.#driver.call("cuEventRecord", this.#read[half], this.#stream);
    this.#at %= 2 * HALF_BYTES;
    // An event that was never recorded counts as done.
    this.#waits.forEvent(this.#read[1 - half]);
  }
}
