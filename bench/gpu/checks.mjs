// What part a checks: fused kernels against the interpreter, dense math against the cpu device, a network in training against itself.
import { openDevice } from "../../dist/index.js";
import { loadSuite } from "./suite.mjs";
import { Training } from "./training.mjs";
import { smoke } from "./workloads.mjs";

/**
 * @typedef {import("../../dist/device/cuda/device.js").CudaDevice} CudaDevice
 * @typedef {import("../../dist/device/device.js").Device} Device
 * @typedef {import("../../dist/device/device.js").Tensor} Tensor
 * @typedef {import("../../dist/device/device.js").Precision} Precision
 * @typedef {import("./suite.mjs").Suite} Suite
 * @typedef {import("../../test/device/cuda/operations.ts").Operation} Operation
 * @typedef {import("../../test/device/cuda/operations.ts").Types} Types
 * @typedef {{ kind: string, name: string, run: (device: CudaDevice) => Promise<{ failures: string[], cases?: number, inexact?: number }> }} Check
 */

/** Of a sample for tools that slow kernels down a hundredfold, one check in so many. */
const SPARSE = 9;

/** @param {boolean} isSample @returns {Promise<Check[]>} */
export async function checks(isSample) {
  const suite = await loadSuite();
  const all = [...networks(), ...fused(suite, isSample ? [33] : [1, 2, 31, 32, 33, 100]), ...dense(suite)];
  return isSample ? all.filter(({ kind }, i) => kind === "network" || i % SPARSE === 0) : all;
}

/** By group, as the tests have them. @param {Suite} suite @param {number[]} lengths @returns {Check[]} */
function fused({ conformanceCases, check }, lengths) {
  const cases = conformanceCases({ elements: ["bf16", "f16"], lengths });
  return [...new Set(cases.map(({ group }) => group))].map((group) => ({
    kind: "fused", name: group,
    async run(device) {
      const own = cases.filter((each) => each.group === group);
      /** @type {string[]} */
      const failures = [];
      let inexact = 0;
      for (const each of own) {
        if ((await check(device, each, { exact: true })).failures.length === 0) continue;
        inexact++;
        failures.push(...(await check(device, each, { tolerateTies: true })).failures);
      }
      return { failures, cases: own.length, inexact };
    },
  }));
}

/** Half a unit in the last place of bf16's 8 bits and of TF32's 11; of f32, what the order of a sum makes. */
const [BF16, TF32, F32] = [2 ** -8, 2 ** -11, 1e-5];

/** @param {Suite} suite @returns {Check[]} */
function dense(suite) {
  /** @type {[Precision, Types][]} */
  const kinds = [["bfloat16", { x: "bf16", dy: "bf16" }], ["bfloat16", { x: "bf16", dy: "f32" }], ["bfloat16", { x: "f32", dy: "bf16" }], ["tf32", { x: "f32", dy: "f32" }], ["float32", { x: "f32", dy: "f32" }]];
  return suite.operations.flatMap((operation) => kinds.map(([precision, types]) => ({
    kind: "dense", name: `${operation.name}, ${precision}, x ${types.x}, dy ${types.dy}`,
    run: (device) => compare(suite, device, operation, precision, types),
  })));
}

/** @type {Promise<Device> | undefined} */
let cpu;

/** @param {Suite} suite @param {CudaDevice} device @param {Operation} operation @param {Precision} precision @param {Types} types */
async function compare(suite, device, operation, precision, types) {
  const reference = await (cpu ??= openDevice("cpu", { threads: 1 }));
  const data = suite.valuesOf(operation);
  const upload = (/** @type {Device} */ on, /** @type {Types} */ as) => operation.inputs.map(({ kind, shape }, i) => {
    const tensor = on.empty(shape, suite.typeOf(kind, as));
    on.write(tensor, tensor.dtype === "bf16" ? suite.toBf16(/** @type {Float32Array} */ (data[i])) : data[i]);
    return tensor;
  });
  const download = async (/** @type {Tensor} */ tensor) => {
    const found = await tensor.device.read(tensor);
    return tensor.dtype === "bf16" ? suite.fromBf16(/** @type {Uint16Array} */ (found)) : /** @type {Float32Array} */ (found);
  };
  const rounded = (operation.roundings ?? 1) * BF16;
  const isConvolution = operation.name.startsWith("conv");
  const isProduct = isConvolution || operation.name.startsWith("linear");
  // cuDNN writes what it has summed in f32 as its factors' type.
  const bound = (/** @type {string} */ dtype) => (dtype === "bf16" || (precision === "bfloat16" && isConvolution) ? rounded : precision === "tf32" && isProduct ? 4 * TF32 : F32);
  const mine = [...upload(device, types)];
  const theirs = [...upload(reference, { x: "f32", dy: "f32" })];
  /** @type {string[]} */
  const failures = [];
  const results = operation.run(device.denseFor(precision), mine);
  const expected = operation.run(reference.dense, theirs);
  for (const [i, tensor] of results.entries()) {
    if (!tensor || !expected[i]) continue;
    const [actual, exact] = [await download(tensor), await download(expected[i])];
    const largest = exact.reduce((most, value) => Math.max(most, Math.abs(value)), 1);
    const worst = actual.reduce((most, value, at) => Math.max(most, Math.abs(value - exact[at])), 0) / largest;
    if (!(worst < bound(tensor.dtype))) failures.push(`result ${i} is off by ${worst}, allowed ${bound(tensor.dtype)}`);
  }
  for (const tensor of [...mine, ...theirs, ...results, ...expected]) tensor?.dispose();
  return { failures, cases: 1 };
}

/** Losses of three steps: those of the cpu device, of float32, of the same work as a graph. @returns {Check[]} */
function networks() {
  return [
    { kind: "network", name: "training as on the cpu device, float32", run: async (device) => differ(await losses(await (cpu ??= openDevice("cpu", { threads: 1 })), "float32"), await losses(device, "float32"), 1e-3) },
    { kind: "network", name: "training in tf32 as in float32", run: async (device) => differ(await losses(device, "float32"), await losses(device, "tf32"), 0.02) },
    { kind: "network", name: "training in bfloat16 as in float32", run: async (device) => differ(await losses(device, "float32"), await losses(device, "bfloat16"), 0.05) },
    { kind: "network", name: "the same losses again, bit for bit", run: async (device) => differ(await losses(device, "bfloat16"), await losses(device, "bfloat16"), 0) },
    { kind: "network", name: "a recorded step as call by call, bit for bit", run: async (device) => differ(await losses(device, "bfloat16"), await losses(device, "bfloat16", true), 0) },
  ];
}

/** @param {Device} device @param {Precision} precision @param {boolean} [recorded] from the second step on */
async function losses(device, precision, recorded = false) {
  const training = new Training(device, smoke, precision, 1);
  /** @type {import("../../dist/cuda/index.js").Graph | undefined} */
  let graph;
  try {
    const found = [];
    for (let i = 0; i < 3; i++) {
      if (recorded && i === 1) graph = /** @type {CudaDevice} */ (device).capture(() => training.step());
      training.prepare();
      if (graph) graph.launch();
      else training.step();
      found.push(await training.readLoss());
    }
    return found;
  } finally {
    graph?.dispose();
    training.dispose();
  }
}

/** @param {number[]} expected @param {number[]} actual @param {number} allowed relative to the loss */
function differ(expected, actual, allowed) {
  const isClose = expected.every((loss, i) => Math.abs(loss - actual[i]) <= allowed * Math.abs(loss));
  return { failures: isClose ? [] : [`losses ${actual.join(", ")} instead of ${expected.join(", ")}`], cases: 1 };
}
