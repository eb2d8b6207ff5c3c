import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const source = fileURLToPath(new URL("../src", import.meta.url));

/** Each part may import itself and what stands before it. */
const layers = ["errors.ts", "check.ts", "runtime.ts", "dispose.ts", "version.ts", "neuron", "data", "fusion", "codegen", "device", "jax", "cuda", "nn", "train", "bench", "cli"];
/** Parts that are independent of one another in spite of their order. */
const forbidden: [string, string][] = [["fusion", "data"], ["codegen", "data"], ["data", "neuron"]];

const files = (readdirSync(source, { recursive: true }) as string[])
  .filter((file) => /\.(ts|js)$/.test(file) && !file.includes("assembly") && file !== "index.ts");

const importsOf = (file: string): string[] =>
  [...readFileSync(join(source, file), "utf8").matchAll(/(?:from|import)\s*\(?(?:\s|\/\*.*?\*\/)*"(\.[^"]+)"/g)]
    .map(([, path]) => relative(source, resolve(source, dirname(file), path)));

const part = (file: string): string => file.split("/")[0];

describe("the architecture", () => {
  it("has imports that point downwards only", () => {
    expect(files.length).toBeGreaterThan(50);
    const wrong = files.flatMap((file) => importsOf(file)
      .filter((imported) => layers.indexOf(part(imported)) > layers.indexOf(part(file)) || forbidden.some(([from, to]) => part(file) === from && part(imported) === to))
      .map((imported) => `${file} → ${imported}`));
    expect(wrong).toEqual([]);
    expect(files.filter((file) => !layers.includes(part(file)))).toEqual([]);
  });

  it("has layers that name no device", () => {
    const wrong = files.filter((file) => ["nn"].includes(part(file))).flatMap((file) => importsOf(file)
      .filter((imported) => part(imported) === "device" && imported !== "device/device.ts").map((imported) => `${file} → ${imported}`));
    expect(wrong).toEqual([]);
  });

  it("imports no module of Node's but in the command, so that bundles for pages need none", () => {
    const wrong = files.filter((file) => part(file) !== "cli" && /(?:from|import)\s*\(?\s*"node:/.test(readFileSync(join(source, file), "utf8").replaceAll(/^import type .*$/gm, "")));
    expect(wrong).toEqual([]);
  });

  it("tells bundlers of every module that is imported for its effects", () => {
    const { sideEffects } = JSON.parse(readFileSync(join(source, "../package.json"), "utf8")) as { sideEffects: string[] };
    const effects = files.flatMap((file) => [...readFileSync(join(source, file), "utf8").matchAll(/^import "(\.[^"]+)"/gm)].map(([, path]) => relative(source, resolve(source, dirname(file), path))));
    expect(effects.length).toBeGreaterThan(0);
    expect(effects.filter((file) => !sideEffects.includes(`**/${file.replace(/\.\w+$/, ".*")}`))).toEqual([]);
  });

  it("has no import cycles except of types", () => {
    const graph = new Map(files.map((file) => [file, [...readFileSync(join(source, file), "utf8").matchAll(/^(?:import|export) (?!type)[^;]*?from "(\.[^"]+)"/gm)]
      .filter(([statement]) => !/\{\s*(type \w+,?\s*)+\}/.test(statement))
      .map(([, path]) => relative(source, resolve(source, dirname(file), path)))]));
    const cycles: string[] = [];
    const finished = new Set<string>();
    const visit = (file: string, trail: string[]): void => {
      if (trail.includes(file)) cycles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
      else if (!finished.has(file)) {
        (graph.get(file) ?? []).forEach((imported) => visit(imported, [...trail, file]));
        finished.add(file);
      }
    };
    files.forEach((file) => visit(file, []));
    expect(cycles).toEqual([]);
  });
});
