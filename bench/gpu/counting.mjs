// A device that computes nothing: it counts what a step's operations must move and multiply, and the memory that is alive.
import { formats } from "../../dist/codegen/formats.js";
import { byteCount, ELEMENT_BYTES, StoredTensor } from "../../dist/device/tensor.js";

/**
 * @typedef {import("../../dist/device/device.js").Device} Device
 * @typedef {import("../../dist/device/device.js").DenseMath} DenseMath
 * @typedef {import("../../dist/device/device.js").DType} DType
 * @typedef {import("../../dist/device/device.js").Tensor} Tensor
 * @typedef {import("../../dist/device/device.js").Window2d} Window2d
 * @typedef {import("../../dist/fusion/plan.js").Plan} Plan
 * @typedef {{ name: string, bytes: number, flops: number, depth: number }} Operation depth: terms of each sum of a product
 */

/** @implements {Device} */
export class CountingDevice {
  name = "counting";
  description = "counts, and computes nothing";
  arithmetic = "none";
  time = { dense: 0, neuron: 0, rest: 0 };
  bytesInUse = 0;
  peakBytes = 0;
  /** What was called, in order; each tensor is read or written once by an operation. @type {Operation[]} */
  operations = [];
  dense = this.denseFor();

  /** @param {readonly number[]} shape @param {DType} [dtype] @returns {Tensor} */
  empty(shape, dtype = "f32") {
    const bytes = byteCount(shape, dtype);
    this.bytesInUse += bytes;
    this.peakBytes = Math.max(this.peakBytes, this.bytesInUse);
    return new StoredTensor(this, shape, dtype, { free: () => void (this.bytesInUse -= bytes), holders: 0, address: 0 });
  }

  /** @param {readonly number[]} shape @param {DType} [dtype] */
  zeros(shape, dtype) {
    return this.empty(shape, dtype);
  }

  /** @param {import("../../dist/device/device.js").TypedArray} data @param {readonly number[]} shape */
  tensor(data, shape) {
    return this.empty(shape, data instanceof Float32Array ? "f32" : data instanceof Int32Array ? "i32" : data instanceof Uint16Array ? "u16" : data instanceof Uint8Array ? "u8" : "u32");
  }

  write() {}

  /** @param {Tensor} tensor */
  async read(tensor) {
    return new Float32Array(tensor.size);
  }

  /** @param {Tensor} source @param {Tensor} target */
  copy(source, target) {
    this.#count("copy", [source, target]);
  }

  /** @param {Plan} plan */
  kernel(plan) {
    const name = plan.neuron.outputs.includes("spike") ? "neuron" : plan.neuron.name;
    /** @param {"forward" | "backward"} direction */
    const launch = (direction) => (/** @type {import("../../dist/device/device.js").Launch} */ { buffers }) => {
      const specs = plan[direction]?.buffers ?? [];
      this.operations.push({ name: name === "neuron" ? `neuron ${direction}` : name, bytes: specs.reduce((sum, spec) => sum + buffers[spec.name].size * formats[spec.format].bytes, 0), flops: 0, depth: 0 });
    };
    return { plan, forward: launch("forward"), backward: launch("backward") };
  }

  async synchronize() {}

  async dispose() {}

