import { either, kind, listOf, object, text } from "../../check.ts";
import { OptionError } from "../../errors.ts";
import type { Layer } from "../../nn/layer.ts";
import type { Model } from "../../nn/model.ts";
import { originalNames } from "../../nn/models/originalNames.ts";
import { pathOf } from "../../nn/structure.ts";
import type { Place } from "./places.ts";

/**
 * What modules are called in PyTorch: by the path of a layer here, or of a part of the network, whose layers' names then follow: { "0": "conv1", "2": "features" }; or as a list, of the layers
 * that have tensors there, in order.
 */
export type ModuleNames = Readonly<Record<string, string>> | readonly string[];

export const namesKind = either(listOf(text), kind("an object of modules' names by the paths of layers", (x) => object.accepts(x) && Object.values(x as object).every((name) => text.accepts(name))));

/** The module of each of the places. */
export function moduleNames({ body }: Model, places: readonly Place[], given: ModuleNames = {}): string[] {
  if (isList(given)) {
    if (given.length !== places.length) throw new OptionError(`names: ${given.length} names are given for ${places.length} layers that have tensors: ${places.map(({ layer }) => layer.name).join(", ")}`);
    return [...given];
  }
  const unknown = Object.keys(given).find((path) => !places.some((place) => isWithin(place.path, path)));
  if (unknown !== undefined) throw new OptionError(`names: there is no layer with tensors at ${JSON.stringify(unknown)}; there are ${places.map(({ layer }) => layer.name).join(", ")}`);
  const originals = namesInParts(body);
  return places.map(({ layer, path }) => {
    const prefix = Object.keys(given).filter((each) => isWithin(path, each)).sort((a, b) => b.length - a.length)[0];
    return prefix === undefined ? originals.get(layer) ?? path : `${given[prefix]}${path.slice(prefix.length)}`;
  });
}

const isList = (given: ModuleNames): given is readonly string[] => Array.isArray(given);

const isWithin = (path: string, part: string): boolean => path === part || path.startsWith(`${part}.`);

/** Names that layers have by the network which they are part of: a whole model, or one at a path of it. */
function namesInParts(layer: Layer): Map<Layer, string> {
  const own = originalNames(layer);
  if (!own) return new Map(layer.layers().flatMap((inner) => [...namesInParts(inner)]));
  const path = pathOf(layer);
  return new Map([...own].map(([inner, name]) => [inner, path === "" ? name : `${path}.${name}`]));
}
