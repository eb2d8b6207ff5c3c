// What both sides of the benchmark must agree on: the element types, the input, how often a short call is repeated within one sample.
import { prelude } from "../../dist/codegen/cuda/prelude.js";
import { sumRows } from "../../dist/device/cuda/reduce.js";

/**
 * @typedef {import("../../dist/device/cuda/device.js").CudaDevice} CudaDevice
 * @typedef {import("../../dist/device/device.js").Tensor} Tensor
 * @typedef {"fp32" | "bf16"} Dtype
 * @typedef {"forward" | "backward" | "both"} Direction
 * @typedef {{ T: number, N: number, dtype: Dtype }} Case
 */

/** @satisfies {Record<Dtype, { bytes: number, store: "f32" | "u16", element: "f32" | "bf16", c: string }>} */
export const dtypes = {
  fp32: { bytes: 4, store: "f32", element: "f32", c: "float" },
  bf16: { bytes: 2, store: "u16", element: "bf16", c: "bfloat_bits" },
};

/** @type {readonly Direction[]} */
export const directions = ["forward", "backward", "both"];

/** Uniform in [low, low + span), times gain. peers.py has the same numbers. */
export const inputRange = { low: -1, span: 3.2 };
export const gradientRange = { low: -1, span: 2 };

/** The key of the n-th random array of a run. @param {number} seed @param {number} n */
export const hashKey = (seed, n) => Math.imul(2 * seed + n + 1, 0x9e3779b9) >>> 0;

/**
 * A new [T, N] tensor of uniform numbers: element i is a hash of i and the key, so that any program can make the same ones.
 * @param {CudaDevice} device @param {Case} of @param {number} key @param {{ low: number, span: number, gain?: number }} range
 */
export function uniform(device, { T, N, dtype }, key, { low, span, gain = 1 }) {
  const { store, c } = dtypes[dtype];
  const source = `${prelude}
extern "C" __global__ void __launch_bounds__(256)
uniform(${c}* __restrict__ y, const long long count, const unsigned int key) {
  const long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (i >= count) return;
  unsigned int h = (unsigned int)i ^ key;
  h ^= h >> 16; h *= 0x7feb352du; h ^= h >> 15; h *= 0x846ca68bu; h ^= h >> 16;
  const float unit = (float)(h >> 8) * 0x1p-24f;
  from_float(y[i], (unit * ${literal(span)} + ${literal(low)}) * ${literal(gain)});
}
`;
  const y = device.empty([T, N], store);
  device.context.launch(device.context.function("uniform", source, "uniform"), T * N, [device.context.ptr(y, "uniform"), T * N, key]);
  return y;
}

/** @param {number} x */
const literal = (x) => `${Number.isInteger(x) ? x.toFixed(1) : x}f`;

/**
 * The mean of |x|: of spikes their rate, of gradients a figure to compare with another program's.
 * @param {CudaDevice} device @param {Tensor} x @param {Case} of
 */
export async function meanAbsolute(device, x, { T, N, dtype }) {
  const source = `${prelude}
extern "C" __global__ void __launch_bounds__(256)
sum_absolute(const ${dtypes[dtype].c}* __restrict__ x, float* __restrict__ y, const int steps, const long long size) {
  const long long n = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (n >= size) return;
  float sum = 0.0f;
  for (int t = 0; t < steps; ++t) sum += fabsf(to_float(x[t * size + n]));
  y[n] = sum;
}
`;
  const columns = device.empty([N]);
  const total = device.empty([1]);
  try {
    const address = device.context.ptr(columns, "sum_absolute");
    device.context.launch(device.context.function("sum_absolute", source, "sum_absolute"), N, [device.context.ptr(x, "sum_absolute"), address, T, N]);
    sumRows(device.context, address, device.context.ptr(total, "sum_absolute"), N, 1);
    return (await device.read(total))[0] / (T * N);
  } finally {
    columns.dispose();
    total.dispose();
  }
}

/** A sample lasts about so long: calls that are shorter are queued one behind the other, and their time is divided. peers.py has the same numbers. */
const SAMPLE_MS = 0.5;
const MAX_CALLS = 100;

/** Times work on a device by events around it. */
export class Timer {
  /** @param {CudaDevice} device */
  constructor(device) {
    this.device = device;
    this.events = [device.context.driver.get("cuEventCreate", 0), device.context.driver.get("cuEventCreate", 0)];
    this.milliseconds = new Float32Array(1);
  }

  /** Milliseconds of one call of `work`. @param {() => void} work @param {number} calls */
  sample(work, calls) {
    const { driver, stream } = this.device.context;
    const [start, end] = this.events;
    this.device.context.activate("timer");
    driver.call("cuEventRecord", start, stream);
    for (let i = 0; i < calls; i++) work();
    driver.call("cuEventRecord", end, stream);
    driver.call("cuEventSynchronize", end);
    driver.call("cuEventElapsedTime", this.milliseconds, start, end);
    return this.milliseconds[0] / calls;
  }

  /** How many calls make a sample; warms up. @param {() => void} work */
  calibrate(work) {
    this.sample(work, 2);
    return Math.min(MAX_CALLS, Math.max(1, Math.ceil(SAMPLE_MS / this.sample(work, 1))));
  }

  dispose() {
    for (const event of this.events) this.device.context.driver.raw.cuEventDestroy_v2(event);
  }
}
