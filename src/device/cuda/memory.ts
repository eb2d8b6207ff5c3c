import { DeviceError } from "../../errors.ts";
import { driverConstants } from "./constants.ts";
import type { Driver } from "./driver.ts";
import { CudaError } from "./failure.ts";
import type { Waits } from "./waits.ts";

/** Blocks that were given back, by their size. */
export interface Arena {
  readonly free: Map<number, Block[]>;
  /** Graphs that work in it. */
  graphs: number;
  /** Blocks with what launches of its graphs leave. It lasts until the next launch of any of them, so that another graph may work in these blocks meanwhile. */
  readonly left: Set<Block>;
  /** Where blocks go once the arena is closed. */
  successor: Arena | null;
}

export interface Block {
  readonly address: number;
  /** What the block holds, at least what was asked for. */
  readonly bytes: number;
  arena: Arena;
  /** Allocated in the order of the stream. */
  readonly ordered: boolean;
  /** Tensors that lie in it: several, where graphs share it. */
  holders: number;
  /** Whether it is among the blocks of its arena that were given back. */
  idle: boolean;
}

const MIN_BYTES = 512;

/** Eight sizes to each power of two, so that at most an eighth of a block is unused. */
export function blockBytes(bytes: number): number {
  const step = Math.max(MIN_BYTES, 2 ** (Math.ceil(Math.log2(Math.max(1, bytes))) - 4));
  return Math.max(1, Math.ceil(bytes / step)) * step;
}

const mebibytes = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/**
 * Memory of one device for work on one stream. Blocks given back are kept, so that a training step that repeats allocates nothing;
 * a block is used again in the order of the stream, without waiting.
 */
export class DeviceMemory {
  readonly #driver: Driver;
  readonly #stream: number;
  readonly #waits: Waits;
  readonly #ordered: boolean;
  readonly #blocks = new Set<Block>();
  readonly #main = this.newArena();
  #arena = this.#main;
  /** The blocks that recorded work takes. */
  #taken: Set<Block> | null = null;
  #reserved = 0;
  #inUse = 0;

  /** @param ordered whether the device has stream-ordered allocation */
  constructor(driver: Driver, stream: number, waits: Waits, ordered: boolean) {
    this.#driver = driver;
    this.#stream = stream;
    this.#waits = waits;
    this.#ordered = ordered;
  }