  /** Of any precision: types follow from the operands'. @returns {DenseMath} */
  denseFor() {
    /** A result of an operation on `given`. @param {string} name @param {readonly (Tensor | undefined)[]} given @param {readonly Tensor[]} made @param {number} [flops] @param {number} [depth] */
    const counted = (name, given, made, flops, depth) => this.#count(name, [...given, ...made], flops, depth);
    const like = (/** @type {Tensor} */ x, /** @type {readonly number[]} */ shape = x.shape) => this.empty(shape, x.dtype);
    const channel = (/** @type {Tensor} */ x) => this.empty([x.shape[x.shape.length - 1]]);
    /** @param {string} name @param {Tensor} x @param {Tensor} w @param {Tensor | undefined} bias @param {readonly number[]} shape */
    const product = (name, x, w, bias, shape) => {
      const y = like(x, shape);
      const depth = w.size / shape[shape.length - 1];
      counted(name, [x, w, bias], [y], 2 * y.size * depth, depth);
      return y;
    };
    /** @param {string} name @param {Tensor} x @param {Tensor} w @param {Tensor} dy @param {{ input: boolean, bias: boolean }} need */
    const productBackward = (name, x, w, dy, { input, bias }) => {
      const outputs = dy.shape[dy.shape.length - 1];
      const depth = w.size / outputs;
      const [dx, dw, db] = [input ? like(x) : undefined, this.empty(w.shape), bias ? this.empty([outputs]) : undefined];
      if (dx) counted(`${name} data`, [dy, w], [dx], 2 * dy.size * depth, (depth / w.shape[w.shape.length - 2]) * outputs);
      counted(`${name} filter`, [x, dy], [dw], 2 * dy.size * depth, dy.size / outputs);
      if (db) counted(`${name} bias`, [dy], [db]);
      return { dx, dw, db };
    };
    /** @param {Tensor} x @param {Window2d} window */
    const positions = ({ shape }, { size, stride, padding }) => [0, 1].map((axis) => Math.floor((shape[axis + 1] + 2 * padding[axis] - size[axis]) / stride[axis]) + 1);
    /** @param {string} name @param {Tensor} x @param {Window2d} window */
    const pooled = (name, x, window) => {
      const y = like(x, [x.shape[0], ...positions(x, window), x.shape[3]]);
      counted(name, [x], [y]);
      return y;
    };
    /** @template {Record<string, Tensor>} Made @param {string} name @param {readonly (Tensor | undefined)[]} given @param {Made} made */
    const all = (name, given, made) => {
      counted(name, given, Object.values(made));
      return made;
    };
    /** @param {string} name @param {readonly (Tensor | undefined)[]} given @param {Tensor} made */
    const one = (name, given, made) => all(name, given, { made }).made;
    return {
      linear: (x, w, bias) => product("linear", x, w, bias, [x.shape[0], w.shape[1]]),
      linearBackward: (x, w, dy, need) => productBackward("linear", x, w, dy, need),
      conv2d: (x, w, bias, window) => product("conv2d", x, w, bias, [x.shape[0], ...positions(x, window), w.shape[3]]),
      conv2dBackward: (x, w, dy, _window, need) => productBackward("conv2d", x, w, dy, need),
      maxPool2d: (x, window) => pooled("maxPool2d", x, window),
      maxPool2dBackward: (x, dy) => one("maxPool2d backward", [x, dy], like(x)),
      avgPool2d: (x, window) => pooled("avgPool2d", x, window),
      avgPool2dBackward: (shape, dy) => one("avgPool2d backward", [dy], this.empty(shape, dy.dtype)),
      channelMoments: (x) => all("channelMoments", [x], { mean: channel(x), variance: channel(x) }),
      channelSums: (x) => one("channelSums", [x], channel(x)),
      channelDots: (x, y) => one("channelDots", [x, y], channel(x)),
      channelAffine: (x, a, b, y, d) => one("channelAffine", [x, a, b, y, d], like(x)),
      cast: (x, dtype) => one("cast", [x], this.empty(x.shape, dtype)),
      sumFirst: (x) => one("sumFirst", [x], this.empty(x.shape.slice(1))),
      repeatFirst: (x, times) => one("repeatFirst", [x], like(x, [times, ...x.shape])),
      addInto: (y, x) => void this.#count("addInto", [y, x, y]),
      scale: (x) => void this.#count("scale", [x, x]),
      sumOfSquares: (...tensors) => one("sumOfSquares", tensors, this.empty([1])),
      softmaxCrossEntropy: (logits, labels) => all("losses", [logits, labels], { loss: this.empty([1]), gradient: this.empty(logits.shape), correct: this.empty([1]) }),
      meanSquaredError: (x, target) => all("losses", [x, target], { loss: this.empty([1]), gradient: this.empty(x.shape) }),
    };
  }

  /** @param {string} name @param {readonly (Tensor | undefined)[]} tensors @param {number} [flops] @param {number} [depth] */
  #count(name, tensors, flops = 0, depth = 0) {
    this.operations.push({ name, bytes: tensors.reduce((sum, tensor) => sum + (tensor ? tensor.size * ELEMENT_BYTES[tensor.dtype] : 0), 0), flops, depth });
  }
}
