// Draws docs/images/parallel-curves.svg: the published layer on 1 to 1024 GPUs, by the simulator. npm run build first; node scripts/parallel-curves.mjs [FILE]
import { writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { drawCurves } from "../dist/cli/curves.js";
import { planParallel } from "../dist/index.js";

// One LIF layer, T = 4096, on one A100 and on eight (arXiv 2408.00280, Fig. 6).
const [single, eight] = [25.8, 3.9];
const handOver = (eight - single / 8) / 7;
const stage = { name: "lif", forward: single / 2, backward: single / 2, neurons: 4096, stateBytes: 0, parameterBytes: 0, outputBytes: 0 };
const cluster = { gpusPerHost: 1024, link: { latency: handOver / 2, bandwidth: Infinity } };
const { predictions, bestChunks } = planParallel({ steps: 4096, batch: 1024, stages: [stage] }, { cluster, gpus: Array.from({ length: 11 }, (_, i) => 2 ** i) });
const file = process.argv[2] ?? join(dirname(dirname(fileURLToPath(import.meta.url))), "docs/images/parallel-curves.svg");
writeFileSync(file, drawCurves({
  title: "One LIF layer, T = 4096: 25.8 s on one A100",
  predictions, bestChunks,
  assumptions: [
    "T_s = 25.8 s is published (arXiv 2408.00280); T_c = 0.096 s is what its 3.9 s on eight GPUs leave for seven hand-overs.",
    "Supposed: 1024 samples, which go through the chunks in micro-batches, and 4096 neurons. Parts take their share of the whole;",
    "T_c is the same between any two GPUs. Data parallel and neurons split lie on one another: for one layer, neither sends anything.",
  ],
}));
console.log(file);
