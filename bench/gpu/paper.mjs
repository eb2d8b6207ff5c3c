// The algorithm of the temporal-fusion paper (arXiv 2408.00280), written afresh from its description: one thread a neuron, a serial loop over
// time, fp32, single elements; V and Y are stored going forward and read going backward; the reset is not detached. Its rest r is 0 here.

/**
 * @typedef {import("./work.mjs").CudaDevice} CudaDevice
 * @typedef {import("./work.mjs").Tensor} Tensor
 */

/** k = 1 − 1/τ for τ = 2, and the arctangent's derivative δ: the neuron of the other contestants, but for the input's scale. */
const source = `
#define DECAY 0.5f
#define THRESHOLD 1.0f

extern "C" __global__ void __launch_bounds__(256)
paper_forward(const float* x, float* v, float* y, const int steps, const long long size) {
  const long long n = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (n >= size) return;
  float membrane = 0.0f, spike = 0.0f;
  for (int t = 0; t < steps; ++t) {
    const long long at = t * size + n;
    membrane = DECAY * membrane * (1.0f - spike) + x[at];
    spike = membrane >= THRESHOLD ? 1.0f : 0.0f;
    v[at] = membrane;
    y[at] = spike;
  }
}

extern "C" __global__ void __launch_bounds__(256)
paper_backward(const float* v, const float* y, const float* dy, float* dx, const int steps, const long long size) {
  const long long n = blockIdx.x * (long long)blockDim.x + threadIdx.x;
  if (n >= size) return;
  float gradient = 0.0f;
  for (int t = steps - 1; t >= 0; --t) {
    const long long at = t * size + n;
    const float u = 3.14159265f * (v[at] - THRESHOLD);
    const float delta = 1.0f / (1.0f + u * u);
    gradient = DECAY * gradient * (1.0f - y[at] - v[at] * delta) + dy[at] * delta;
    dx[at] = gradient;
  }
}
`;

/** Of a neuron-step: forward reads x and writes V, Y; backward reads V, Y, ∂y and writes ∂x. */
export const paperBytes = { forward: 12, backward: 16, both: 28 };

/**
 * The two launches on [T, N] tensors of f32.
 * @param {CudaDevice} device @param {{ x: Tensor, v: Tensor, y: Tensor, dy: Tensor, dx: Tensor }} tensors @param {{ T: number, N: number }} shape
 */
export function paperCalls(device, { x, v, y, dy, dx }, { T, N }) {
  const kernels = ["paper_forward", "paper_backward"].map((entry) => device.context.function("paper", source, entry));
  const addresses = (/** @type {Tensor[]} */ ...tensors) => tensors.map((tensor) => device.context.ptr(tensor, "paper", "f32"));
  const [forwardParameters, backwardParameters] = [[...addresses(x, v, y), T, N], [...addresses(v, y, dy, dx), T, N]];
  const forward = () => device.context.launch(kernels[0], N, forwardParameters);
  const backward = () => device.context.launch(kernels[1], N, backwardParameters);
  return { forward, backward, both: () => { forward(); backward(); } };
}
