import { requireUnpack } from "../../dense/precision.ts";
import { requireElements, wordsOfBits } from "../../dense/shapes.ts";
import type { DenseMath } from "../../device.ts";
import { elementKernel, type Launcher } from "./work.ts";

const packKernel = elementKernel({
  label: "pack spikes", params: "length: u32", inputs: ["x"], outputs: ["bits: u32"],
  body: `  let end = min(p.length - 32 * i, 32u);
  var word = 0u;
  for (var bit = 0u; bit < end; bit++) { word |= select(0u, 1u << bit, x[32 * i + bit] != 0.0); }
  bits[i] = word;`,
});

const unpackKernel = elementKernel({
  label: "unpack spikes", inputs: ["bits: u32"], outputs: ["x"], body: "  x[i] = f32((bits[i / 32] >> (i % 32)) & 1u);",
});

export const spikeMath = (launcher: Launcher): Pick<DenseMath, "packSpikes" | "unpackSpikes"> => ({
  packSpikes(x) {
    requireElements("packSpikes", "x", x);
    return launcher.run("packSpikes", (work) => {
      const from = work.bind(x);
      const bits = work.output([wordsOfBits(x.size)], "u32");
      work.perElement(packKernel, bits.size, [x.size], [from, work.bind(bits, "u32")]);
      return bits;
    });
  },
  unpackSpikes(bits, shape, dtype = "f32") {
    requireUnpack(launcher.device, bits, shape, dtype);
    return launcher.run("unpackSpikes", (work) => {
      const from = work.bind(bits, "u32");
      const x = work.output(shape);
      work.perElement(unpackKernel, x.size, [], [from, work.bind(x)]);
      return x;
    });
  },
});
