// Builds the package into dist/: what is generated from other languages (dense kernels, the worker's script), then the TypeScript sources.
// Each step runs only when one of its sources is newer than its output; --clean builds all anew, for a tarball without leftovers.
import asc from "assemblyscript/asc";
import { buildSync } from "esbuild";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const at = (...parts) => join(root, ...parts);
const cpu = (...parts) => at("src/device/cpu", ...parts);
const parallel = (...parts) => at("src/parallel", ...parts);

const newest = (path) =>
  statSync(path).isDirectory()
    ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))))
    : statSync(path).mtimeMs;
const stale = (output, ...sources) => !existsSync(output) || [script, ...sources].some((source) => newest(source) > statSync(output).mtimeMs);

if (process.argv.includes("--clean")) for (const made of [at("dist"), cpu("generated"), parallel("generated")]) rmSync(made, { recursive: true, force: true });

// Texts, not files beside the code: no bundler leaves them behind. Typed as strings, lest the declarations hold them too.
/** @param {string} path @param {string} comment @param {string} text */
function generate(path, comment, text) {
  const name = basename(path, ".ts");
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `/** ${comment} */\nexport const ${name}: string = ${JSON.stringify(text)};\n`);
}

// Two builds of the same source: with fused multiply-add where the engine has relaxed SIMD, without it elsewhere.
for (const [name, relaxed] of [["dense", 0], ["denseRelaxed", 1]]) {
  if (!stale(cpu("generated", `${name}.ts`), cpu("assembly"))) continue;
  let wasm;
  const { error, stderr } = await asc.main(
    ["src/device/cpu/assembly/index.ts", "-o", "dense.wasm", "-O3", "--runtime", "stub", "--use", "abort=",
      "--importMemory", "--sharedMemory", "--maximumMemory", "65536", "--enable", "threads,simd,relaxed-simd",
      "--use", `RELAXED=${relaxed}`, "--noAssert", "--baseDir", root],
    { writeFile: (_, contents) => (wasm = contents) },
  );
  if (error) throw new Error(`${error.message}\n${stderr}`);
  generate(cpu("generated", `${name}.ts`), `The WebAssembly module of assembly/, ${relaxed ? "with" : "without"} relaxed SIMD, in base64.`, Buffer.from(wasm).toString("base64"));
}

/** A script of a worker, with all that it imports, as a text. @param {string} output @param {string} entry @param {string[]} sources */
function generateWorker(output, entry, ...sources) {
  if (!stale(output, ...sources)) return;
  const { outputFiles } = buildSync({ entryPoints: [entry], bundle: true, minify: true, format: "esm", target: "es2022", write: false });
  generate(output, `The script ${basename(entry)} with all that it imports.`, outputFiles[0].text);
}
generateWorker(cpu("generated/worker.ts"), cpu("worker.js"), cpu("worker.js"), cpu("control.js"));
generateWorker(parallel("generated/worker.ts"), parallel("worker/worker.ts"), parallel("worker"), parallel("shared.ts"), at("src/runtime.ts"));

/** @param {string} ending @param {(text: string) => string} change */
function rewrite(ending, change) {
  for (const name of readdirSync(at("dist"), { recursive: true })) {
    if (!name.endsWith(ending)) continue;
    const text = readFileSync(at("dist", name), "utf8");
    const changed = change(text);
    if (changed !== text) writeFileSync(at("dist", name), changed);
  }
}

const stamp = at("dist/.tsbuildinfo");
// What an earlier build left, of sources that are gone or of other options, would come into a tarball; and TypeScript, which remembers it, would not make it again.
for (const name of existsSync(at("dist")) ? readdirSync(at("dist"), { recursive: true }) : []) {
  const made = /^(.*)\.(js|d\.ts)$/.exec(name);
  if (at("dist", name) === stamp || !statSync(at("dist", name)).isFile() || (made && [".ts", ".js"].some((ending) => existsSync(at("src", made[1] + ending))))) continue;
  rmSync(at("dist", name));
  rmSync(stamp, { force: true });
}
if (stale(stamp, at("src"), at("tsconfig.json"), at("tsconfig.build.json"))) {
  execFileSync(process.execPath, [at("node_modules/typescript/bin/tsc"), "-p", "tsconfig.build.json"], { cwd: root, stdio: ["ignore", 2, 2] });
  // TypeScript's helpers for `using` look in `this` for others of their name, which a module has not, and of which rollup warns.
  rewrite(".js", (code) => code.replace(/\(this && this\.__\w+\) \|\| /g, ""));
  // In declarations, it leaves imports as they were in the sources.
  rewrite(".d.ts", (code) => code.replace(/(from |import |import\()"(\.[^"]+)\.ts"/g, '$1"$2.js"'));
}
