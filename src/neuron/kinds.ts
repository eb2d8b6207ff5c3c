import { kind, listOf, oneOf } from "../check.ts";
import { overflows } from "./expr.ts";
import type { Surrogate } from "./surrogate.ts";

/** Infinity may be meant, a threshold that is never reached; a number that becomes infinite or vanishes as an f32 is not. */
export const value32 = kind("a number that 32 bits can hold", (x) => typeof x === "number" && !Number.isNaN(x) && !overflows(x) && (x === 0 || Math.fround(x) !== 0));

export const surrogateKind = kind("a surrogate gradient: surrogate.atan() for example, or surrogate.custom((u) => …)", (x) => typeof (x as Surrogate | null)?.derivative === "function");

/** A list of some of the names, each once. */
export const namesAmong = (...names: readonly string[]) => {
  const { expected, accepts } = listOf(oneOf(...names));
  return kind(`${expected} and at most once`, (x) => accepts(x) && new Set(x as string[]).size === (x as string[]).length);
};
