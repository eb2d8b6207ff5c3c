/** What users of each bundler write, by its JavaScript interface. Each answers with its warnings. */
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { build as esbuild, type BuildOptions } from "esbuild";
import { rollup, type Plugin } from "rollup";
import { build as vite, createLogger } from "vite";
import webpack from "webpack";

export interface Bundling {
  /** The program's first file. */
  entry: string;
  /** The one to write; others may come to lie beside it. */
  output: string;
}

export type Bundler = (bundling: Bundling) => Promise<string[]>;

const withEsbuild = (options: BuildOptions): Bundler => async ({ entry, output }) => {
  const { warnings } = await esbuild({ entryPoints: [entry], outfile: output, bundle: true, logLevel: "silent", ...options });
  return warnings.map(({ text }) => text);
};

/** Finds packages, as @rollup/plugin-node-resolve does, which every program with packages needs. */
const nodeResolve: Plugin = {
  name: "node-resolve",
  resolveId: (id, importer) => (id.startsWith(".") || id.startsWith("/") || id.startsWith("node:") ? null : createRequire(importer!).resolve(id).replace(/\.cjs$/, ".js")),
};

const withRollup = (format: "es" | "iife"): Bundler => async ({ entry, output }) => {
  const warnings: string[] = [];
  const bundle = await rollup({ input: entry, plugins: [nodeResolve], onwarn: ({ code, message }) => void (code === "CIRCULAR_DEPENDENCY" || warnings.push(message)) });
  if (format === "iife") await bundle.write({ file: output, format, inlineDynamicImports: true });
  else await bundle.write({ dir: dirname(output), entryFileNames: "[name].mjs", format });
  await bundle.close();
  return warnings;
};

const withWebpack = (target: "node" | "web"): Bundler => ({ entry, output }) => new Promise((resolve, reject) => {
  webpack({
    mode: "production", target, entry, cache: false, performance: false, optimization: { minimize: false },
    output: { path: dirname(output), filename: output.slice(dirname(output).length + 1) },
  }, (error, stats) => {
    if (error) reject(error);
    else {
      const { errors = [], warnings = [] } = stats!.toJson({ all: false, errors: true, warnings: true });
      if (errors.length > 0) reject(new Error(errors.map(({ message }) => message).join("\n")));
      else resolve(warnings.map(({ message }) => message));
    }
  });
});

const withVite = (ssr: boolean): Bundler => async ({ entry, output }) => {
  const warnings: string[] = [];
  const warn = (message: string): void => void warnings.push(message);
  await vite({
    root: dirname(entry), configFile: false, publicDir: false, logLevel: "warn", customLogger: { ...createLogger("warn"), warn, warnOnce: warn },
    ssr: { noExternal: true },
    build: { ssr, target: "es2022", outDir: dirname(output), emptyOutDir: false, rolldownOptions: { input: entry, output: { entryFileNames: "[name].mjs" }, checks: { bundlerTimings: false } } },
  });
  return warnings;
};

/** For Node: the bundler, and the file to run. */
export const forNode: readonly (readonly [name: string, file: string, Bundler])[] = [
  ["esbuild, ES modules", "node.mjs", withEsbuild({ platform: "node", format: "esm", minify: true })],
  ["esbuild, CommonJS", "node.cjs", withEsbuild({ platform: "node" })],
  ["rollup", "node.mjs", withRollup("es")],
  ["webpack", "node.cjs", withWebpack("node")],
  ["Vite", "node.mjs", withVite(true)],
];

/** For a page. */
export const forPage: readonly (readonly [name: string, file: string, Bundler])[] = [
  ["esbuild", "page.mjs", withEsbuild({ format: "esm", minify: true })],
  ["esbuild, one script", "page.js", withEsbuild({ format: "iife" })],
  ["rollup", "page.mjs", withRollup("es")],
  ["rollup, one script", "page.js", withRollup("iife")],
  ["webpack", "page.js", withWebpack("web")],
  ["Vite", "page.mjs", withVite(false)],
];

/** Where the bundles of one bundler go. */
export const outputOf = (directory: string, name: string, file: string): string => join(directory, name.replace(/\W+/g, "-"), file);
