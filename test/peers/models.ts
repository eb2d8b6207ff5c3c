import { readFileSync } from "node:fs";

/** A training step of one of SpikingJelly's networks, as models.py ran it. */
export interface PeerModel {
  /** Our function that makes it. */
  model: string;
  options: Record<string, unknown>;
  /** [H, W, C] */
  shape: [number, number, number];
  steps: number;
  batch: number;
  classes: number;
  seed: number;
  /** How many numbers it learns. */
  parameters: number;
  loss: number;
  /** Spikes of each layer. */
  spikes: number[];
  logits: Float32Array;
  /** Of each parameter: the gradient's norm, and some of its values. */
  gradients: Digest[];
  /** Of each running mean and variance, in turn. */
  statistics: Digest[];
}

export interface Digest {
  norm: number;
  /** At k·size/8 in PyTorch's order of the axes. */
  samples: Float32Array;
}

const SAMPLES = 8;

const here = new URL(".", import.meta.url);
const { buffer } = Uint8Array.from(readFileSync(new URL("models.bin", here)));

type Stored = Omit<PeerModel, "logits" | "gradients" | "statistics"> & { offsets: Record<"logits" | "gradients" | "statistics", number> };

const stored = JSON.parse(readFileSync(new URL("models.json", here), "utf8")) as Stored[];

export const peerModels: PeerModel[] = stored.map(({ offsets, ...rest }, i) => {
  const end = stored[i + 1]?.offsets.logits ?? buffer.byteLength;
  const floats = (from: number, to: number) => new Float32Array(buffer, from, (to - from) / 4);
  return {
    ...rest,
    logits: floats(offsets.logits, offsets.gradients), gradients: digests(floats(offsets.gradients, offsets.statistics)), statistics: digests(floats(offsets.statistics, end)),
  };
});

function digests(values: Float32Array): Digest[] {
  const length = SAMPLES + 1;
  return Array.from({ length: values.length / length }, (_, i) => ({ norm: values[i * length], samples: values.slice(i * length + 1, (i + 1) * length) }));
}

/** A value or gradient in our order of the axes, looked at in PyTorch's. `index` is that of one in the other. */
export function digest(values: Float32Array, index: (torch: number) => number): Digest {
  return {
    norm: Math.sqrt(values.reduce((sum, x) => sum + x * x, 0)),
    samples: Float32Array.from({ length: SAMPLES }, (_, k) => values[index(Math.floor((k * values.length) / SAMPLES))]),
  };
}

/** Where PyTorch's element of [outer, inner, ...map] is in our [...map, inner, outer]. */
export const channelsLast = (outer: number, inner: number, map: number) => (torch: number): number => {
  const position = torch % map;
  const i = Math.floor(torch / map) % inner;
  return (position * inner + i) * outer + Math.floor(torch / (map * inner));
};

/** The number of models.py at a place of a stream, in [−1, 1). */
export function uniform(seed: number, stream: number): (i: number) => number {
  const start = mix((seed * 65536 + stream) | 0);
  return (i) => (mix((start + Math.imul(i, 0x9e3779b9)) | 0) >>> 8) / 2 ** 23 - 1;
}

/** Of splitmix32. */
function mix(x: number): number {
  let mixed = Math.imul(x ^ (x >>> 16), 0x21f0aaad);
  mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
  return mixed ^ (mixed >>> 15);
}
