// A device that computes nothing and counts what a step's operations must move and multiply.
import { formats } from "../../dist/codegen/formats.js";
import { CountingDevice } from "../../dist/device/counting.js";
import { ELEMENT_BYTES } from "../../dist/device/tensor.js";

/**
 * @typedef {import("../../dist/device/device.js").Device} Device
 * @typedef {import("../../dist/device/device.js").DenseMath} DenseMath
 * @typedef {import("../../dist/device/device.js").Launch} Launch
 * @typedef {import("../../dist/device/device.js").Tensor} Tensor
 * @typedef {import("../../dist/fusion/plan.js").Plan} Plan
 * @typedef {{ name: string, bytes: number, flops: number, depth: number }} Operation depth: terms of each sum of a product
 */

const anyDevice = /** @type {Device} */ (/** @type {unknown} */ ({ name: "a device of all precisions", arithmetic: "", denseFor() {} }));

export class WorkCounter extends CountingDevice {
  /** What was called, in order. Each tensor is read or written once by an operation. @type {Operation[]} */
  operations = [];

  constructor() {
    super(anyDevice);
    this.dense = this.#counted(this.dense);
  }

  /** @override @param {Tensor} source @param {Tensor} target */
  copy(source, target) {
    super.copy(source, target);
    this.#count("copy", [source, target]);
  }

  /** @override @param {Plan} plan */
  kernel(plan) {
    const kernel = super.kernel(plan);
    const { name, outputs } = plan.neuron;
    /** @param {"forward" | "backward"} direction @param {Launch} launch */
    const launch = (direction, launch) => {
      kernel[direction](launch);
      const bytes = (plan[direction]?.buffers ?? []).reduce((sum, spec) => sum + launch.buffers[spec.name].size * formats[spec.format].bytes, 0);
      this.operations.push({ name: outputs.includes("spike") ? `neuron ${direction}` : name, bytes, flops: 0, depth: 0 });
    };
    return { plan, forward: (/** @type {Launch} */ given) => launch("forward", given), backward: (/** @type {Launch} */ given) => launch("backward", given) };
  }

  /** @param {DenseMath} dense @returns {DenseMath} */
  #counted(dense) {
    /** @param {"linear" | "conv2d"} name @param {Tensor} x @param {Tensor} w @param {Tensor} dy @param {{ dx?: Tensor, dw: Tensor, db?: Tensor }} result */
    const backward = (name, x, w, dy, { dx, dw, db }) => {
      const outputs = w.shape[w.shape.length - 1];
      const depth = w.size / outputs;
      if (dx) this.#count(`${name} data`, [dy, w, dx], 2 * dy.size * depth, w.size / w.shape[w.shape.length - 2]);
      this.#count(`${name} filter`, [x, dy, dw], 2 * dy.size * depth, dy.size / outputs);
      if (db) this.#count(`${name} bias`, [dy, db]);
    };
    /** @type {Partial<DenseMath>} */
    const products = {
      linear: (x, w, bias) => this.#product("linear", x, w, bias, dense.linear(x, w, bias)),
      conv2d: (x, w, bias, window) => this.#product("conv2d", x, w, bias, dense.conv2d(x, w, bias, window)),
      linearBackward: (x, w, dy, need) => {
        const result = dense.linearBackward(x, w, dy, need);
        backward("linear", x, w, dy, result);
        return result;
      },
      conv2dBackward: (x, w, dy, window, need) => {
        const result = dense.conv2dBackward(x, w, dy, window, need);
        backward("conv2d", x, w, dy, result);
        return result;
      },
    };
    const others = Object.entries(dense).map(([name, operation]) => [name, (/** @type {unknown[]} */ ...given) => {
      const result = operation(...given);
      // What is added to is read and written.
      const again = name === "addInto" || name === "scale" ? [given[0]] : [];
      this.#count(name, [...given, ...again, ...(isTensor(result) ? [result] : Object.values(result ?? {}))].filter(isTensor));
      return result;
    }]);
    return { ...Object.fromEntries(others), ...products };
  }

  /** @param {string} name @param {Tensor} x @param {Tensor} w @param {Tensor | undefined} bias @param {Tensor} y */
  #product(name, x, w, bias, y) {
    const depth = w.size / w.shape[w.shape.length - 1];
    this.#count(name, [x, w, y, ...(bias ? [bias] : [])], 2 * y.size * depth, depth);
    return y;
  }

  /** @param {string} name @param {readonly Tensor[]} tensors @param {number} [flops] @param {number} [depth] */
  #count(name, tensors, flops = 0, depth = 0) {
    this.operations.push({ name, bytes: tensors.reduce((sum, { size, dtype }) => sum + size * ELEMENT_BYTES[dtype], 0), flops, depth });
  }
}

/** @param {unknown} x @returns {x is Tensor} */
const isTensor = (x) => typeof x === "object" && x !== null && "dtype" in x;
