import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, createLogger, type Plugin, type Rollup } from "vite";
import { root } from "../built.ts";

/** What a server has to offer: contents by path, "/index.html" for example. */
export type Site = Map<string, Uint8Array>;

export interface Bundle {
  site: Site;
  /** What Vite found worth a warning. */
  warnings: string[];
}

/** Where a bundled page keeps what its entry exports. */
export const EXPORTS = "exportsOfEntry";

const ENTRY = "virtual:entry";
/** A page that runs /page.js. */
export const PAGE = Buffer.from(`<!doctype html><meta charset="utf-8"><title>test</title><link rel="icon" href="data:,"><script type="module" src="/page.js"></script>`);

const bundles = new Map<string, Promise<Bundle>>();

/** Bundles a module for browsers as Vite does by default, with a page that keeps its exports at hand; once in a test file. */
export function bundle(entry: URL): Promise<Bundle> {
  const bundled = bundles.get(entry.href) ?? bundleOnce(entry);
  bundles.set(entry.href, bundled);
  return bundled;
}

async function bundleOnce(entry: URL): Promise<Bundle> {
  const warnings: string[] = [];
  const logger = createLogger("warn");
  const warn = (message: string): void => void warnings.push(message);
  const { NODE_ENV } = process.env;
  // Elsewhere Vite replaces Node's modules without a word.
  process.env.NODE_ENV = "production";
  const result = await build({
    root,
    logLevel: "warn",
    configFile: false,
    publicDir: false,
    customLogger: { ...logger, warn, warnOnce: warn },
    plugins: [entryPlugin(fileURLToPath(entry))],
    build: { write: false, target: "es2022", rolldownOptions: { input: ENTRY, output: { entryFileNames: "page.js" }, checks: { bundlerTimings: false } } },
  }).finally(() => {
    if (NODE_ENV === undefined) delete process.env.NODE_ENV;
    else process.env.NODE_ENV = NODE_ENV;
  });
  const site: Site = new Map([["/index.html", PAGE]]);
  for (const file of (result as Rollup.RollupOutput).output) site.set(`/${file.fileName}`, Buffer.from(file.type === "chunk" ? file.code : file.source));
  return { site, warnings };
}

/** The files of a directory, at the paths that they have in it. */
export async function directorySite(directory: string): Promise<Site> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return new Map(await Promise.all(entries.filter((entry) => entry.isFile()).map(async ({ parentPath, name }) => {
    const file = join(parentPath, name);
    return [file.slice(join(directory, "/").length - 1), await readFile(file)] as const;
  })));
}

const entryPlugin = (file: string): Plugin => ({
  name: "entry",
  resolveId: (id) => (id === ENTRY ? `\0${ENTRY}` : undefined),
  load: (id) => (id === `\0${ENTRY}` ? `import * as entry from ${JSON.stringify(file)}; globalThis.${EXPORTS} = entry;` : undefined),
});
