// What a model of one multiprocessor of an H100 (simulate.py) says of the LIF kernels' share of the memory's bandwidth: predictions, no measurements.
// Needs nvcc, python3 and nvdisasm (on the path or in the variable NVDISASM; pip's triton brings one), no GPU:
//   node bench/sm-model/predict.mjs > bench/results/cuda-model.json
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as spikefold from "spikefold";
import { emitCudaKernels } from "../../dist/codegen/cuda/emit.js";
import { prelude } from "../../dist/codegen/cuda/prelude.js";
import { shapeOf } from "../../dist/device/cuda/shape.js";
import { kernelOf } from "../sass.mjs";

const parts = { ...spikefold, emitCudaKernels, prelude, shapeOf };
const folder = mkdtempSync(join(tmpdir(), "spikefold-model-"));
const [source, cubin, sass] = ["cu", "cubin", "sass"].map((kind) => join(folder, `kernel.${kind}`));
const rows = [];
try {
  for (const neuron of ["lif", "lif, atan"]) for (const elements of /** @type {const} */ (["f32", "bf16"])) for (const T of [8, 32, 128]) for (const direction of /** @type {const} */ (["forward", "backward"])) {
    const { shape, chunk, plans } = kernelOf({ neuron, direction, elements, T }, parts);
    // T is given to kernels in pieces as well: the model follows no branch around the guarded piece, which a T of whole pieces skips.
    const steps = direction === "backward" ? T : undefined;
    writeFileSync(source, [prelude, ...emitCudaKernels(plans, { ...shape, steps }, [direction])].join("\n"));
    const { status, stderr } = spawnSync("nvcc", ["-arch=sm_90", "--fmad=false", "-cubin", "-Xptxas", "-v", "-o", cubin, source], { encoding: "utf8" });
    if (status !== 0) throw new Error(stderr);
    const registers = Number(/Used (\d+) registers/.exec(stderr)?.[1]);
    writeFileSync(sass, execFileSync(process.env.NVDISASM ?? "nvdisasm", ["-hex", "-c", cubin], { maxBuffer: 1 << 28 }));
    const loops = Math.ceil(T / (direction === "forward" ? 4 : chunk));
    const { instructions, warps, latency } = JSON.parse(execFileSync("python3", [join(import.meta.dirname, "simulate.py"), sass, direction, `--loops=${loops}`, `--registers=${registers}`, `--block=${shape.block}`], { encoding: "utf8" }));
    rows.push({
      neuron, elements, T, direction, neuronsPerThread: shape.vector, registers, warps, instructionsPerNeuronStep: Number((instructions / T / shape.vector).toFixed(1)),
      percentOfBandwidth: { "latency 600": latency[600].share, "latency 900": latency[900].share },
    });
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`{\n "command": "node bench/sm-model/predict.mjs",\n "what": "predictions of a model of one multiprocessor of an H100; nothing was measured",\n "kernels": [\n${rows.map((row) => `  ${JSON.stringify(row)}`).join(",\n")}\n ]\n}`);
