import koffi from "koffi";
import { DeviceMemory } from "../../src/device/cuda/memory.ts";

/**
 * From now on every tensor of a cuda device is held to its own bytes (in whole words) from its allocation to its disposal, in the order of the
 * stream, and is NaN when new. Without this the stand-in sees the pool's blocks only: they are larger, outlive tensors, and keep old values.
 */
export function exactTensors(library: string): void {
  const use = koffi.load(library).func("int standInUse(uint64_t address, size_t bytes)") as (address: number, bytes: number) => number;
  const { allocate, release } = DeviceMemory.prototype;
  DeviceMemory.prototype.allocate = function (asked) {
    const block = allocate.call(this, asked);
    use(block.address, 4 * Math.ceil(asked / 4));
    return block;
  };
  DeviceMemory.prototype.release = function (block, asked) {
    use(block.address, 0);
    release.call(this, block, asked);
  };
}
