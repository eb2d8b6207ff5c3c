// Our contestants: the fused LIF, an adaptive LIF as a user writes it, the paper's algorithm and a plain copy, on one device.
import { elementsOf, formats } from "../../dist/codegen/formats.js";
import { plan } from "../../dist/fusion/plan.js";
import { defineNeuron, lif, spike, surrogate } from "../../dist/neuron/index.js";
import { paperBytes, paperCalls } from "./paper.mjs";
import { dtypes, gradientRange, hashKey, inputRange, meanAbsolute, uniform } from "./work.mjs";

/**
 * @typedef {import("./work.mjs").CudaDevice} CudaDevice
 * @typedef {import("./work.mjs").Tensor} Tensor
 * @typedef {import("./work.mjs").Case} Case
 * @typedef {import("./work.mjs").Direction} Direction
 * @typedef {import("../../dist/neuron/index.js").Neuron} Neuron
 * @typedef {import("../../dist/fusion/plan.js").Plan} Plan
 * @typedef {{
 *   calls: Partial<Record<Direction, () => void>>, bytes: Partial<Record<Direction, number>>,
 *   observe: () => Promise<{ firingRate?: number, meanGradient?: number }>, resources?: () => object,
 * }} Prepared
 */

/** τ = 2, threshold 1, hard reset that is part of the gradient, arctangent: what every peer is set to. */
const population = lif({ tau: 2, surrogate: surrogate.atan() });

const adaptive = defineNeuron({
  name: "adaptive",
  state: { v: 0, a: 0 },
  params: { decay: 0.5, rho: 0.97, beta: 0.3 },
  step({ v, a }, { x }, { decay, rho, beta }) {
    const h = v.mul(decay).add(x.mul(0.5));
    const s = spike(h.sub(a.mul(beta)).sub(1), surrogate.atan());
    return { spike: s, v: h.sub(s), a: a.mul(rho).add(s) };
  },
});

/** Contestants by name: what they are, and the element types they have. */
export const ours = {
  spikefold: { what: "the fused LIF, reset not detached", dtypes: ["fp32", "bf16"] },
  "spikefold adaptive": { what: "an adaptive LIF of two states and three parameters, written in ten lines", dtypes: ["fp32", "bf16"] },
  paper: { what: "the paper's algorithm: one thread a neuron, V and Y stored; no memsets counted", dtypes: ["fp32"] },
  copy: { what: "a copy of [T, N] from device memory to device memory", dtypes: ["fp32", "bf16"] },
};

