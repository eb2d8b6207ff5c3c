// Registers and spills of the generated CUDA kernels, as nvcc's assembler reports them; needs nvcc, no GPU:
//   node bench/cuda-registers.mjs > bench/results/cuda-registers.json
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { lif, neurons, plan, surrogate } from "spikefold";
import { emitCudaKernels } from "../dist/codegen/cuda/emit.js";
import { prelude } from "../dist/codegen/cuda/prelude.js";
import { vectorOf } from "../dist/device/cuda/fused.js";

/** A population that any vector width divides. */
const NEURONS = 1 << 20;
/** @type {[string, import("spikefold").Neuron][]} */
const candidates = [["lif, atan", lif({ surrogate: surrogate.atan() })], ...Object.entries(neurons).map(/** @returns {[string, import("spikefold").Neuron]} */ ([name, make]) => [name, make()])];

const sources = [prelude];
const kernels = new Map();
for (const [name, neuron] of candidates) for (const elements of /** @type {const} */ (["f32", "bf16"])) for (const steps of [4, 8, 16, 32, 64, 1024]) {
  const plans = plan({ neuron, steps, elements, outputs: { spike: elements }, gradients: [...neuron.inputs, ...Object.keys(neuron.params)] });
  for (const direction of /** @type {const} */ (["forward", "backward"])) {
    const vector = vectorOf(plans, direction, NEURONS);
    const suffix = `_${kernels.size}`;
    kernels.set(direction + suffix, { neuron: name, elements, T: steps, direction, neuronsPerThread: vector });
    sources.push(...emitCudaKernels(plans, { vector, suffix }, [direction]));
  }
}

const folder = mkdtempSync(join(tmpdir(), "spikefold-registers-"));
try {
  const file = join(folder, "kernels.cu");
  writeFileSync(file, sources.join("\n"));
  /** @type {Record<string, object[]>} */
  const architectures = {};
  for (const architecture of ["sm_80", "sm_90"]) {
    const { status, stderr } = spawnSync("nvcc", [`-arch=${architecture}`, "--fmad=false", "-cubin", "-Xptxas", "-v", "-o", join(folder, "kernels.cubin"), file], { encoding: "utf8", maxBuffer: 1 << 26 });
    if (status !== 0) throw new Error(stderr);
    const rows = stderr.split("Compiling entry function").slice(1).map((text) => ({
      ...kernels.get(/'(\w+)'/.exec(text)?.[1]),
      registers: Number(/Used (\d+) registers/.exec(text)?.[1]),
      spilledBytes: Number(/(\d+) bytes spill stores/.exec(text)?.[1]),
    }));
    architectures[architecture] = rows.sort((a, b) => a.neuron.localeCompare(b.neuron) || a.elements.localeCompare(b.elements) || a.direction.localeCompare(b.direction) || a.T - b.T);
  }
  const nvcc = execFileSync("nvcc", ["--version"], { encoding: "utf8" }).trim().split("\n").at(-1);
  console.log(JSON.stringify({ command: "node bench/cuda-registers.mjs", nvcc, architectures }, null, 1));
} finally {
  rmSync(folder, { recursive: true });
}
