const known = new WeakSet();

/** Marks an encoder as one whose values are 0 or 1: to look for what is not finite would take a sixth of the time of encoding. */
export function spikeEncoder<Encoder extends object>(encoder: Encoder): Encoder {
  known.add(encoder);
  return encoder;
}

export const isSpikeEncoder = (encoder: object): boolean => known.has(encoder);
