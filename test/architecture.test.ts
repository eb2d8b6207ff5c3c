import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("..", import.meta.url));
const source = join(root, "src");

/** Each part may import itself and what stands before it. */
const layers = ["errors.ts", "check.ts", "runtime.ts", "dispose.ts", "version.ts", "fnv.ts", "neuron", "data", "fusion", "codegen", "device", "parallel", "jax", "cuda", "python", "nn", "train", "formats", "bench", "cli"];
/** Parts that are independent of one another in spite of their order. */
const forbidden: [string, string][] = [["fusion", "data"], ["codegen", "data"], ["data", "neuron"]];

const files = (readdirSync(source, { recursive: true }) as string[])
  .filter((file) => /\.(ts|js)$/.test(file) && !file.includes("assembly") && file !== "index.ts");

const relativeImports = (file: string): string[] =>
  [...readFileSync(file, "utf8").matchAll(/(?:from|import)\s*\(?(?:\s|\/\*.*?\*\/)*"(\.[^"]+)"/g)].map(([, path]) => resolve(dirname(file), path));

const importsOf = (file: string): string[] => relativeImports(join(source, file)).map((path) => relative(source, path));

/** All modules, the page's too. */
const modules = ["src", "playground"].flatMap((folder) => (readdirSync(join(root, folder), { recursive: true }) as string[]).map((file) => `${folder}/${file}`))
  .filter((file) => /\.(ts|js)$/.test(file));

/** The modules that one imports, for types alone or for more. */
const importsFrom = (file: string): string[] => relativeImports(join(root, file)).map((path) => relative(root, path))
  .flatMap((path) => [path, `${path}.ts`].find((candidate) => modules.includes(candidate)) ?? []);

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
      .filter((imported) => part(imported) === "device" && !["device/device.ts", "device/counting.ts", "device/made.ts"].includes(imported)).map((imported) => `${file} → ${imported}`));
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

  it("has no circles of imports, type-only ones included", () => {
    const graph = new Map(modules.map((file) => [file, importsFrom(file)]));
    expect(graph.get("src/neuron/walk.ts")).toEqual(["src/neuron/expr.ts"]);
    expect(graph.get("playground/src/main.ts")!.length).toBeGreaterThan(0);
    const circles: string[] = [];
    const finished = new Set<string>();
    const visit = (file: string, trail: readonly string[]): void => {
      if (trail.includes(file)) circles.push([...trail.slice(trail.indexOf(file)), file].join(" → "));
      else if (!finished.has(file)) {
        graph.get(file)!.forEach((imported) => visit(imported, [...trail, file]));
        finished.add(file);
      }
    };
    modules.forEach((file) => visit(file, []));
    expect(circles).toEqual([]);
  });
});
