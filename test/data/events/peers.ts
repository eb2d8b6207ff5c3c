import { readFileSync } from "node:fs";
import type { Events } from "../../../src/data/events/events.ts";

interface Fields { x: number[]; y: number[]; t: number[]; p: number[] }
interface Sparse { shape: number[]; at: number[]; values: number[] }

/** What peers.py wrote. */
export const peers = JSON.parse(readFileSync(new URL("peers.json", import.meta.url), "utf8")) as { width: number; height: number; denoise150: number[]; refractory400: number[] } & Fields
  & Record<"sjTime7" | "sjNumber7" | "sjDuration300" | "tonicTimeBins7" | "tonicEventBins7" | "tonicWindow300" | "voxel5" | "surface", Sparse>
  & Record<"centerCrop3x2" | "cropTime" | "downsample" | "downsampleTarget", Fields>;

export const makeEvents = ({ x, y, t, p }: Fields, width: number, height: number): Events =>
  ({ x: Uint16Array.from(x), y: Uint16Array.from(y), t: Float64Array.from(t), p: Uint8Array.from(p), width, height });

export const sample = makeEvents(peers, peers.width, peers.height);

export function dense({ shape, at, values }: Sparse): { data: number[]; shape: number[] } {
  const data = Array.from({ length: shape.reduce((a, b) => a * b) }, () => 0);
  at.forEach((place, i) => (data[place] = values[i]));
  return { data, shape };
}
