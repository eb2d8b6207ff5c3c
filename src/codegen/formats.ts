import type { SpikeFormat } from "../fusion/plan.ts";

export type BufferArray = Float32Array | Uint16Array | Uint8Array | Uint32Array;

/** How each spike format stores a 1, and in what elements. */
export const formats: Record<SpikeFormat, { bytes: number; one: number; array: new (length: number) => BufferArray }> = {
  f32: { bytes: 4, one: 1, array: Float32Array },
  f16: { bytes: 2, one: 0x3c00, array: Uint16Array },
  bf16: { bytes: 2, one: 0x3f80, array: Uint16Array },
  u8: { bytes: 1, one: 1, array: Uint8Array },
  bits: { bytes: 4, one: 1, array: Uint32Array },
};

/** Elements of a [steps, size] buffer in a format: `bits` packs 32 steps into one. */
export const elementsOf = (format: SpikeFormat, steps: number, size: number): number => (format === "bits" ? Math.ceil(steps / 32) : steps) * size;

/** Stores the value of neuron n at step t. Formats other than f32 hold spikes only. */
export function writeSpike(target: BufferArray, format: SpikeFormat, t: number, size: number, n: number, value: number): void {
  if (format === "bits") {
    const word = (t >> 5) * size + n;
    const bit = 1 << (t & 31);
    target[word] = t % 32 === 0 ? 0 : target[word];
    if (value !== 0) target[word] |= bit;
  } else target[t * size + n] = format === "f32" ? value : value !== 0 ? formats[format].one : 0;
}

/** Decodes a [steps, size] buffer to f32. */
export function decodeSpikes(source: BufferArray, format: SpikeFormat, steps: number, size: number): Float32Array {
  const result = new Float32Array(steps * size);
  for (let i = 0; i < result.length; i++) {
    const t = Math.floor(i / size);
    if (format === "f32") result[i] = source[i];
    else if (format === "bits") result[i] = (source[(t >> 5) * size + (i % size)] >>> (t & 31)) & 1;
    else result[i] = source[i] === 0 ? 0 : 1;
  }
  return result;
}
