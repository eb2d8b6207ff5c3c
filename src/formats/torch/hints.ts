import type { ForeignTensor } from "../../train/safetensors.ts";
import type { Slot } from "./slots.ts";

/** What to do about a file whose names are not those of the model, in a line; none where the names are right. */
export function hints(slots: readonly Slot[], tensors: ReadonlyMap<string, ForeignTensor>, { missing, unexpected }: { missing: readonly string[]; unexpected: readonly string[] }): string[] {
  if (missing.length === 0 || unexpected.length === 0) return [];
  const prefixes = new Set(unexpected.filter((name) => name.endsWith(`.${missing[0]}`)).map((name) => name.slice(0, -missing[0].length)));
  const prefix = [...prefixes].find((each) => missing.every((name) => tensors.has(each + name)));
  if (prefix !== undefined) return [`All names there begin with ${JSON.stringify(prefix)}: give { prefix: ${JSON.stringify(prefix)} }`];
  const modules = [...new Set(slots.map(({ name }) => moduleOf(name)))];
  const there = [...new Set([...tensors.keys()].map(moduleOf))];
  return [
    `Modules are called ${there.join(", ")} there, and ${modules.join(", ")} here: say which is which with the option names, ` +
      `{ names: ${JSON.stringify(Object.fromEntries(modules.slice(0, 2).map((module, i) => [module, there[i] ?? "…"])))} }`,
  ];
}

const moduleOf = (name: string): string => name.split(".").slice(0, -1).join(".");
