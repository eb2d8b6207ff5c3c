import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { neurons, surrogate } from "../../src/neuron/index.ts";
import { operations } from "../../src/neuron/ops.ts";
import { root } from "../built.ts";

const read = (name: string): string => readFileSync(join(root, "docs", name), "utf8");
const neuronsPage = read("neurons.md");

/** The cells of the table row that begins with some code. */
const row = (page: string, first: RegExp): string[] => {
  const line = page.split("\n").find((text) => text.startsWith("| `") && first.test(text));
  expect(line, `a row of ${first}`).toBeDefined();
  return line!.split("|").slice(1, -1).map((cell) => cell.trim());
};
const words = (cell: string): string[] => [...cell.matchAll(/`(\w+)[^`]*`/g)].map(([, word]) => word);

describe("docs/neurons.md", () => {
  it.each(Object.entries(neurons))("has the states and parameters of %s", (name, make) => {
    const [, , states, params, learnt] = row(neuronsPage, new RegExp(`^\\| \`${name}\\(options\\)\``));
    const neuron = make();
    expect(words(states)).toEqual(Object.keys(neuron.state));
    expect(words(params)).toEqual(Object.keys(neuron.params));
    expect(words(learnt)).toEqual(neuron.learnable);
  });

  const { custom: _custom, ...named } = surrogate;
  it.each(Object.entries(named))("has the options and defaults of surrogate.%s", (name, make) => {
    const [call, , defaults] = row(neuronsPage, new RegExp(`^\\| \`${name}\\(`));
    const { options } = make();
    const names = Object.keys(options).join(", ");
    expect(call).toBe(names ? `\`${name}({ ${names} })\`` : `\`${name}()\``);
    expect(defaults).toBe(Object.values(options).join(", ") || "–");
  });
});

it("docs/writing-a-neuron.md has every operation", () => {
  const table = read("writing-a-neuron.md").split("## Operations")[1].split("## ")[0];
  for (const name of Object.keys(operations)) expect(words(table)).toContain(name);
});
