import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { Pool } from "../../src/device/cpu/pool.ts";
import { DeviceError, OptionError } from "../../src/errors.ts";
import { assemble } from "./wat.ts";

// chunks: writes end - begin at item `begin`, adds 1 to every item's count, so that lost, doubled and moved chunks show.
// trap: traps in the chunk that contains `where`.
// echo: stores its float and its integer argument, as they arrive.
const KERNELS = `
  (func (export "chunks") (param $scratch i32) (param $begin i32) (param $end i32) (param $lengths i32) (param $counts i32)
    (local $i i32) (local $at i32)
    (i32.store (i32.add (local.get $lengths) (i32.shl (local.get $begin) (i32.const 2))) (i32.sub (local.get $end) (local.get $begin)))
    (local.set $i (local.get $begin))
    (loop $next
      (local.set $at (i32.add (local.get $counts) (i32.shl (local.get $i) (i32.const 2))))
      (i32.store (local.get $at) (i32.add (i32.load (local.get $at)) (i32.const 1)))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $end)))))
  (func (export "trap") (param $scratch i32) (param $begin i32) (param $end i32) (param $where i32)
    (if (i32.and (i32.le_u (local.get $begin) (local.get $where)) (i32.lt_u (local.get $where) (local.get $end))) (then unreachable)))
  (func (export "echo") (param $scratch i32) (param $begin i32) (param $end i32) (param $target i32) (param $x f32) (param $n i32)
    (f32.store (local.get $target) (local.get $x))
    (i32.store offset=4 (local.get $target) (local.get $n)))
  (func (export "fillScratch") (param $scratch i32) (param $begin i32) (param $end i32) (param $words i32) (param $seen i32)
    (local $i i32)
    (i32.store (i32.add (local.get $seen) (i32.shl (local.get $begin) (i32.const 2))) (local.get $scratch))
    (loop $next
      (i32.store (i32.add (local.get $scratch) (i32.shl (local.get $i) (i32.const 2))) (local.get $begin))
      (local.set $i (i32.add (local.get $i) (i32.const 1)))
      (br_if $next (i32.lt_u (local.get $i) (local.get $words)))))
  (func (export "one") (param $scratch i32) (param $begin i32) (param $end i32) (param $target i32)
    (drop (i32.atomic.rmw.add (local.get $target) (i32.const 1))))`;

function zerosIn(pool: Pool, length: number) {
  const address = pool.memory.allocate(4 * length);
  return { address, view: new Int32Array(pool.memory.buffer, address, length).fill(0) };
}

