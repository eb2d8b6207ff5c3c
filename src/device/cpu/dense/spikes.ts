import { requireUnpack } from "../../dense/precision.ts";
import { requireElements, wordsOfBits } from "../../dense/shapes.ts";
import type { DenseMath } from "../../device.ts";
import type { CpuContext } from "../context.ts";

/** Words that a thread takes at a time. */
const GRAIN = 1 << 10;

export function spikeMath(device: CpuContext): Pick<DenseMath, "packSpikes" | "unpackSpikes"> {
  return {
    packSpikes(x) {
      requireElements("packSpikes", "x", x);
      const from = device.ptr(x, "packSpikes", "f32");
      const bits = device.empty([wordsOfBits(x.size)], "u32");
      device.timed("rest", () => device.pool.run(device.denseModule, "packBits", bits.size, GRAIN, [from, device.ptr(bits, "packSpikes"), x.size]));
      return bits;
    },
    unpackSpikes(bits, shape, dtype = "f32") {
      requireUnpack(device, bits, shape, dtype);
      const from = device.ptr(bits, "unpackSpikes", "u32");
      const x = device.empty(shape);
      device.timed("rest", () => device.pool.run(device.denseModule, "unpackBits", bits.size, GRAIN, [from, device.ptr(x, "unpackSpikes"), x.size]));
      return x;
    },
  };
}
