import { kind, listOf, oneOf } from "../check.ts";
import type { Surrogate } from "./surrogate.ts";

export const aSurrogate = kind("a surrogate gradient: surrogate.atan() for example, or surrogate.custom((u) => …)", (x) => typeof (x as Surrogate | null)?.derivative === "function");

/** A list of some of the names, each once. */
export const namesAmong = (...names: readonly string[]) => {
  const { expected, accepts } = listOf(oneOf(...names));
  return kind(`${expected} and at most once`, (x) => accepts(x) && new Set(x as string[]).size === (x as string[]).length);
};