describe.each([1, 2, 3])("a pool of %i threads", (threads) => {
  let pool: Pool;
  let module: number;
  beforeAll(async () => {
    pool = await Pool.open(threads);
    module = pool.load(await assemble(KERNELS));
  });
  afterAll(() => pool.dispose());

  const zeros = (length: number) => zerosIn(pool, length);

  it.each([[1, 1], [7, 7], [1000, 7], [1000, 1000], [1000, 5000], [65_537, 64]])("cuts %i items in chunks of %i, each run once", (items, grain) => {
    const lengths = zeros(items);
    const counts = zeros(items);
    pool.run(module, "chunks", items, grain, [lengths.address, counts.address]);
    expect(counts.view.every((count) => count === 1)).toBe(true);
    const expected = new Int32Array(items);
    for (let begin = 0; begin < items; begin += grain) expected[begin] = Math.min(grain, items - begin);
    expect(Buffer.compare(new Uint8Array(lengths.view.slice().buffer), new Uint8Array(expected.buffer))).toBe(0);
  });

  it("hands integers and floats over unchanged", () => {
    const { address, view } = zeros(2);
    pool.run(module, "echo", 1, 1, [address, Math.fround(-1.1e-38), -(2 ** 31)]);
    expect(new Float32Array(view.buffer, address, 1)[0]).toBe(Math.fround(-1.1e-38));
    expect(view[1]).toBe(-(2 ** 31));
  });

  it("gives each thread scratch that overlaps no other block", () => {
    const bytes = 3 << 20;
    pool.reserveScratch(bytes);
    const seen = zeros(64);
    pool.run(module, "fillScratch", 64, 1, [bytes / 4, seen.address]);
    const addresses = [...new Set(seen.view)].map((address) => address >>> 0).sort((a, b) => a - b);
    expect(addresses.length).toBeLessThanOrEqual(threads);
    for (const [i, address] of addresses.entries()) {
      expect(address % 64).toBe(0);
      if (i > 0) expect(address - addresses[i - 1]).toBeGreaterThanOrEqual(bytes);
    }
    const next = zeros(1);
    expect(addresses.some((address) => next.address >= address && next.address < address + bytes)).toBe(false);
  });

  it("loses no chunk in 10 000 launches", () => {
    const { address, view } = zeros(1);
    for (let i = 0; i < 10_000; i++) pool.run(module, "one", 4, 1, [address]);
    expect(view[0]).toBe(40_000);
  });

  it("wakes sleeping workers", async () => {
    const { address, view } = zeros(1);
    for (let i = 0; i < 20; i++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
      pool.run(module, "one", 100, 1, [address]);
    }
    expect(view[0]).toBe(2000);
  });

  it("turns a trap in any thread into a DeviceError and goes on", () => {
    const { address, view } = zeros(1);
    for (let where = 0; where < 200; where++) {
      expect(() => pool.run(module, "trap", 200, 1, [where])).toThrow(DeviceError);
      pool.run(module, "one", 10, 1, [address]);
    }
    expect(view[0]).toBe(2000);
    expect(() => pool.run(module, "trap", 200, 1, [7])).toThrow(/"trap".*unreachable/);
  });

  it("lets workers see memory that grew after they started", () => {
    const before = pool.memory.bytesReserved;
    const items = 5 << 20;
    const lengths = zeros(items);
    const counts = zeros(items);
    expect(pool.memory.bytesReserved).toBeGreaterThan(before);
    pool.run(module, "chunks", items, 4096, [lengths.address, counts.address]);
    expect(counts.view.every((count) => count === 1)).toBe(true);
  });

  it("runs modules that are loaded while it lives", async () => {
    const { address, view } = zeros(1);
    for (let i = 0; i < 5; i++) {
      const extra = pool.load(await assemble(`(func (export "add") (param i32 i32 i32 i32)
        (drop (i32.atomic.rmw.add (local.get 3) (i32.const ${i}))))`));
      pool.run(extra, "add", 100, 1, [address]);
    }
    expect(view[0]).toBe(1000);
  });

  it("says which kernels there are when asked for another", () => {
    expect(() => pool.run(module, "nothing", 1, 1, [])).toThrow(/no kernel "nothing", only chunks, trap/);
    expect(() => pool.run(module, "one", 1, 1, Array(191).fill(0))).toThrow(/at most 190/);
    expect(() => pool.run(module, "one", 10, 0, [0])).toThrow(/chunks of 0/);
    expect(() => pool.load(new Uint8Array([1, 2, 3]))).toThrow(DeviceError);
  });
});

it.each([0, 1.5, 65, Number.NaN])("refuses %d threads", async (threads) => {
  await expect(Pool.open(threads)).rejects.toThrow(OptionError);
});

it("reaches addresses beyond 2 GiB", async () => {
  const pool = await Pool.open(2);
  const module = pool.load(await assemble(KERNELS));
  for (let i = 0; i < 5; i++) pool.memory.allocate(2 ** 29);
  pool.reserveScratch(4 << 20);
  const { address, view } = zerosIn(pool, 1 << 20);
  const seen = zerosIn(pool, 1 << 16);
  expect(address).toBeGreaterThan(2 ** 31);
  pool.run(module, "one", 1000, 1, [address]);
  expect(view[0]).toBe(1000);
  pool.run(module, "fillScratch", 64, 1, [1 << 20, seen.address]);
  expect([...seen.view.subarray(0, 64)].every((scratch) => scratch >>> 0 > 2 ** 31)).toBe(true);
  await pool.dispose();
});

it("is of no use once closed", async () => {
  const pool = await Pool.open(2);
  const module = pool.load(await assemble(KERNELS));
  await pool.dispose();
  await pool.dispose();
  expect(() => pool.run(module, "one", 1, 1, [65536])).toThrow(/closed/);
  expect(() => pool.load(new Uint8Array())).toThrow(/closed/);
});
