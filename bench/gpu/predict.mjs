// Predictions, no measurements: what a training step of ours must move and multiply on an H100, and how long that should take.
//   node bench/gpu/predict.mjs > predictions.md
import { WorkCounter } from "./counting.mjs";
import { Training } from "./training.mjs";
import { nameOf, paper, sew } from "./workloads.mjs";

/** @typedef {import("./workloads.mjs").Workload} Workload */
/** @typedef {import("./workloads.mjs").Precision} Precision */

/** NVIDIA's H100 SXM: bytes and dense products a second. */
const DRAM = 3.35e12;
const FLOPS = { bfloat16: 989e12, tf32: 494e12, float32: 67e12 };
/** Assumed: what a copy reaches of the memory's rate. */
const COPY = 0.8;
/** Assumed: host and device between two kernels of a graph, in seconds. */
const GAP = 1.5e-6;

/** Assumed: of the peak, what products reach by the length of their sums (implicit GEMM; short sums and few channels fill the tensor cores badly). */
const ofPeak = (/** @type {number} */ depth) => (depth >= 512 ? 0.55 : depth >= 128 ? 0.3 : 0.15);

/** Classes, what belongs to them, and assumed: the share of a copy's rate. @type {{ name: string, test: RegExp, ofCopy: number }[]} */
const classes = [
  { name: "convolutions and products", test: /^(conv2d|linear)/, ofCopy: 0.85 },
  { name: "neurons, forward", test: /^neuron forward/, ofCopy: 0.95 },
  { name: "neurons, backward", test: /^neuron backward/, ofCopy: 0.8 },
  { name: "batch norm: moments, sums, affine gradients", test: /^channel|^batchNorm/, ofCopy: 0.85 },
  { name: "pooling", test: /Pool2d/, ofCopy: 0.6 },
  { name: "casts", test: /^cast/, ofCopy: 0.9 },
  { name: "optimiser", test: /^(adam|sgd)/, ofCopy: 0.7 },
  { name: "additions, losses, the rest", test: /./, ofCopy: 0.8 },
];

/** @type {[Workload, Precision][]} */
const wanted = [
  [sew, "bfloat16"], [sew, "tf32"], [sew, "float32"], [paper(18, 28), "bfloat16"], [paper(18, 28), "float32"], [paper(18, 32), "bfloat16"], [paper(34, 28), "bfloat16"], [paper(50, 28), "bfloat16"],
];
const predicted = wanted.map(([workload, precision]) => predict(workload, precision));
process.stdout.write([
  "Predictions for an H100 (SXM), not measurements, by `node bench/gpu/predict.mjs`: each tensor that an operation of a training step reads or writes counts once.", "",
  "| network | | expected samples/s | at the floor | outside products, expected | at the floor | GiB of tensors at once |", "|---|---|--:|--:|--:|--:|--:|", ...predicted.map(({ line }) => line), "",
  ...predicted.flatMap(({ details }) => details),
].join("\n"));

/** @param {Workload} workload @param {Precision} precision */
function predict(workload, precision) {
  const device = new WorkCounter();
  const training = new Training(device, workload, precision, 1);
  device.operations = [];
  training.step();
  const rows = classes.map(({ name, ofCopy }) => ({ name, ofCopy, calls: 0, bytes: 0, flops: 0, floor: 0, expected: 0 }));
  for (const { name, bytes, flops, depth } of device.operations) {
    const row = rows[classes.findIndex(({ test }) => test.test(name))];
    row.calls++;
    row.bytes += bytes;
    row.flops += flops;
    row.floor += Math.max(bytes / DRAM, flops / FLOPS[precision]);
    row.expected += Math.max(bytes / (DRAM * COPY * row.ofCopy), flops === 0 ? 0 : flops / (FLOPS[precision] * ofPeak(depth))) + GAP;
  }
  const total = rows.reduce((sum, row) => ({ ...sum, calls: sum.calls + row.calls, bytes: sum.bytes + row.bytes, flops: sum.flops + row.flops, floor: sum.floor + row.floor, expected: sum.expected + row.expected }));
  const percent = (/** @type {number} */ part, /** @type {number} */ whole) => `${((100 * part) / whole).toFixed(0)} %`;
  const row = (/** @type {typeof total} */ { name, calls, bytes, flops, floor, expected }) =>
    `| ${name} | ${calls} | ${(bytes / 1e9).toFixed(2)} | ${(flops / 1e12).toFixed(2)} | ${(1e3 * floor).toFixed(2)} | ${(1e3 * expected).toFixed(2)} | ${percent(expected, total.expected)} |`;
  const rate = (/** @type {number} */ seconds) => Math.round(workload.batch / seconds);
  const outside = (/** @type {"floor" | "expected"} */ of) => percent(total[of] - rows[0][of], total[of]);
  training.dispose();
  return {
    line: `| ${nameOf(workload)} | ${precision} | **${rate(total.expected)}** | ${rate(total.floor)} | ${outside("expected")} | ${outside("floor")} | ${(device.peak / 2 ** 30).toFixed(2)} |`,
    details: [
      `### ${nameOf(workload)}, ${precision}`, "",
      "| class | calls | GB | TFLOP | floor, ms | expected, ms | of the step |", "|---|--:|--:|--:|--:|--:|--:|",
      ...rows.filter(({ calls }) => calls > 0).map(row), row({ ...total, name: "**all**" }), "",
    ],
  };
}
