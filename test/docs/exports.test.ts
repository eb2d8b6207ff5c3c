import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import * as cuda from "../../src/cuda/index.ts";
import * as main from "../../src/index.ts";
import * as jax from "../../src/jax/index.ts";
import * as python from "../../src/python/index.ts";
import { root } from "../built.ts";

const pages = ["README.md", ...readdirSync(join(root, "docs")).filter((name) => name.endsWith(".md")).map((name) => `docs/${name}`)].map((name) => readFileSync(join(root, name), "utf8"));
/** What the guides say in code: between backticks, or in a block. */
const code = pages.flatMap((page) => [...page.matchAll(/```[\s\S]*?```|`[^`\n]+`/g)].map(([text]) => text)).join("\n");

/** The names of a module's exports; of a namespace, those in it. */
const names = (module: object): string[] => Object.entries(module).flatMap(([name, value]) => (value?.[Symbol.toStringTag] === "Module" ? Object.keys(value).map((inner) => `${name}.${inner}`) : [name]));

describe.each(Object.entries({ spikefold: main, "spikefold/jax": jax, "spikefold/cuda": cuda, "spikefold/python": python }))("the guides speak of every export of %s", (_, module) => {
  it.each(names(module))("%s", (name) => {
    const [last, ...outer] = name.split(".").toReversed();
    // In a table of its namespace, a member stands without it.
    const found = new RegExp(`\\b${last}\\b`).test(code) && outer.every((word) => code.includes(word));
    expect(found, `${name} is in no guide: say in docs/*.md what it is for`).toBe(true);
  });
});
