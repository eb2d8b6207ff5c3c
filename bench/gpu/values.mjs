// The weights, images and labels of a training benchmark, by formula, so that any program can make the same ones; peers_train.py has the same numbers.
import { hashKey } from "./work.mjs";

/** The number of the images' stream; those of the weights count from 0. */
const IMAGES = 65535;

/** Element i of a stream, uniform in [0, 1). @param {number} key @returns {(i: number) => number} */
const unitOf = (key) => (i) => {
  let h = i ^ key;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return ((h ^ (h >>> 16)) >>> 8) * 2 ** -24;
};

/**
 * A tensor that PyTorch has as [a, d, c, b] and we as [a, b, c, d]: element i is the hash of its place there.
 * @param {number} seed @param {number} stream @param {readonly [a: number, b: number, c: number, d: number]} shape @param {number} low @param {number} span
 */
function uniform(seed, stream, [a, b, c, d], low, span) {
  const unit = unitOf(hashKey(seed, stream));
  const [from, width] = [Math.fround(low), Math.fround(span)];
  const values = new Float32Array(a * b * c * d);
  let i = 0;
  for (let n = 0; n < a; n++) for (let p = 0; p < b; p++) for (let q = 0; q < c; q++) for (let r = 0; r < d; r++) {
    values[i++] = Math.fround(unit(((n * d + r) * c + q) * b + p) * width) + from;
  }
  return values;
}

/**
 * Weights that let a tenth or so of the neurons fire in all layers, however deep. Of a normalisation, γ is about `gamma` and β about `beta`.
 * @param {number} seed @param {number} stream the parameter's number @param {{ shape: readonly number[], role: "weight" | "gamma" | "beta" | "bias" }} parameter
 * @param {{ gamma: number, beta: number }} norm
 */
export function weights(seed, stream, { shape, role }, { gamma, beta }) {
  if (role === "weight") {
    const [inputs, outputs] = shape.slice(-2);
    const map = shape.slice(0, -2).reduce((product, n) => product * n, 1);
    const bound = Math.sqrt(6 / (inputs * map));
    return uniform(seed, stream, [1, map, inputs, outputs], -bound, 2 * bound);
  }
  const middle = { gamma, beta, bias: 0 }[role];
  return uniform(seed, stream, [1, 1, 1, shape[0]], middle - 0.1, 0.2);
}

/** Images [T, B, H, W, C] in [0, 1), another at each step. @param {number} seed @param {number} steps @param {number} batch @param {readonly [number, number, number]} shape */
export const images = (seed, steps, batch, [height, width, channels]) => uniform(seed, IMAGES, [steps * batch, height * width, 1, channels], 0, 1);

/** @param {number} batch @param {number} classes */
export const labels = (batch, classes) => Int32Array.from({ length: batch }, (_, i) => i % classes);
