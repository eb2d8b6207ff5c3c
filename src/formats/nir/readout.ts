import type { Layer } from "../../nn/layer.ts";
import { everyStep, lastMembrane, maxMembrane, meanMembrane, membranes, rate, spikeCount } from "../../nn/readout.ts";
import { OURS } from "./note.ts";
import type { Tree } from "./tree.ts";

const READOUTS: Readonly<Record<string, (state?: string) => Layer>> = {
  rate: () => rate(), spikeCount: () => spikeCount(), everyStep: () => everyStep(), lastMembrane, meanMembrane, maxMembrane, membranes,
};

export const isReadout = ({ kind }: Layer): boolean => Object.hasOwn(READOUTS, kind);

/** What the graph's metadata say of a read-out, which NIR has none of. */
export const writeReadout = (readout: Layer | undefined, dt: number): Tree =>
  ({ [OURS]: JSON.stringify({ version: 1, dt, ...(readout ? { readout: readout.kind, state: readout.readsState() } : {}) }) });

export function readReadout(metadata: Tree): Layer | undefined {
  const text = metadata[OURS];
  if (typeof text !== "string") return undefined;
  try {
    const { readout, state } = JSON.parse(text) as Record<string, unknown>;
    return typeof readout === "string" && Object.hasOwn(READOUTS, readout) ? READOUTS[readout](typeof state === "string" ? state : undefined) : undefined;
  } catch {
    return undefined;
  }
}