/** The tensors of one case, freed together. */
export class OurCase {
  /** @param {CudaDevice} device @param {Case} of @param {number} seed */
  constructor(device, of, seed) {
    this.device = device;
    this.of = of;
    this.seed = seed;
    /** @type {Tensor[]} */
    this.owned = [];
    try {
      this.x = this.own(uniform(device, of, hashKey(seed, 0), inputRange));
      this.dy = this.own(uniform(device, of, hashKey(seed, 1), gradientRange));
      this.y = this.own(this.empty());
      this.dx = this.own(this.empty());
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  /** @param {keyof typeof ours} name @returns {Prepared} */
  prepare(name) {
    if (name === "copy") return { calls: { forward: () => this.device.copy(this.x, this.dx) }, bytes: { forward: 2 * dtypes[this.of.dtype].bytes }, observe: async () => ({}) };
    if (name === "paper") return this.paper();
    return this.fused(name === "spikefold" ? population : adaptive);
  }

  /** @param {Neuron} neuron @returns {Prepared} */
  fused(neuron) {
    const { T, N, dtype } = this.of;
    const { element } = dtypes[dtype];
    const kernels = plan({ neuron, steps: T, gradients: ["x"], elements: element, outputs: { spike: element } });
    const kernel = this.device.kernel(kernels);
    /** @type {Record<string, Tensor>} */
    const buffers = { x: this.x, spike: this.y, "d.spike": this.dy, "grad.x": this.dx };
    for (const [name, value] of Object.entries(neuron.params)) buffers[name] = this.own(this.device.tensor(Float32Array.of(value), [1]));
    const launch = { steps: T, size: N, buffers: { ...buffers, ...this.checkpoints(kernels) } };
    const forward = () => kernel.forward(launch);
    const backward = () => kernel.backward(launch);
    const bytes = { forward: bytesOf(kernels, "forward", this.of), backward: bytesOf(kernels, "backward", this.of) };
    return {
      calls: { forward, backward, both: () => { forward(); backward(); } },
      bytes: { ...bytes, both: bytes.forward + bytes.backward },
      observe: () => this.observe(forward, backward, this.y),
      resources: () => ({ forward: kernel.resources("forward", N), backward: kernel.resources("backward", N) }),
    };
  }

  /** @returns {Prepared} */
  paper() {
    // Half the input: this charge does not divide it by tau.
    const gain = 0.5;
    const x = this.own(uniform(this.device, this.of, hashKey(this.seed, 0), { ...inputRange, gain }));
    const y = this.own(this.empty());
    const calls = paperCalls(this.device, { x, v: this.own(this.empty()), y, dy: this.dy, dx: this.dx }, this.of);
    return { calls, bytes: paperBytes, observe: () => this.observe(calls.forward, calls.backward, y, gain) };
  }

  /** @param {() => void} forward @param {() => void} backward @param {Tensor} spikes */
  async observe(forward, backward, spikes, gain = 1) {
    forward();
    backward();
    return { firingRate: await meanAbsolute(this.device, spikes, this.of), meanGradient: gain * (await meanAbsolute(this.device, this.dx, this.of)) };
  }

  /** Where the forward kernel saves states for the backward one. @param {Plan} kernels @returns {Record<string, Tensor>} */
  checkpoints({ checkpointEvery, states }) {
    const { T, N } = this.of;
    const rows = checkpointEvery === null ? 0 : Math.ceil(T / checkpointEvery) - 1;
    return Object.fromEntries(rows === 0 ? [] : states.map((name) => [`checkpoint.${name}`, this.own(this.device.empty([rows, N]))]));
  }

  empty() { return this.device.empty([this.of.T, this.of.N], dtypes[this.of.dtype].store); }

  /** @template {Tensor} Kind @param {Kind} tensor */
  own(tensor) {
    this.owned.push(tensor);
    return tensor;
  }

  /** Gives the memory back to the device, so that the peers may have all of it. */
  dispose() {
    for (const tensor of this.owned) tensor.dispose();
    this.owned = [];
    this.device.context.memory.trim();
  }
}

/** What a kernel must move, per neuron-step. @param {Plan} kernels @param {"forward" | "backward"} direction @param {Case} of */
function bytesOf(kernels, direction, { T, N }) {
  const bytes = (kernels[direction]?.buffers ?? []).map(({ time, extent, format }) => {
    const row = extent === "neuron" ? N : 1;
    const elements = time === "varying" ? elementsOf(format, T, row) : time === "constant" ? row : (Math.ceil(T / (kernels.checkpointEvery ?? T)) - 1) * row;
    return elements * formats[format].bytes;
  });
  return bytes.reduce((sum, each) => sum + each, 0) / (T * N);
}

/**
 * Holds the paper's kernels to ours: the same spikes, gradients but for rounding. Ours takes the input undivided here, as the paper's does.
 * @param {CudaDevice} device @param {number} seed
 */
export async function checkPaper(device, seed) {
  /** @type {Case} */
  const of = { T: 33, N: 4100, dtype: "fp32" };
  const shared = new OurCase(device, of, seed);
  try {
    const { x, dy, y, dx } = shared;
    const kernels = plan({ neuron: lif({ tau: 2, decayInput: false, surrogate: surrogate.atan() }), steps: of.T, gradients: ["x"] });
    const kernel = device.kernel(kernels);
    const launch = { steps: of.T, size: of.N, buffers: { x, spike: y, "d.spike": dy, "grad.x": dx, ...shared.checkpoints(kernels) } };
    kernel.forward(launch);
    kernel.backward(launch);
    const read = async (/** @type {Tensor} */ tensor) => /** @type {Float32Array} */ (await device.read(tensor));
    const [spikes, gradient] = [await read(y), await read(dx)];
    const { forward, backward } = paperCalls(device, { x, v: shared.own(shared.empty()), y, dy, dx }, of);
    forward();
    backward();
    const [paperSpikes, paperGradient] = [await read(y), await read(dx)];
    const differing = spikes.reduce((count, s, i) => count + (s === paperSpikes[i] ? 0 : 1), 0);
    const largest = gradient.reduce((most, g, i) => Math.max(most, Math.abs(g - paperGradient[i])), 0);
    if (differing > 0 || !(largest < 1e-5)) throw new Error(`the paper's algorithm disagrees with ours: ${differing} spikes differ, gradients by up to ${largest}`);
    return { T: of.T, N: of.N, spikesThatDiffer: differing, largestGradientDifference: largest };
  } finally {
    shared.dispose();
  }
}

/** Host time of a launch in µs: of an empty kernel, and of a whole fused forward call. @param {CudaDevice} device */
export async function hostCost(device) {
  const empty = device.context.function("empty", 'extern "C" __global__ void __launch_bounds__(256) empty() {}\n', "empty");
  const small = new OurCase(device, { T: 4, N: 256, dtype: "fp32" }, 0);
  try {
    return { emptyKernel: await perLaunch(device, () => device.context.launch(empty, 256, [])), fusedForward: await perLaunch(device, small.prepare("spikefold").calls.forward ?? (() => {})) };
  } finally {
    small.dispose();
  }
}

/** @param {CudaDevice} device @param {() => void} launch */
async function perLaunch(device, launch) {
  const times = [];
  for (let round = -5; round < 25; round++) {
    await device.synchronize();
    const start = performance.now();
    for (let i = 0; i < 200; i++) launch();
    if (round >= 0) times.push((1000 * (performance.now() - start)) / 200);
  }
  return summary(times, "Us");
}

/** @param {readonly number[]} times @param {"Ms" | "Us"} unit */
export function summary(times, unit) {
  const sorted = [...times].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const median = sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { [`median${unit}`]: median, [`minimum${unit}`]: sorted[0], [`maximum${unit}`]: sorted[sorted.length - 1], repetitions: sorted.length };
}
