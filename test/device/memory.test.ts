import { describe, expect, it } from "vitest";
import { HEAP_ADDRESS } from "../../src/device/cpu/control.js";
import { Memory } from "../../src/device/cpu/memory.ts";
import { DeviceError } from "../../src/errors.ts";

const MiB = 2 ** 20;

/** A reproducible sequence of integers in [0, limit). */
function generator(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

/** What one training step of a convolutional network allocates: everything of the forward pass lives until its backward pass. */
function trainingStep(memory: Memory, batch: number): void {
  const layers = [25_088, 25_088, 6272, 12_544, 12_544, 3136, 512, 10].map((values) => values * batch * 4);
  const held: number[] = [];
  for (const bytes of layers) {
    const columns = memory.allocate(bytes * 3);
    held.push(memory.allocate(bytes), memory.allocate(bytes), memory.allocate(256));
    memory.release(columns);
  }
  const loss = memory.allocate(4);
  let gradient = memory.allocate(layers.at(-1)!);
  for (const bytes of layers.toReversed()) {
    const weights = memory.allocate(4 * 25_600);
    const next = memory.allocate(bytes);
    memory.release(gradient);
    gradient = next;
    for (let i = 0; i < 3; i++) memory.release(held.pop()!);
    memory.release(weights);
  }
  memory.release(gradient);
  memory.release(loss);
}

describe("the allocator", () => {
  it("never overlaps blocks, aligns them to 64 bytes and leaves the low 64 KiB alone", () => {
    const memory = new Memory();
    const next = generator(7);
    const live = new Map<number, number>();
    for (let i = 0; i < 20_000; i++) {
      if (live.size > 0 && next(100) < 48) {
        const address = [...live.keys()][next(live.size)];
        memory.release(address);
        live.delete(address);
      } else if (live.size < 200) {
        const bytes = 1 + next(2 ** (1 + next(18)));
        live.set(memory.allocate(bytes), bytes);
      }
    }
    const blocks = [...live].sort(([a], [b]) => a - b);
    expect(blocks.length).toBeGreaterThan(50);
    for (const [i, [address, bytes]] of blocks.entries()) {
      expect(address % 64).toBe(0);
      expect(address).toBeGreaterThanOrEqual(HEAP_ADDRESS);
      expect(address + bytes).toBeLessThanOrEqual(i + 1 < blocks.length ? blocks[i + 1][0] : memory.bytesReserved);
    }
    expect(memory.bytesInUse).toBe(blocks.reduce((sum, [, bytes]) => sum + Math.ceil(bytes / 64) * 64, 0));
    for (const address of live.keys()) memory.release(address);
    expect(memory.bytesInUse).toBe(0);
  });

  it("makes one block again of all that is released, in any order", () => {
    const memory = new Memory();
    const next = generator(1);
    const addresses = Array.from({ length: 64 }, () => memory.allocate(MiB));
    const reserved = memory.bytesReserved;
    while (addresses.length > 0) memory.release(addresses.splice(next(addresses.length), 1)[0]);
    memory.allocate(60 * MiB);
    expect(memory.bytesReserved).toBe(reserved);
  });

  it("gives repeated steps the same memory", () => {
    const memory = new Memory();
    const parameters = [1 * MiB, 4 * MiB, 40_000].map((bytes) => memory.allocate(bytes));
    for (let step = 0; step < 2; step++) trainingStep(memory, 64);
    const { bytesReserved } = memory;
    for (let step = 0; step < 50; step++) trainingStep(memory, step % 10 === 9 ? 17 : 64);
    expect(memory.bytesReserved).toBe(bytesReserved);
    expect(parameters.every((address) => address > 0)).toBe(true);
  });

  it("wastes little: a step needs hardly more than its largest total of live blocks", () => {
    const memory = new Memory();
    let peak = 0;
    const allocate = memory.allocate.bind(memory);
    memory.allocate = (bytes) => {
      const address = allocate(bytes);
      peak = Math.max(peak, memory.bytesInUse);
      return address;
    };
    for (let step = 0; step < 10; step++) trainingStep(memory, 64);
    expect(memory.bytesReserved).toBeLessThan(peak * 1.25 + 32 * MiB);
  });

  it("keeps small blocks out of the holes that large ones leave", () => {
    const memory = new Memory();
    memory.release(memory.allocate(100));
    const large = memory.allocate(20 * MiB);
    memory.allocate(MiB);
    memory.release(large);
    for (let i = 0; i < 1000; i++) memory.allocate(64);
    expect(memory.allocate(20 * MiB)).toBe(large);
  });

  it("says how much is asked and in use when nothing is left, and goes on", () => {
    const memory = new Memory(64 * MiB);
    const held = memory.allocate(40 * MiB);
    expect(() => memory.allocate(30 * MiB)).toThrow(/out of memory: .* MiB more are needed, 40\.0 MiB are in use.*at most 64\.0 MiB.*smaller batch/);
    expect(() => memory.allocate(30 * MiB)).toThrow(DeviceError);
    memory.release(held);
    expect(memory.allocate(60 * MiB)).toBeGreaterThan(0);
  });

  it("uses all but a page of 4 GiB and says when that is full", () => {
    const memory = new Memory();
    const blocks = Array.from({ length: 7 }, () => memory.allocate(512 * MiB));
    expect(blocks.at(-1)).toBeGreaterThan(2 ** 31);
    expect(() => memory.allocate(512 * MiB)).toThrow(/3584\.0 MiB are in use.*4095\.9 MiB/);
    new Int32Array(memory.buffer, blocks.at(-1), 1)[0] = 42;
  });

  it("refuses to release what is not allocated", () => {
    const memory = new Memory();
    const address = memory.allocate(10);
    memory.release(address);
    expect(() => memory.release(address)).toThrow(/released already/);
    expect(() => memory.release(12)).toThrow(DeviceError);
  });
});