  /** Bytes that were asked for and not given back. */
  get bytesInUse(): number { return this.#inUse; }

  /** Bytes taken from the device: those in use, and those kept for later. */
  get bytesReserved(): number { return this.#reserved; }

  /** Bytes that the device has left, of all that it has. */
  get room(): { free: number; total: number } {
    const [free, total] = [new BigUint64Array(1), new BigUint64Array(1)];
    this.#driver.raw.cuMemGetInfo_v2(free, total);
    return { free: Number(free[0]), total: Number(total[0]) };
  }

  /** @throws DeviceError when the device is full, even without the blocks kept for later. */
  allocate(asked: number): Block {
    const bytes = blockBytes(asked);
    // Work that is recorded takes over what lies idle, as what ran before it did: the step that was tried out first has left its blocks.
    const block = this.#arena.free.get(bytes)?.pop() ?? this.#main.free.get(bytes)?.pop() ?? this.#reserve(asked);
    if (!block) throw this.#full(asked);
    block.arena = this.#arena;
    block.holders++;
    block.idle = false;
    this.#taken?.add(block);
    this.#inUse += asked;
    return block;
  }

  /** Gives a block back that was allocated for `asked` bytes. Never fails: it also runs when a forgotten tensor is collected. */
  release(block: Block, asked: number): void {
    if (!this.#blocks.has(block)) return;
    this.#inUse -= asked;
    block.holders--;
    // What recorded work gives back, its graph has used and uses again at every launch.
    if (this.#arena !== this.#main && ownerOf(block.arena) === this.#main) block.arena = this.#arena;
    if (block.holders === 0 || (this.#arena !== this.#main && this.#arena.left.has(block))) keep(block, block.arena);
  }

  /** Blocks apart from those of other work: a graph goes on using its own at every launch. */
  newArena(): Arena {
    return { free: new Map(), graphs: 0, left: new Set(), successor: null };
  }

  /** Takes the blocks for `work`, which is recorded, from an arena. */
  within(arena: Arena, work: () => void): void {
    for (const block of arena.left) {
      if (block.holders > 0) keep(block, arena);
      else arena.left.delete(block);
    }
    this.#arena = arena;
    const taken = (this.#taken = new Set<Block>());
    try {
      work();
    } finally {
      this.#arena = this.#main;
      this.#taken = null;
      for (const block of taken) if (block.holders > 0) arena.left.add(block);
      for (const [bytes, blocks] of arena.free) {
        for (const block of blocks) block.idle = block.holders === 0;
        arena.free.set(bytes, blocks.filter(({ idle }) => idle));
      }
    }
  }

  /** One graph fewer works in an arena; the last leaves its blocks to all other work. */
  leaveArena(arena: Arena): void {
    if (--arena.graphs > 0) return;
    arena.successor = this.#main;
    const blocks = [...arena.free.values()].flat();
    arena.free.clear();
    for (const block of blocks) {
      block.idle = false;
      keep(block, this.#main);
    }
  }

  /** Gives the blocks kept for later back to the device. */
  trim(): void {
    this.#freeIdle(true);
    this.#waits.forStream(this.#stream);
  }

  /** Frees all, blocks in use included; what fails is the device's loss. */
  dispose(): void {
    for (const block of this.#blocks) {
      try {
        this.#free(block);
      } catch {
        this.#blocks.delete(block);
      }
    }
    this.#main.free.clear();
    this.#reserved = 0;
    this.#inUse = 0;
  }

  /** Does `work` at the address of a block that goes back to the device afterwards; undefined when the device is full, even without the blocks kept for later. */
  lend<T>(asked: number, work: (address: number) => T): T | undefined {
    const block = this.#reserve(asked);
    if (!block) return undefined;
    try {
      return work(block.address);
    } finally {
      this.#free(block);
    }
  }

  /** @returns null when the device is full. */
  #reserve(asked: number): Block | null {
    const bytes = blockBytes(asked);
    const block = this.#request(bytes) ?? this.#retry(bytes);
    if (!block) return null;
    this.#blocks.add(block);
    this.#reserved += bytes;
    return block;
  }

  #retry(bytes: number): Block | null {
    // A stream that is captured cannot be waited for; what is freed now was idle all the same.
    if (this.#arena === this.#main) this.trim();
    else this.#freeIdle(false);
    return this.#request(bytes);
  }

  /** @returns null when the device has no such block left. */
  #request(bytes: number): Block | null {
    // Allocations in the order of a stream that is being captured would become part of the graph.
    const ordered = this.#ordered && this.#arena === this.#main;
    try {
      const address = ordered ? this.#driver.get("cuMemAllocAsync", bytes, this.#stream) : this.#driver.get("cuMemAlloc_v2", bytes);
      return { address, bytes, arena: this.#arena, ordered, holders: 0, idle: false };
    } catch (error) {
      if (error instanceof CudaError && error.code === driverConstants.CUDA_ERROR_OUT_OF_MEMORY) return null;
      throw error;
    }
  }

  /** @param ordered those too that are freed in the order of the stream, which a graph would record */
  #freeIdle(ordered: boolean): void {
    for (const [bytes, blocks] of this.#main.free) {
      const freed = blocks.filter((block) => ordered || !block.ordered);
      for (const block of freed) this.#free(block);
      this.#main.free.set(bytes, blocks.filter((block) => !freed.includes(block)));
    }
  }

  #free(block: Block): void {
    if (block.ordered) this.#driver.call("cuMemFreeAsync", block.address, this.#stream);
    else this.#driver.call("cuMemFree_v2", block.address);
    this.#blocks.delete(block);
    this.#reserved -= block.bytes;
  }

  #full(asked: number): DeviceError {
    const { free, total } = this.room;
    return new DeviceError(
      `cuda: out of memory: ${mebibytes(asked)} more are needed, ${mebibytes(this.#inUse)} are in use, and ${mebibytes(free)} of the device's ${mebibytes(total)} are free. ` +
      "Use a smaller batch, fewer time steps or a smaller network, or free tensors that are no longer needed.",
    );
  }
}

function keep(block: Block, arena: Arena): void {
  if (block.idle) return;
  block.idle = true;
  const { free } = ownerOf(arena);
  const list = free.get(block.bytes);
  if (list) list.push(block);
  else free.set(block.bytes, [block]);
}

function ownerOf(arena: Arena): Arena {
  let owner = arena;
  while (owner.successor) owner = owner.successor;
  return owner;
}
