import { elements } from "../../nn/axes.ts";
import type { Fields } from "./fields.ts";
import { orderOf, type Signal, toMatrix, toOurs } from "./layout.ts";
import type { Loop } from "./neuronLayer.ts";
import { readNote } from "./note.ts";

/**
 * The connections of neurons back to themselves, added up: `nodes` are those between, the neuron's own where there is none. What comes back is that of the step before.
 * @throws FileFormatError, naming the node, for weights of another shape
 */
export function loopOf(nodes: readonly Fields[], neuron: Fields, signal: Signal, rules: string[]): Loop {
  const order = orderOf(signal);
  const size = order.length;
  const { name } = neuron.node;
  rules.push(`${name} (${neuron.node.type}): what it reads of itself${nodes.map((each) => (each.node.name === name ? "" : `, by ${each.node.name} (${each.node.type})`)).join("")} is of the step before`);
  const loops = nodes.map((fields) => (fields.node.name === name ? { diagonal: new Float32Array(size).fill(1) } : connectionOf(fields, signal, order)));
  const biases = loops.flatMap(({ bias }) => bias ?? []);
  const bias = biases.length > 0 ? { bias: summed(biases) } : {};
  const diagonals = loops.flatMap(({ diagonal }) => diagonal ?? []);
  const matrices = loops.flatMap(({ matrix }) => matrix ?? []);
  const wantsElements = matrices.length === 0 || (readNote(neuron.node.metadata)?.note?.weights === "elementwise" && matrices.every((matrix) => isDiagonal(matrix, size)));
  if (wantsElements) return { weights: "elementwise", weight: perChannel(summed([...diagonals, ...matrices.map((matrix) => diagonal(matrix, size))]), signal, neuron), ...bias };
  return { weights: "dense", weight: summed([...matrices, ...diagonals.map(asMatrix)]), ...bias };
}

interface Connection {
  matrix?: Float32Array;
  diagonal?: Float32Array;
  bias?: Float32Array;
}

function connectionOf(fields: Fields, signal: Signal, order: Int32Array): Connection {
  if (fields.node.type === "Scale") return { diagonal: Float32Array.from(fields.perNeuron("scale", signal)) };
  const size = elements(signal.shape);
  const { shape, data } = fields.weights("weight", 2);
  if (signal.shape.length > 1 || shape.some((length) => length !== size)) fields.fail(`has a weight of shape [${shape.join(", ")}], from and to neurons of shape [${signal.shape.join(", ")}]`);
  const bias = fields.bias(size);
  return { matrix: toMatrix(data, order, order), ...(bias ? { bias: toOurs(bias, order) } : {}) };
}

/** The weights of elementwise connections are of channels. */
function perChannel(values: Float32Array, { shape }: Signal, neuron: Fields): Float32Array {
  const [channels] = shape;
  const length = shape.length === 1 ? values.length : channels;
  return values.every((value, j) => value === values[j % length]) ? values.slice(0, length) : neuron.fail("reads itself with weights that differ within a channel: here a channel has one");
}

const summed = (arrays: readonly Float32Array[]): Float32Array => arrays.reduce((a, b) => a.map((value, i) => value + b[i]));
const diagonal = (matrix: Float32Array, size: number): Float32Array => Float32Array.from({ length: size }, (_, i) => matrix[i * size + i]);
const isDiagonal = (matrix: Float32Array, size: number): boolean => matrix.every((value, i) => value === 0 || i % (size + 1) === 0);
const asMatrix = (values: Float32Array): Float32Array => {
  const matrix = new Float32Array(values.length ** 2);
  values.forEach((value, i) => (matrix[i * (values.length + 1)] = value));
  return matrix;
};
