// Instructions, registers and spills of the generated CUDA kernels on compute capability 9.0; needs nvcc, no GPU:
//   node bench/cuda-sass.mjs > bench/results/cuda-sass.json
import * as spikefold from "spikefold";
import { emitCudaKernels } from "../dist/codegen/cuda/emit.js";
import { prelude } from "../dist/codegen/cuda/prelude.js";
import { shapeOf } from "../dist/device/cuda/shape.js";
import { count, nvccBuild } from "./sass.mjs";

/** @type {import("./sass.mjs").Case[]} */
const cases = ["lif, atan", ...Object.keys(spikefold.neurons)].flatMap((neuron) => /** @type {const} */ (["f32", "bf16"]).flatMap((elements) => [
  { neuron, direction: /** @type {const} */ ("forward"), elements, T: 32 },
  ...[4, 8, 16, 32, 1024].map((T) => ({ neuron, direction: /** @type {const} */ ("backward"), elements, T })),
]));
const rows = (await count(cases, { ...spikefold, emitCudaKernels, prelude, shapeOf })).map((row) => `  ${JSON.stringify(row)}`);
console.log(`{\n "command": "node bench/cuda-sass.mjs",\n "nvcc": ${JSON.stringify(await nvccBuild())},\n "architecture": "sm_90",\n "kernels": [\n${rows.join(",\n")}\n ]\n}`);
