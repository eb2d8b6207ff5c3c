// Makes a folder with all that run.sh needs on a machine without a network:
//   node bench/gpu/pack.mjs [--out .pack] [--peers DIR]
// DIR holds checkouts named spikingjelly, snntorch and norse, of which the Python package goes along. Build first (npm run build).
import { spawn } from "node:child_process";
import { copyFileSync, createReadStream, createWriteStream, cpSync, existsSync, mkdirSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { bundleSuite } from "./suite.mjs";

const MAX_BYTES = 50e6;
const PEERS = ["spikingjelly", "snntorch", "norse"];

const { values } = parseArgs({ options: { out: { type: "string", default: ".pack" }, peers: { type: "string" }, "xz-level": { type: "string", default: "9" } } });
const { out } = values;
const root = fileURLToPath(new URL("../..", import.meta.url));
if (!existsSync(join(root, "dist/device/cuda/device.js"))) throw new Error("there is no dist/: run npm run build first");

// Only what an earlier run made is removed: a wrong --out must not cost anybody their files.
if (existsSync(out) && readdirSync(out).length > 0 && !existsSync(join(out, "node.xz"))) throw new Error(`--out ${out} is not empty, and no pack`);
rmSync(out, { recursive: true, force: true });
mkdirSync(out, { recursive: true });

await compress(process.execPath, join(out, "node.xz"));
copyFileSync(join(root, "package.json"), join(out, "package.json"));
copy("dist", (path) => !/\.(d\.ts|map|tsbuildinfo)$/.test(path));
copy("bench/gpu", (path) => !path.includes("__pycache__"));
writeFileSync(join(out, "bench/gpu/suite.js"), await bundleSuite("../../dist"));
// The package's own dependencies, for `spikefold bench neuron --device cuda`; of koffi's builds, the one for this platform.
copy("node_modules/koffi", (path) => !/\/koffi\/(doc|lib|vendor)$|\.(cc|hh|inc|asm|S|md)$/.test(path));
copy("node_modules/@koromix/koffi-linux-x64", (path) => !path.includes("musl"));
copy("node_modules/@jax-js/jax", (path) => !/\.(map|d\.ts|d\.cts|cjs)$/.test(path));
// The recurrent layer.
mkdirSync(join(out, "bench/peers"), { recursive: true });
for (const file of ["bench/recurrent.mjs", "bench/peers/recurrent_step.py"]) copyFileSync(join(root, file), join(out, file));
// WebGPU over the vendor's Vulkan driver.
copyFileSync(join(root, "bench/webgpu.mjs"), join(out, "bench/webgpu.mjs"));
copy("node_modules/webgpu", (path) => !/\/webgpu\/(build|dist)$|\.ts$/.test(path));
mkdirSync(join(out, "node_modules/webgpu/dist/linux-x64"), { recursive: true });
await compress(join(root, "node_modules/webgpu/dist/linux-x64/dawn.node"), join(out, "node_modules/webgpu/dist/linux-x64/dawn.node.xz"));

for (const name of values.peers ? PEERS : []) {
  const found = [join(values.peers ?? "", name, name), join(values.peers ?? "", name, "src", name)].find((path) => existsSync(path));
  if (!found) {
    process.stderr.write(`${name} is not in ${values.peers}: the GPU's machine must have it installed\n`);
    continue;
  }
  const python = (/** @type {string} */ path) => statSync(path).isDirectory() ? basename(path) !== "__pycache__" : path.endsWith(".py");
  cpSync(found, join(out, "sources", name, name), { recursive: true, filter: python });
}

const bytes = size(out);
for (const entry of readdirSync(out)) process.stdout.write(`${(size(join(out, entry)) / 1e6).toFixed(1).padStart(6)} MB  ${entry}\n`);
process.stdout.write(`${(bytes / 1e6).toFixed(1).padStart(6)} MB  in all: ${out}\n`);
if (bytes > MAX_BYTES) throw new Error(`the pack has ${(bytes / 1e6).toFixed(1)} MB, more than ${MAX_BYTES / 1e6}`);

/** @param {string} path @param {(path: string) => boolean} keep */
function copy(path, keep) {
  cpSync(join(root, path), join(out, path), { recursive: true, dereference: true, filter: (source) => keep(source) });
}

/** @param {string} from @param {string} to */
async function compress(from, to) {
  const xz = spawn("xz", [`-${values["xz-level"]}`, "-T0", "-c"], { stdio: ["pipe", "pipe", "inherit"] });
  const ended = new Promise((resolve, reject) => {
    xz.once("error", reject);
    xz.once("close", (code) => (code === 0 ? resolve(undefined) : reject(new Error(`xz ended with ${code}`))));
  });
  await Promise.all([pipeline(createReadStream(from), xz.stdin), pipeline(xz.stdout, createWriteStream(to)), ended]);
}

/** @param {string} path @returns {number} */
function size(path) {
  return statSync(path).isDirectory() ? readdirSync(path).reduce((sum, entry) => sum + size(join(path, entry)), 0) : statSync(path).size;
}
