import { readFileSync } from "node:fs";

/** A pass of a layer of PyTorch's or SpikingJelly's, as layers.py ran it. */
export interface PeerLayer {
  /** Our function that makes it, and its arguments. */
  layer: string;
  arguments: unknown[];
  steps: number;
  batch: number;
  shape: number[];
  outputShape: number[];
  /** By name: x, gy, y, gx, parameter0, gradient0, …; README.md beside this file describes them. */
  arrays: Record<string, Float32Array>;
}

type Stored = Omit<PeerLayer, "arrays"> & { arrays: Record<string, [offset: number, length: number]> };

const here = new URL(".", import.meta.url);
const { buffer } = Uint8Array.from(readFileSync(new URL("layers.bin", here)));
const stored = JSON.parse(readFileSync(new URL("layers.json", here), "utf8")) as Stored[];

export const peerLayers: PeerLayer[] = stored.map(({ arrays, ...rest }) => ({
  ...rest, arrays: Object.fromEntries(Object.entries(arrays).map(([name, [offset, length]]) => [name, new Float32Array(buffer, offset, length)])),
}));
