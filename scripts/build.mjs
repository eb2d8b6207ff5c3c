// Builds the package into dist/: the dense kernels (AssemblyScript → wasm), then the TypeScript sources.
// Each step runs only when one of its sources is newer than its output.
import { execFileSync } from "node:child_process";
import { copyFileSync, existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const at = (...parts) => join(root, ...parts);

const newest = (path) =>
  statSync(path).isDirectory()
    ? Math.max(0, ...readdirSync(path).map((name) => newest(join(path, name))))
    : statSync(path).mtimeMs;
const stale = (output, ...sources) => !existsSync(output) || sources.some((source) => newest(source) > statSync(output).mtimeMs);
const run = (command, ...args) =>
  execFileSync(process.execPath, [at("node_modules", ...command.split("/")), ...args], { cwd: root, stdio: ["ignore", 2, 2] });

// Two builds of the same source: with fused multiply-add where the engine has relaxed SIMD, without it elsewhere.
const assembly = at("src/device/cpu/assembly");
for (const [name, relaxed] of [["dense", 0], ["dense.relaxed", 1]]) {
  const output = at(`src/device/cpu/${name}.wasm`);
  if (stale(output, assembly)) {
    run("assemblyscript/bin/asc.js", join(assembly, "index.ts"), "-o", output, "-O3", "--runtime", "stub", "--use", "abort=",
      "--importMemory", "--sharedMemory", "--maximumMemory", "65536", "--enable", "threads,simd,relaxed-simd",
      "--use", `RELAXED=${relaxed}`, "--noAssert");
  }
  const copy = at(`dist/device/cpu/${name}.wasm`);
  if (stale(copy, output)) {
    mkdirSync(dirname(copy), { recursive: true });
    copyFileSync(output, copy);
  }
}

const stamp = at("dist/.tsbuildinfo");
if (stale(stamp, at("src"), at("tsconfig.json"), at("tsconfig.build.json"))) run("typescript/bin/tsc", "-p", "tsconfig.build.json");
