// Builds the project's site, plain files for any static host: guide and API reference with one search (TypeDoc), and the playground. node scripts/site.mjs [DIRECTORY]
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Application } from "typedoc";
import { build } from "vite";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const out = resolve(process.argv[2] ?? join(root, "site"));

const typedoc = await Application.bootstrapWithPlugins({ options: join(root, "typedoc.json"), out });
const project = await typedoc.convert();
if (!project) process.exit(1);
typedoc.validate(project);
await typedoc.generateOutputs(project);
if (typedoc.logger.hasErrors() || typedoc.logger.hasWarnings()) process.exit(1);
await build({ root: join(root, "playground"), configFile: join(root, "playground/vite.config.ts"), logLevel: "warn", build: { outDir: join(out, "playground"), emptyOutDir: true } });
console.log(out);
