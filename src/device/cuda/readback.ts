import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";
import type { Waits } from "./waits.ts";

/** Page-locked blocks up to this size are kept for later reads. */
const KEPT_BYTES = 16 << 20;
interface Slot {
  address: number;
  bytes: Uint8Array;
  event: number;
}

/** Copies to the host through page-locked memory. The host goes on meanwhile: other promises and timers run. */
export class Readback {
  readonly #driver: Driver;
  readonly #stream: number;
  readonly #waits: Waits;
  readonly #activate: () => void;
  /** All that there are, and those that no read uses. */
  readonly #slots = new Set<Slot>();
  readonly #spare: Slot[] = [];
  #closed = false;

  /** @param activate makes the stream's context current */
  constructor(driver: Driver, stream: number, waits: Waits, activate: () => void) {
    this.#driver = driver;
    this.#stream = stream;
    this.#waits = waits;
    this.#activate = activate;
  }

  /** Fills `data` with what is at the address `from` once all work queued before is done. The copy is queued at the call. */
  async read(data: Uint8Array, from: number): Promise<void> {
    const slot = this.#take(data.length);
    try {
      this.#driver.call("cuMemcpyDtoHAsync_v2", slot.address, from, data.length, this.#stream);
      this.#driver.call("cuEventRecord", slot.event, this.#stream);
      await this.#waits.untilEvent(slot.event);
      data.set(slot.bytes.subarray(0, data.length));
    } finally {
      this.#give(slot);
    }
  }

  dispose(): void {
    this.#closed = true;
    for (const slot of this.#slots) this.#free(slot);
  }

  #take(bytes: number): Slot {
    const at = this.#spare.findIndex((slot) => slot.bytes.length >= bytes);
    if (at >= 0) return this.#spare.splice(at, 1)[0];
    const size = 2 ** Math.ceil(Math.log2(Math.max(bytes, 4096)));
    const address = this.#driver.get("cuMemAllocHost_v2", size);
    const slot = { address, bytes: new Uint8Array(this.#driver.koffi.view(BigInt(address), size)), event: this.#driver.get("cuEventCreate", driverConstants.CU_EVENT_DISABLE_TIMING) };
    this.#slots.add(slot);
    return slot;
  }

  #give(slot: Slot): void {
    if (this.#closed) return;
    // Another device may have been closed meanwhile, and its context be the current one still.
    this.#activate();
    if (slot.bytes.length > KEPT_BYTES) this.#free(slot);
    else {
      this.#spare.push(slot);
      this.#spare.sort((a, b) => a.bytes.length - b.bytes.length);
    }
  }

  #free(slot: Slot): void {
    this.#slots.delete(slot);
    this.#driver.raw.cuEventDestroy_v2(slot.event);
    this.#driver.raw.cuMemFreeHost(slot.address);
  }
}
