import { DeviceError } from "../../errors.ts";
import { HEAP_ADDRESS } from "./control.js";

const PAGE = 65536;
/** One page less than 4 GiB: an address one past the end must not wrap to zero. */
const MAX_BYTES = 65535 * PAGE;
const ALIGNMENT = 64;
/** Blocks below this size come from slabs, so that a small tensor never splits the hole that a large one left. */
const SMALL = 32768;
const SLAB = 1 << 20;
/** The memory grows by at least this much: address space, not memory, until it is touched. */
const GROWTH = 16 << 20;

/**
 * The shared WebAssembly memory of a device and the allocator over it: best fit with coalescing, 64-byte aligned.
 * The low 64 KiB belong to the control block and to static data of modules.
 */
export class Memory {
  readonly wasm: WebAssembly.Memory;
  /** Bytes that it can grow to. */
  readonly maximum: number;
  readonly #large: Heap;
  readonly #small: Heap;
  readonly #allocated = new Map<number, Block>();
  #bytesInUse = 0;

  /** @throws DeviceError if the engine cannot reserve a shared memory of `maximum` bytes. */
  constructor(maximum = MAX_BYTES) {
    try {
      this.wasm = new WebAssembly.Memory({ initial: 1, maximum: Math.ceil(maximum / PAGE), shared: true });
    } catch (cause) {
      throw new DeviceError(
        `cpu: the engine gives no shared WebAssembly memory of ${mebibytes(maximum)}. ` +
          "A page in a browser must be cross-origin isolated; elsewhere raise the limit on address space (ulimit -v).",
        { cause },
      );
    }
    this.maximum = maximum;
    this.#large = new Heap((bytes) => this.#grow(bytes));
    this.#small = new Heap(() => this.#large.allocate(SLAB));
    this.#large.add({ address: HEAP_ADDRESS, bytes: this.bytesReserved - HEAP_ADDRESS });
  }

  /** The memory's bytes. A buffer taken before the memory grew does not cover what came later. */
  get buffer(): SharedArrayBuffer {
    return this.wasm.buffer as unknown as SharedArrayBuffer;
  }

  /** Bytes in blocks that are allocated now, each rounded up to 64. */
  get bytesInUse(): number {
    return this.#bytesInUse;
  }

  /** Bytes that the memory has grown to. */
  get bytesReserved(): number {
    return this.buffer.byteLength;
  }

  /**
   * The address of a new block of at least `bytes` bytes, with unspecified contents.
   * @throws DeviceError when there is no space left.
   */
  allocate(bytes: number): number {
    const rounded = roundUp(Math.max(bytes, 1), ALIGNMENT);
    const block = this.#heapOf(rounded).allocate(rounded);
    this.#allocated.set(block.address, block);
    this.#bytesInUse += rounded;
    return block.address;
  }

  /** Gives back a block that `allocate` gave. */
  release(address: number): void {
    const block = this.#allocated.get(address);
    if (!block) throw new DeviceError(`cpu: there is no block at address ${address} to release: it was released already, or never allocated.`);
    this.#allocated.delete(address);
    this.#bytesInUse -= block.bytes;
    this.#heapOf(block.bytes).release(block);
  }

  #heapOf(bytes: number): Heap {
    return bytes < SMALL ? this.#small : this.#large;
  }

  #grow(bytes: number): Span {
    const address = this.bytesReserved;
    const available = this.maximum - address;
    if (bytes > available) throw this.#exhausted(bytes, `a WebAssembly memory holds at most ${mebibytes(this.maximum)}`);
    const grown = roundUp(Math.min(Math.max(bytes, GROWTH), available), PAGE);
    try {
      this.wasm.grow(grown / PAGE);
    } catch (cause) {
      throw this.#exhausted(bytes, "the system gives no more", cause);
    }
    return { address, bytes: grown };
  }

  #exhausted(bytes: number, reason: string, cause?: unknown): DeviceError {
    return new DeviceError(
      `cpu: out of memory: ${mebibytes(bytes)} more are needed, ${mebibytes(this.#bytesInUse)} are in use, and ${reason}. ` +
        "Use a smaller batch or fewer time steps, and dispose of tensors that are no longer needed.",
      { cause },
    );
  }
}

interface Span {
  address: number;
  bytes: number;
}

/** A span of a heap; adjoining blocks are linked in order of address. */
interface Block extends Span {
  free: boolean;
  previous?: Block;
  next?: Block;
}

/** Best fit with immediate coalescing over the spans that `extend` gives; each holds at least the bytes asked for. */
class Heap {
  /** In order of size, then address. */
  readonly #free: Block[] = [];
  readonly #extend: (bytes: number) => Span;
  /** The last block of the youngest span. */
  #last: Block | undefined;

  constructor(extend: (bytes: number) => Span) {
    this.#extend = extend;
  }

  allocate(bytes: number): Block {
    let index = this.#position({ bytes, address: 0 });
    if (index === this.#free.length) {
      this.add(this.#extend(bytes - (this.#last?.free ? this.#last.bytes : 0)));
      index = this.#position({ bytes, address: 0 });
    }
    const [block] = this.#free.splice(index, 1);
    block.free = false;
    if (block.bytes > bytes) this.#split(block, bytes);
    return block;
  }

  release(block: Block): void {
    let merged = block;
    block.free = true;
    if (block.next?.free) this.#absorb(block, this.#remove(block.next));
    if (block.previous?.free) {
      merged = this.#remove(block.previous);
      this.#absorb(merged, block);
    }
    this.#insert(merged);
  }

  add(span: Span): void {
    if (span.bytes === 0) return;
    const block: Block = { address: span.address, bytes: span.bytes, free: false };
    const last = this.#last;
    if (last && last.address + last.bytes === block.address) {
      block.previous = last;
      last.next = block;
    }
    this.#last = block;
    this.release(block);
  }

  #split(block: Block, bytes: number): void {
    const rest: Block = { address: block.address + bytes, bytes: block.bytes - bytes, free: true, previous: block, next: block.next };
    if (rest.next) rest.next.previous = rest;
    if (this.#last === block) this.#last = rest;
    block.next = rest;
    block.bytes = bytes;
    this.#insert(rest);
  }

  /** Merges `next` into the block before it. */
  #absorb(block: Block, next: Block): void {
    block.bytes += next.bytes;
    block.next = next.next;
    if (block.next) block.next.previous = block;
    if (this.#last === next) this.#last = block;
  }

  #insert(block: Block): void {
    this.#free.splice(this.#position(block), 0, block);
  }

  #remove(block: Block): Block {
    this.#free.splice(this.#position(block), 1);
    return block;
  }

  /** Where a free block of this size and address is, or belongs. */
  #position({ bytes, address }: Span): number {
    let low = 0;
    let high = this.#free.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const block = this.#free[middle];
      if (block.bytes < bytes || (block.bytes === bytes && block.address < address)) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

export const roundUp = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple;

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
