import type { DenseMath } from "../../device.ts";
import { checkUnpack } from "../../dense/precision.ts";
import { requireElements, wordsOfBits } from "../../dense/shapes.ts";
import { ELEMENTS, kernels, lanesOf } from "./kernel.ts";
import type { DenseLauncher } from "./work.ts";

const variants = ELEMENTS.map((X) => ({ X, V: lanesOf(X) }));

const packKernel = kernels({
  name: "pack_spikes",
  variants,
  parameters: "const X* __restrict__ x, unsigned int* __restrict__ bits, const long long size, const long long words",
  body: `  const long long i = thread();
  if (i >= words) return;
  unsigned int word = 0;
  for (int at = 0; at < 32; at += V) {
    const Vector<float, V> now = read<V>(x, i * 32 + at, size);
    for (int k = 0; k < V; ++k) word |= (unsigned int)(now.at[k] != 0.0f) << (at + k);
  }
  bits[i] = word;`,
});

const unpackKernel = kernels({
  name: "unpack_spikes",
  variants,
  parameters: "const unsigned int* __restrict__ bits, X* __restrict__ x, const long long size",
  body: `  const long long i = thread() * V;
  if (i >= size) return;
  const unsigned int word = bits[i / 32] >> i % 32;
  Vector<float, V> spikes;
  for (int k = 0; k < V; ++k) spikes.at[k] = (float)(word >> k & 1u);
  write<V>(x, i, size, spikes);`,
});

export const spikeKernels = [packKernel, unpackKernel];

export const spikeMath = (launcher: DenseLauncher): Pick<DenseMath, "packSpikes" | "unpackSpikes"> => ({
  packSpikes(x) {
    requireElements("packSpikes", "x", x);
    return launcher.run("packSpikes", "rest", (work) => {
      const { at, type } = work.activation(x);
      const bits = work.output([wordsOfBits(x.size)], "u32");
      work.launch(packKernel({ X: type, V: lanesOf(type) }), bits.size, [at, work.ptr(bits, "u32"), x.size, bits.size]);
      return bits;
    });
  },
  unpackSpikes(bits, shape, dtype = "f32") {
    checkUnpack(bits, shape, dtype);
    return launcher.run("unpackSpikes", "rest", (work) => {
      const from = work.ptr(bits, "u32");
      const x = work.output(shape, dtype);
      const V = lanesOf(dtype);
      work.launch(unpackKernel({ X: dtype, V }), Math.ceil(x.size / V), [from, work.ptr(x, dtype), x.size]);
      return x;
    });
  },
});
