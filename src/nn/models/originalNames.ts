import type { Layer } from "../layer.ts";

const known = new WeakMap<Layer, ReadonlyMap<Layer, string>>();

/** Keeps what the layers of a network are called in the one that it follows: "layer1.0.conv1". Files of weights have these names. */
export function withOriginalNames(network: Layer, names: Iterable<readonly [Layer, string]>): Layer {
  known.set(network, new Map(names));
  return network;
}

/** Undefined for a network that follows none. */
export const originalNames = (network: Layer): ReadonlyMap<Layer, string> | undefined => known.get(network);
