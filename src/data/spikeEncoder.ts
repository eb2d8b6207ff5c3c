import type { Encoder } from "./encode.ts";

const known = new WeakSet<Encoder>();

/** Marks an encoder as one whose values are 0 or 1: to look for what is not finite would take a sixth of the time of encoding. */
export function spikeEncoder(encoder: Encoder): Encoder {
  known.add(encoder);
  return encoder;
}

export const isSpikeEncoder = (encoder: Encoder): boolean => known.has(encoder);
