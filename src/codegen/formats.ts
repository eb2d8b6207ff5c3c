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

const word = new Uint32Array(1);
const float = new Float32Array(word.buffer);

/** The number that an element of a floating-point format holds. */
export function decodeElement(format: SpikeFormat, stored: number): number {
  if (format === "f32") return stored;
  if (format === "bf16") {
    word[0] = stored << 16;
    return float[0];
  }
  const [sign, exponent, fraction] = [stored & 0x8000 ? -1 : 1, (stored >> 10) & 31, stored & 1023];
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return exponent === 0 ? sign * fraction * 2 ** -24 : sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
}

/** The nearest element of a floating-point format, ties to even. */
export function encodeElement(format: SpikeFormat, value: number): number {
  if (format === "f32") return value;
  float[0] = value;
  const bits = word[0];
  if (format === "bf16") return Number.isNaN(value) ? 0x7fff : ((bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16) & 0xffff;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = Math.abs(float[0]);
  if (Number.isNaN(magnitude)) return 0x7fff;
  if (magnitude >= 65520) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.floor(Math.log2(magnitude || 1e-30)));
  // In units of the last place: at 2048 the rounding has carried into the next exponent, which the addition below does too.
  const units = roundToEven(magnitude / 2 ** (exponent - 10));
  return sign | (exponent === -14 && units < 1024 ? units : ((exponent + 14) << 10) + units);
}

function roundToEven(x: number): number {
  const floor = Math.floor(x);
  const rest = x - floor;
  return rest > 0.5 || (rest === 0.5 && floor % 2 === 1) ? floor + 1 : floor;
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
