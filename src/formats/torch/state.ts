import { OptionError } from "../../errors.ts";
import type { Model } from "../../nn/model.ts";
import { type ModuleNames, moduleNames } from "./names.ts";
import { placesOf } from "./places.ts";
import { type TorchLibrary, type Slot, slotsOf } from "./slots.ts";

/**
 * The tensors that the library's `state_dict()` has for a model, by their names there.
 * @throws OptionError for a layer that has no counterpart there, names that do not fit the layers, and a name that two tensors would have.
 */
export function stateOf(model: Model, library: TorchLibrary, { names, prefix = "" }: { names?: ModuleNames; prefix?: string }): Slot[] {
  const places = placesOf(model).map((place) => ({ place, slots: slotsOf(place, library) })).filter(({ slots }) => slots.length > 0);
  const modules = moduleNames(model, places.map(({ place }) => place), names);
  const within = (i: number, name: string): string => `${prefix}${modules[i] === "" ? "" : `${modules[i]}.`}${name}`;
  const state = places.flatMap(({ slots }, i) => slots.map((slot): Slot => ({ ...slot, name: within(i, slot.name), ...(slot.is === "values" && slot.alias !== undefined ? { alias: within(i, slot.alias) } : {}) })));
  const twice = state.find(({ name }, i) => state.findIndex((other) => other.name === name) < i);
  if (twice) throw new OptionError(`names: two layers would have the tensor ${twice.name}: give each module a name of its own`);
  return state;
}
